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
    UNMERGE,
    Event,
    Merge,
    Record,
    Unmerge,
    decode_event,
    name_of,
)
from tailorbird.language.accumulators import Cells, Reach, reach_of
from tailorbird.ports.event_log import LogReader
from tailorbird.reducer.reducer import Facts, Reducer

_BATCH = 5_000
_decode_merge = msgspec.msgpack.Decoder(Merge).decode
_decode_unmerge = msgspec.msgpack.Decoder(Unmerge).decode


def backfill(
    log: LogReader,
    reducer: Reducer,
    only: frozenset[int],
    before: int,
    is_wanted: Callable[[int], bool],
    *,
    skip: Collection[int] = (),
    after: int = 0,
    people: People | None = None,
) -> dict[int, Cells]:
    """Fold the events with offset < `before` into the cells `only` of the wanted profiles.

    Args:
        log: Read twice: once for who merged with whom, once for the events.
        reducer: That of the version which goes live.
        only: Ids of the accumulators to fill.
        before: Offset of the activation.
        is_wanted: Says of a profile id (of a survivor of merges) whether to fill it.
        skip: Offsets of events that the profiles will get in another way.
        after: Offset of the last record that is left out.
        people: Who is who; as of `before` where None.
    """
    filled: dict[int, Cells] = {}
    reach = reach_of(reducer.program.specs[one] for one in only)
    for profile_id, event in events_of(
        log, before, is_wanted, skip=skip, reach=reach, after=after, people=people
    ):
        cells = filled.get(profile_id)
        if cells is not None:
            reducer.fold(cells, event, only)
            continue
        cells = {}
        reducer.fold(cells, event, only)
        if cells:  # it met a filter
            filled[profile_id] = cells
    return filled


def refold(
    log: LogReader,
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
    log: LogReader,
    before: int,
    is_wanted: Callable[[int], bool],
    *,
    skip: Collection[int] = (),
    reach: Reach | None = None,
    after: int = 0,
    people: People | None = None,
) -> Iterator[tuple[int, Event]]:
    """Yield (profile id, event) in log order; what merged profiles did is the survivor's.

    With `reach` only those that it names are read, so that a short window costs little: nobody's
    timestamp is later than the stamp of its record, so the first ones can be passed over unread.
    """
    if people is None:
        people = People(log, before)
    if reach is not None and reach.age is not None:
        after = max(after, log.offset_before(_stamp(log, before) - reach.age))
    for record in _records(log, before, after):
        if record.kind != EVENT or not record.body or record.offset in skip:
            continue
        try:
            if reach is not None and name_of(record) not in reach.names:
                continue
            event = decode_event(record)
        except msgspec.DecodeError:
            continue  # the engine has put it among the poison
        profile_id = people.of(record.profile_id, event)
        if is_wanted(profile_id):
            yield profile_id, event


def joined(log: LogReader, after: int, before: int) -> dict[int, list[int]] | None:
    """Return for each survivor who became part of it between two offsets, both left out.

    None where somebody was parted again meanwhile.
    """
    lately = [record for record in log.merges(before) if record.offset > after and record.body]
    if any(record.kind == UNMERGE for record in lately):
        return None
    all_winners = People(log, before).winners
    found: dict[int, list[int]] = {}
    for record in lately:
        survivor = loser = _decode_merge(record.body).loser_id
        while survivor in all_winners:
            survivor = all_winners[survivor]
        found.setdefault(survivor, []).append(loser)
    return found


def survivors(log: LogReader, until: int) -> dict[int, int]:
    """Return for each profile that was merged into another who it is part of, by offset `until`.

    Merges that were undone are left out.
    """
    winners = People(log, until + 1).winners
    found: dict[int, int] = {}
    for loser in winners:
        survivor = loser
        while survivor in winners:
            survivor = winners[survivor]
        found[loser] = survivor
    return found


class People:
    """Whose an event is, by the merges before an offset and those of them that were undone."""

    def __init__(self, log: LogReader, before: int) -> None:
        self.winners: dict[int, int] = {}
        # Of a survivor: who left it, and what they are known by.
        self._left: dict[int, list[tuple[int, frozenset[tuple[str, str]]]]] = {}
        for record in log.merges(before):
            if not record.body:
                continue  # of somebody who was erased
            if record.kind == MERGE_IN:
                merge = _decode_merge(record.body)
                self.winners[merge.loser_id] = merge.winner_id
                for winner, left in self._left.items():
                    self._left[winner] = [one for one in left if one[0] != merge.loser_id]
            else:
                undone = _decode_unmerge(record.body)
                self.winners.pop(undone.loser_id, None)
                leaver = (undone.loser_id, frozenset(undone.identifiers))
                if leaver not in self._left.setdefault(undone.winner_id, []):
                    self._left[undone.winner_id].append(leaver)

    def of(self, profile_id: int, event: Event) -> int:
        """Return who did what lies in a profile's lane."""
        while profile_id in self.winners:
            profile_id = self.winners[profile_id]
        for leaver, known_by in self._left.get(profile_id, ()):
            sent = {
                (kind, value)
                for kind, value in (
                    ("user_id", event.user_id),
                    ("anonymous_id", event.anonymous_id),
                )
                if value is not None
            }
            if sent and sent <= known_by:
                return self.of(leaver, event)
        return profile_id


def _stamp(log: LogReader, offset: int) -> int:
    """Return when a record was stamped, or the last one where that is still to come."""
    found = log.read(offset - 1, 1)
    return found[0].now if found else log.last_now()


def _records(log: LogReader, before: int, after: int) -> Iterator[Record]:
    while records := log.read(after, _BATCH):
        for record in records:
            if record.offset >= before:
                return
            yield record
        after = records[-1].offset
