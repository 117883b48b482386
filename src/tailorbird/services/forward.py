"""Carries the state of a merged profile to the winner's partition, as an `absorb` record."""

from __future__ import annotations

import msgspec

from tailorbird.base.hashing import hash64
from tailorbird.events.event import ABSORB, Absorb, encode, partition_of
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import RETRY, LogWriter
from tailorbird.ports.state_store import HAND_OVER, StateStore
from tailorbird.reducer.effects import HandOver

_BATCH = 500
_decode = msgspec.msgpack.Decoder(HandOver).decode


async def forward_hand_overs(state: StateStore, writer: LogWriter, after: int) -> int:
    """Append the hand-overs of an outbox; return the sequence number up to which it is done.

    Repeating is harmless: the log knows a hand-over by its effect id.
    """
    rows = state.outbox(after, _BATCH, HAND_OVER)
    if not rows:
        return after
    drafts = []
    for row in rows:
        effect = _decode(row.body)
        body = Absorb(effect.merge_id, effect.loser_id, effect.loser_now, effect.state)
        drafts.append(
            Draft(
                partition_of(effect.winner_id),
                ABSORB,
                effect.winner_id,
                encode(body),
                hash64("hand_over", effect.effect_id),
            )
        )
    answers = await writer.append(drafts)
    if any(answer.status == RETRY for answer in answers):
        return after
    return rows[-1].seq
