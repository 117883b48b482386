"""All that is kept of a person, as one JSON value: what they may ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tailorbird.base.time import format_micros
from tailorbird.events.event import EVENT, NOISY_EVENT, decode_event, partition_of
from tailorbird.ports.event_log import EventLog
from tailorbird.ports.identity_store import IdentityStore
from tailorbird.ports.ledger import Ledger
from tailorbird.services.explain import message_summary, sent_bytes, sent_parts

_RECORDS_AT_ONCE = 5_000
_MESSAGES_AT_ONCE = 1_000_000


def export(
    profile_id: int,
    known: dict[str, Any],
    log: EventLog,
    identity: IdentityStore,
    ledger: Ledger,
    now: Callable[[], int],
) -> dict[str, Any]:
    """Return everything of a person; `known` is what `Query.profile` says of them.

    Reads the log of the person's partitions.
    """
    ids = {profile_id, *(loser for loser, _, _ in identity.merges(profile_id))}
    messages = []
    for listed in ledger.messages(profile_ids=sorted(ids), limit=_MESSAGES_AT_ONCE):
        message = ledger.message(listed.effect_id)
        if message is None:
            continue
        data = sent_bytes(message, ledger)
        messages.append(
            {
                **message_summary(message),
                "content": None if data is None else sent_parts(data),
            }
        )
    return {
        "exported_at": format_micros(now()),
        "id": known["id"],
        "identifiers": known["identifiers"],
        "traits": known["traits"],
        "consents": known["consents"],
        "memberships": known["memberships"],
        "scores": known["scores"],
        "journeys": known["journeys"],
        "events": _events(ids, log),
        "messages": messages,
    }


def _events(ids: set[int], log: EventLog) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    partitions, after = {partition_of(one) for one in ids}, 0
    while records := log.read(after, _RECORDS_AT_ONCE, partitions):
        after = records[-1].offset
        for record in records:
            if (
                record.profile_id not in ids
                or record.kind not in (EVENT, NOISY_EVENT)
                or not record.body
            ):
                continue
            try:
                event = decode_event(record)
            except msgspec.DecodeError:
                continue  # no event at all: the engine has put it among the poison
            found.append(
                {
                    "type": event.type,
                    "event": event.name_as_sent or event.name,
                    "message_id": event.message_id,
                    "timestamp": format_micros(event.timestamp),
                    "received_at": format_micros(record.now),
                    "user_id": event.user_id,
                    "anonymous_id": event.anonymous_id,
                    "properties": event.properties,
                    "context": event.context,
                    "source": event.source,
                }
            )
    return found
