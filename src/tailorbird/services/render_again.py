"""A message composed again from its record, and compared with what left.

Apart from `explain`, because it needs the libraries that templates are rendered with.
"""

from __future__ import annotations

import msgspec

from tailorbird.delivery.assemble import encode_parts
from tailorbird.journeys.effects import SendMessage
from tailorbird.ports.ledger import Ledger, Message
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.compose import compose
from tailorbird.services.explain import sent_bytes
from tailorbird.services.message_record import decode_record, profile_of

_decode_effect = msgspec.msgpack.Decoder(SendMessage).decode


def is_same_again(
    message: Message, ledger: Ledger, reducer: Reducer, token_key: bytes
) -> bool | None:
    """Compose a message again from its record; whether the bytes are those that left.

    `reducer` is of the version that the record names. None where nothing left.
    """
    record, data = decode_record(message), sent_bytes(message, ledger)
    profile = profile_of(message, ledger, reducer)
    if data is None or profile is None:
        return None
    workspace = reducer.workspace
    effect = _decode_effect(message.effect)
    again = compose(
        effect,
        profile,
        message.profile_id,
        workspace,
        workspace.templates[effect.template],
        record["address"],
        token_key,
        record["decided_at"],
    )
    return encode_parts(again.parts) == data
