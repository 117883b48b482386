"""Fills accumulators from the log when a version goes live, or makes profiles anew: exact, quiet.

The fold is a function of the log's records before the activation alone, so a replay does the same.
Identity is as of then: what a merged profile did belongs to the winner, and since accumulators are
monoids the order of merging does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import msgspec

from tailorbird.events.event import (
    EVENT,
    MERGE_IN,
    Event,
    Merge,
    Record,
    decode_event,
)
from tailorbird.language.accumulators import Cells
from tailorbird.ports.event_log import EventLog
from tailorbird.reducer.reducer import Facts, Reducer

_BATCH = 5_000
_decode_merge = msgspec.msgpack.Decoder(Merge).decode


def backfill(
    log: EventLog,
    reducer: Reducer,
    only: frozenset[int],
    before: int,
    is_wanted: Callable[[int], bool],
    *,
    skip: Collection[int] = (),
) -> dict[int, Cells]:
    """Fold the events with offset < `before` into the cells `only` of the wanted profiles.

    Args:
        log: Read twice: once for who merged with whom, once for the events.
        reducer: That of the version which goes live.
        only: Ids of the accumulators to fill.
        before: Offset of the activation.
        is_wanted: Says of a profile id (of a survivor of merges) whether to fill it.
        skip: Offsets of events that the profiles will get in another way.
    """
    filled: dict[int, Cells] = {}
    for profile_id, event in events_of(log, before, is_wanted, skip=skip):
        reducer.fold(filled.setdefault(profile_id, {}), event, only)
    return filled


def refold(
    log: EventLog,
    reducer: Reducer,
    before: int,
    is_wanted: Callable[[int], bool],
    *,
    skip: Collection[int] = (),
) -> dict[int, Facts]:
    """Fold all events of the wanted profiles before an offset; arguments as for `backfill`."""
    found: dict[int, Facts] = {}
    for profile_id, event in events_of(log, before, is_wanted, skip=skip):
        facts = found.get(profile_id)
        if facts is None:
            facts = found[profile_id] = reducer.no_facts()
        reducer.fold_facts(facts, event)
    return found


def events_of(
    log: EventLog,
    before: int,
    is_wanted: Callable[[int], bool],
    *,
    skip: Collection[int] = (),
) -> Iterator[tuple[int, Event]]:
    """Yield (profile id, event) in log order; what merged profiles did is the survivor's."""
    winners = _winners(log, before)
    for record in _records(log, before):
        if record.kind != EVENT or record.offset in skip:
            continue
        profile_id = record.profile_id
        while profile_id in winners:
            profile_id = winners[profile_id]
        if not is_wanted(profile_id):
            continue
        try:
            event = decode_event(record)
        except msgspec.DecodeError:
            continue  # the engine has put it among the poison
        yield profile_id, event


def _winners(log: EventLog, before: int) -> dict[int, int]:
    winners: dict[int, int] = {}
    for record in _records(log, before):
        if record.kind == MERGE_IN:
            merge = _decode_merge(record.body)
            winners[merge.loser_id] = merge.winner_id
    return winners


def _records(log: EventLog, before: int) -> Iterator[Record]:
    after = 0
    while records := log.read(after, _BATCH):
        for record in records:
            if record.offset >= before:
                return
            yield record
        after = records[-1].offset
