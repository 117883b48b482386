"""What a person agreed to, when and from where, and what mail they must not get: with its proof."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from tailorbird.base.time import format_micros
from tailorbird.delivery.suppression import MARKETING, address_hash
from tailorbird.events.event import EVENT, Event, decode_event, partition_of
from tailorbird.ports.event_log import EventLog
from tailorbird.ports.suppression_store import SuppressionStore
from tailorbird.profiles.fold import GIVING, WITHDRAWING

_RECORDS_AT_ONCE = 5_000
_KNOWN_OTHERWISE = frozenset({"topic", "email", "address", "email_address", "recipient"})


def proofs(profile_ids: Collection[int], log: EventLog) -> list[dict[str, Any]]:
    """Return the latest answer for each topic, with what its event says of it.

    Args:
        profile_ids: All profiles that the person consists of.
        log: Read from its beginning, in the person's partitions.
    """
    latest: dict[str, Event] = {}
    partitions, after = {partition_of(one) for one in profile_ids}, 0
    while records := log.read(after, _RECORDS_AT_ONCE, partitions):
        after = records[-1].offset
        for record in records:
            if record.kind != EVENT or record.profile_id not in profile_ids or not record.body:
                continue
            try:
                event = decode_event(record)
            except msgspec.DecodeError:
                continue  # no event at all: the engine has put it among the poison
            for topic in _topics(event):
                known = latest.get(topic)
                if known is None or (known.timestamp, known.order) < (event.timestamp, event.order):
                    latest[topic] = event
    return [_proof(topic, event) for topic, event in sorted(latest.items())]


def suppressed(addresses: Collection[str], store: SuppressionStore) -> list[dict[str, Any]]:
    """Return which topics must not be sent to which of some addresses, and why."""
    return [
        {"address": address, "topic": topic, "reason": reason, "since": format_micros(at)}
        for address in sorted(addresses)
        for topic, reason, at in sorted(store.topics(address_hash(address)))
    ]


def _topics(event: Event) -> list[str]:
    if event.type == "identify":
        consent = event.properties.get("consent")
        given = consent if isinstance(consent, dict) else {}
        return [topic for topic, answer in given.items() if isinstance(answer, bool)]
    if event.name in GIVING or event.name in WITHDRAWING:
        topic = event.properties.get("topic")
        return [topic if isinstance(topic, str) else MARKETING]
    return []


def _proof(topic: str, event: Event) -> dict[str, Any]:
    is_identify = event.type == "identify"
    details = {} if is_identify else event.properties
    return {
        "topic": topic,
        "is_given": event.properties["consent"][topic] if is_identify else event.name in GIVING,
        "at": format_micros(event.timestamp),
        "by": event.name,
        "message_id": event.message_id,
        **{name: value for name, value in details.items() if name not in _KNOWN_OTHERWISE},
    }
