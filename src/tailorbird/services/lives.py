"""History as it can be lived again: the records of one family of profiles after the other.

A profile's outcome depends on its own records alone, except where people merged. So profiles that
merges ever joined are one family, and families can be lived in any order and on all cores. What
was imported counts from when it happened: it is stamped anew with its timestamp.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import lt

import msgspec

from tailorbird.events.event import (
    ABSORB,
    ERASE,
    EVENT,
    MERGE_IN,
    MERGE_OUT,
    PARTITIONS,
    UNMERGE,
    Event,
    Merge,
    Record,
    decode_event,
    encode,
)
from tailorbird.ports.event_log import EventLog

# Records that are held in memory at a time; a longer history is read in several passes.
RECORDS_PER_PASS = 500_000
_BATCH = 5_000
_LIVED = frozenset({EVENT, MERGE_OUT, MERGE_IN, ABSORB, UNMERGE, ERASE})
_decode_merge = msgspec.msgpack.Decoder(Merge).decode


class Moment(msgspec.Struct, frozen=True, gc=False):
    """A record of a family; `event` is what it carries, None for other kinds than events."""

    record: Record
    event: Event | None


class Families:
    """Who has to be lived together, by all merges up to an offset."""

    def __init__(self, log: EventLog, until: int) -> None:
        self._roots: dict[int, int] = {}
        self.until = until
        self.record_count = 0
        for record in _records(log, until):
            self.record_count += 1
            if record.kind == MERGE_IN and record.body:
                merge = _decode_merge(record.body)
                left, right = self.of(merge.loser_id), self.of(merge.winner_id)
                if left != right:
                    self._roots[max(left, right)] = min(left, right)

    def of(self, profile_id: int) -> int:
        """Return the family's name: the same for all of its profiles."""
        root = profile_id
        while (above := self._roots.get(root)) is not None:
            root = above
        if root != profile_id:
            self._roots[profile_id] = root
        return root


def lives(
    log: EventLog,
    families: Families,
    *,
    index: int = 0,
    count: int = 1,
    tell: Callable[[int], None] = lambda records: None,
) -> Iterator[list[Moment]]:
    """Yield the history of one family after the other, each in the order it became known.

    Args:
        log: Read once for each pass.
        families: Of the same log.
        index: Which of `count` shares of the people.
        count: Number of shares.
        tell: Told how many records have been read since it was told last.
    """
    passes = max(1, -(-families.record_count // (count * RECORDS_PER_PASS)))
    for turn in range(passes):
        found: dict[int, list[Record]] = {}
        read = 0
        for record in _records(log, families.until):
            read += 1
            if read % _BATCH == 0:
                tell(_BATCH // passes)
            if record.kind not in _LIVED:
                continue
            family = families.of(record.profile_id)
            if (family // PARTITIONS) % (count * passes) != turn * count + index:
                continue
            records = found.get(family)
            if records is None:
                found[family] = [record]
            else:
                records.append(record)
        for family in list(found):
            # Decoded only now: what was decoded long ago has left the processor's cache.
            yield _in_order([one for one in map(_moment, found.pop(family)) if one is not None])


def _moment(record: Record) -> Moment | None:
    if not record.body:
        return None  # of somebody who was erased
    if record.kind != EVENT:
        return Moment(record, None)
    try:
        event = decode_event(record)
    except msgspec.DecodeError:
        return None  # the engine has put it among the poison
    if event.is_historical:
        event.is_historical = False
        record = msgspec.structs.replace(record, now=event.timestamp, body=encode(event))
    return Moment(record, event)


def _in_order(moments: list[Moment]) -> list[Moment]:
    """Sort by the instant at which each became known; no two of a family share one."""
    times = [one.record.now for one in moments]
    if all(map(lt, times, times[1:])):
        return moments
    moments.sort(key=lambda one: (one.record.now, one.record.offset))
    last = None
    for place, one in enumerate(moments):
        now = one.record.now
        if last is not None and now <= last:
            now = last + 1
            moments[place] = Moment(msgspec.structs.replace(one.record, now=now), one.event)
        last = now
    return moments


def _records(log: EventLog, until: int) -> Iterator[Record]:
    after = 0
    while records := log.read(after, _BATCH):
        for record in records:
            if record.offset > until:
                return
            yield record
        after = records[-1].offset
