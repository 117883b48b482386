"""From a row of an engine's outbox to the message that the ledger holds from then on."""

from __future__ import annotations

import msgspec

from tailorbird.journeys.effects import SendMessage
from tailorbird.ports import ledger as standing
from tailorbird.ports.ledger import Message
from tailorbird.ports.state_store import OutboxRow

_decode_effect = msgspec.msgpack.Decoder(SendMessage).decode


def intent_of(index: int, row: OutboxRow, now: int, hold_until: int) -> Message:
    """Return the message of an outbox row of the state `index`.

    What was due by `hold_until` (microseconds UTC) waits on hold: after a restore it may have been
    sent already.
    """
    effect = _decode_effect(row.body)
    is_on_hold = effect.due_at <= hold_until
    return Message(
        effect_id=row.effect_id,
        state=index,
        profile_id=row.profile_id,
        journey=effect.journey,
        step=effect.step,
        template=effect.template,
        kind=effect.kind,
        topic=effect.topic,
        due_at=effect.due_at,
        expires_at=effect.expires_at,
        created_at=now,
        status=standing.HELD if is_on_hold else standing.INTENT,
        reason=standing.ON_HOLD_REASON if is_on_hold else "",
        # It was due when the log said so; a clock that went back since then must not hold it.
        next_attempt_at=standing.ON_HOLD if is_on_hold else min(effect.due_at, now),
        effect=row.body,
        required_offset=row.offset,
    )
