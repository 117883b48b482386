"""The messages of senders that we know, read without a map."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from tailorbird.base.hashing import hash_text
from tailorbird.events.refusal import Refusal, excerpt
from tailorbird.services.hooks import shopify, stripe, woocommerce
from tailorbird.services.hooks.fields import Call, Json, text
from tailorbird.services.source_messages import Bad, Item, object_in
from tailorbird.workspace.definitions import SourceDefinition

_encode = msgspec.json.Encoder().encode
_READERS: dict[str, Callable[[str, Json], list[Call] | None]] = {
    "shopify": shopify.calls_of,
    "stripe": stripe.calls_of,
    "woocommerce": woocommerce.calls_of,
}
# Where a sender names the topic, if not in the message itself.
TOPIC_HEADERS = {"shopify": "x-shopify-topic", "woocommerce": "x-wc-webhook-topic"}


def ready_made_items(
    definition: SourceDefinition, topic: str, body: bytes
) -> Sequence[Item | Bad] | str:
    """Return the calls in a message, or why it holds none.

    Args:
        definition: Of a source whose format is `ready-made`.
        topic: What the sender's header says, "" where it says nothing.
        body: The message.
    """
    message = object_in(body)
    if isinstance(message, Refusal):
        return [Bad(refusal=message, raw=body, topic=topic)]
    topic = topic or text(message, "type")
    calls = _READERS[definition.sender](topic, message)
    if calls is None:
        return f"messages of the topic {excerpt(topic)!r} are not read"
    fresh = f"{definition.name}-{hash_text(definition.name, body)}"
    return [
        Item(raw=_encode(call), fresh_id=f"{fresh}-{index}") for index, call in enumerate(calls)
    ] or "it tells nothing of anybody"
