"""What people did before a version went live, folded into the accumulators that it is the first to
keep: for the engines, beside the states that they hold.

A large history is folded into a file before the version goes live (`services.prepare`), up to a
cut-off; only what came since is then read here. The file saves time and nothing else: what it holds
is a function of the log, so where it is missing the log is folded once more.
"""

from __future__ import annotations

from collections.abc import Callable

from tailorbird.events.event import ACTIVATE, PARTITIONS, partition_of
from tailorbird.language.accumulators import Cells, merge_into
from tailorbird.ports.event_log import LogReader
from tailorbird.ports.filled import Filled
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.backfill import backfill, joined


class Filling:
    """The new accumulators of an engine's people, as of one activation."""

    def __init__(
        self,
        log: LogReader,
        reducer: Reducer,
        only: frozenset[int],
        before: int,
        owns: Callable[[int], bool],
        prepared: Filled | None = None,
    ) -> None:
        """Fold what was not prepared.

        Args:
            log: The history.
            reducer: Of the version that goes live.
            only: Its accumulators that are to be filled.
            before: Offset of the first `activate` record of the version.
            owns: Says of a profile id whether it is the engine's.
            prepared: All people's cells up to a cut-off earlier than `before`.
        """
        self._log, self._reducer, self._only, self._owns = log, reducer, only, owns
        self._specs = {one: reducer.program.specs[one] for one in only}
        self.before = before
        self._served = {before}
        self._members: dict[int, list[int]] = {}
        if prepared is not None:
            found = joined(log, prepared.cutoff, before)
            if found is None:
                prepared = None  # somebody was parted again: what the file joined is not undone
            else:
                self._members = found
        self._prepared = prepared
        self._tail: dict[int, Cells] = {}
        if only:
            after = prepared.cutoff if prepared else 0
            self._tail = backfill(log, reducer, only, before, owns, after=after)

    @property
    def is_any(self) -> bool:
        """Say whether there are accumulators to be filled."""
        return bool(self._only)

    def serves(self, offset: int) -> bool:
        """Say whether an activation at an offset brings the same: nothing came in between."""
        if not self._only:
            return True
        if offset not in self._served and abs(offset - self.before) < PARTITIONS:
            first, last = sorted((offset, self.before))
            between = self._log.read(first, last - first - 1)
            if all(record.kind == ACTIVATE for record in between):
                self._served.add(offset)
        return offset in self._served

    def ids(self, partition: int) -> list[int]:
        """Return the profiles of a partition that get anything, in rising order."""
        found = {one for one in self._tail if partition_of(one) == partition}
        if self._prepared is not None:
            found.update(self._prepared.ids(partition))
            found.update(one for one in self._members if partition_of(one) == partition)
        return sorted(found)

    def cells(self, profile_id: int) -> Cells:
        """Return what a profile gets; it is the caller's to change."""
        tail = self._tail.get(profile_id)
        cells: Cells = {} if tail is None else tail
        if self._prepared is not None:
            for one in (profile_id, *self._members.get(profile_id, ())):
                merge_into(cells, self._prepared.get(one) or {}, self._specs)
        return cells

    def cells_without(self, profile_id: int, skip: frozenset[int]) -> Cells:
        """Return what a profile gets from events other than those at some offsets."""
        found = backfill(
            self._log, self._reducer, self._only, self.before, profile_id.__eq__, skip=skip
        )
        return found.get(profile_id, {})
