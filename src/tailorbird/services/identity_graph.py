"""How a person came to be one: which event brought each identifier and each merge.

The identity store names the record that linked or merged; the writer puts the event that was the
reason behind it in the same commit, so a few records are read by their offset, never the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tailorbird.base.time import format_micros
from tailorbird.events.decode import identifiers_of
from tailorbird.events.event import EVENT, LINK, MERGE_IN, Event, Merge, Record, decode_event
from tailorbird.events.identifiers import Identifier
from tailorbird.ports.event_log import EventLog
from tailorbird.ports.identity_store import IdentityStore
from tailorbird.services.explain import public_profile_id

# A record of identity and the event that was its reason lie this close: an event names few others.
_RECORDS_MAX = 200
_decode_merge = msgspec.msgpack.Decoder(Merge).decode


def identity(profile_id: int, log: EventLog, store: IdentityStore) -> dict[str, Any]:
    """Return a person's identifiers and the profiles merged into theirs, with their reasons."""
    return {
        "identifiers": _identifiers(profile_id, log, store),
        "merged": _merges(profile_id, log, store),
    }


def _identifiers(profile_id: int, log: EventLog, store: IdentityStore) -> list[dict[str, Any]]:
    """Return a person's identifiers: kind, value, since when, and the event that linked them."""
    found = []
    for kind, value, _, offset in store.links(profile_id):
        record, event = _cause(log, offset)
        found.append(
            {
                "kind": kind,
                "value": value,
                "first_seen": None if record is None else format_micros(record.now),
                "linked_by": _reference(event, offset),
            }
        )
    return found


def _merges(profile_id: int, log: EventLog, store: IdentityStore) -> list[dict[str, Any]]:
    """Return the profiles that became part of a person, in the order in which it happened.

    `shared` are those identifiers of the event that led to the profile that was merged in; an
    alias call names it by its previous id, and shares none.
    """
    links = store.links(profile_id)
    pairs = store.merges(profile_id)
    found = []
    for loser_id, winner_id, offset in pairs:
        record, event = _cause(log, offset)
        inside = _with_losers(loser_id, pairs)
        named = () if event is None else identifiers_of(event)
        theirs = {(kind, value) for kind, value, one, _ in links if one in inside}
        found.append(
            {
                "id": public_profile_id(loser_id),
                "into": public_profile_id(winner_id),
                "at": None if record is None else format_micros(record.now),
                "shared": [_pair(one) for one in named if one in theirs],
                "merged_by": _reference(event, offset),
            }
        )
    return found


def _with_losers(profile_id: int, pairs: list[tuple[int, int, int]]) -> set[int]:
    inside = {profile_id}
    # Latest first: whoever was merged into a loser was so before the loser itself.
    for loser_id, winner_id, _ in reversed(pairs):
        if winner_id in inside:
            inside.add(loser_id)
    return inside


def _cause(log: EventLog, offset: int) -> tuple[Record | None, Event | None]:
    """Return the record at an offset and the event that it was written for."""
    first = next(_records(log, offset), None)
    if first is None or first.offset != offset or first.kind not in (LINK, MERGE_IN):
        return None, None
    person = first.profile_id
    for record in _records(log, offset):
        if record.kind == EVENT and record.profile_id == person:
            return first, decode_event(record)
        if record.kind == MERGE_IN and (merge := _decode_merge(record.body)).loser_id == person:
            person = merge.winner_id
    return first, None


def _records(log: EventLog, offset: int) -> Iterator[Record]:
    # Most often the event is the next record but one; more are read only where it is not.
    after = offset - 1
    for size in (4, _RECORDS_MAX):
        records = log.read(after, size)
        yield from records
        if len(records) < size:
            return
        after = records[-1].offset


def _reference(event: Event | None, offset: int) -> dict[str, Any] | None:
    if event is None:
        return None
    return {"event": event.name, "message_id": event.message_id, "record": offset}


def _pair(identifier: Identifier) -> dict[str, str]:
    return {"kind": identifier[0], "value": identifier[1]}
