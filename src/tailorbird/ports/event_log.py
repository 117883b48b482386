"""The log: one append-only, totally ordered, partitioned list of records."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol, overload

import msgspec

from tailorbird.base.problems import OperationalError
from tailorbird.events.event import Record


class Draft(msgspec.Struct, array_like=True, gc=False):
    """A record before it is stamped. `dedup` is 0 for records that are not deduplicated."""

    partition: int
    kind: str
    profile_id: int
    body: bytes
    dedup: int = 0


class Stamped(Sequence[Record]):
    """Drafts as the records that they became, each made when it is asked for: few of them are."""

    def __init__(self, drafts: Sequence[Draft], offset: int, now: int) -> None:
        """`offset` and `now` are the first record's; both rise by one."""
        self._drafts = drafts
        self._offset = offset
        self._now = now

    def __len__(self) -> int:
        return len(self._drafts)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        places = range(len(self._drafts))[index]
        if isinstance(places, range):
            return [self[place] for place in places]
        draft = self._drafts[places]
        return Record(
            self._offset + places,
            draft.partition,
            self._now + places,
            draft.kind,
            draft.profile_id,
            draft.body,
        )


class LogProblem(OperationalError):
    """The log's store refuses: nothing of the batch was stored."""


class LogReader(Protocol):
    """What lies in a log, from its beginning."""

    def read(
        self, after: int, limit: int, partitions: Collection[int] | None = None
    ) -> list[Record]:
        """Return up to `limit` records with offset > `after`, in order, of these partitions."""
        ...

    def merges(self, before: int) -> Iterator[Record]:
        """Yield the records of kinds `merge_in` and `unmerge` with offset < `before`, in order."""
        ...

    def offset_before(self, now: int) -> int:
        """Return the last offset that was stamped before `now`, 0 where none was."""
        ...

    def last_now(self) -> int:
        """Return the stamp of the last record, 0 for an empty log."""
        ...

    def end(self) -> int:
        """Return the last offset, 0 for an empty log."""
        ...


class EventLog(LogReader, Protocol):
    """Append-only. One writer; any number of readers."""

    def append(self, drafts: Sequence[Draft], now: int) -> Sequence[Record]:
        """Stamp and store the drafts atomically and durably; return them as records.

        Each record's `now` is the greater of `now` and the last stamp + 1, and offsets rise by
        one. On return the records are on disk (fsync).

        Raises:
            LogProblem: the store refuses (disk full, read only); nothing was stored.
        """
        ...

    def dedups_since(self, now: int) -> Iterator[tuple[int, int]]:
        """Yield (stamp, deduplication key) of records stamped at or after `now`, newest first."""
        ...
