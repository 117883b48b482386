"""The log as a list."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence

from tailorbird.events.event import MERGE_IN, UNMERGE, Record
from tailorbird.ports.event_log import Draft


class MemoryEventLog:
    """Durable only as long as the process."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._dedups: list[int] = []

    def append(self, drafts: Sequence[Draft], now: int) -> list[Record]:
        """Stamp and store the drafts."""
        made: list[Record] = []
        stamp = self.last_now()
        for draft in drafts:
            stamp = now if now > stamp else stamp + 1
            offset = len(self._records) + len(made) + 1
            made.append(
                Record(offset, draft.partition, stamp, draft.kind, draft.profile_id, draft.body)
            )
        self._records += made
        self._dedups += [draft.dedup for draft in drafts]
        return made

    def read(
        self, after: int, limit: int, partitions: Collection[int] | None = None
    ) -> list[Record]:
        """Return up to `limit` records after an offset."""
        found: list[Record] = []
        for record in self._records[after:]:
            if partitions is None or record.partition in partitions:
                found.append(record)
                if len(found) == limit:
                    break
        return found

    def merges(self, before: int) -> Iterator[Record]:
        """Yield the records that say who is who."""
        for record in self._records[: before - 1]:
            if record.kind in (MERGE_IN, UNMERGE):
                yield record

    def offset_before(self, now: int) -> int:
        """Return the last offset that was stamped before `now`."""
        return bisect_left(self._records, now, key=lambda record: record.now)

    def dedups_since(self, now: int) -> Iterator[tuple[int, int]]:
        """Yield stamps and deduplication keys, newest first."""
        for record, dedup in zip(reversed(self._records), reversed(self._dedups), strict=True):
            if record.now < now:
                return
            if dedup:
                yield record.now, dedup

    def last_now(self) -> int:
        """Return the stamp of the last record."""
        return self._records[-1].now if self._records else 0

    def end(self) -> int:
        """Return the last offset."""
        return len(self._records)
