"""An activation on its way through the profiles of a partition.

Going live changes every profile at the instant of the `activate` record. The profiles follow one
page after the other, between the batches of records; one that a record touches first is activated
then. Both come to the same state, so how fast the sweep is decides nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from tailorbird.events.event import Record
from tailorbird.profiles.state import ProfileState
from tailorbird.reducer.reducer import Reducer
from tailorbird.reducer.reduction import Reduction
from tailorbird.services.filling import Filling
from tailorbird.services.working_set import WorkingSet


class Sweep:
    """What one `activate` record does to each profile of its partition."""

    def __init__(self, record: Record, old: Reducer, new: Reducer, filling: Filling) -> None:
        self.record = record
        self.old = old
        self._new = new
        self._filling = filling
        # Where nobody else can be touched, only those are looked at that get new accumulators.
        self._ids = filling.ids(record.partition) if new.only_adds(old) else None
        self._wanted = None if self._ids is None else frozenset(self._ids)

    def concerns(self, profile_id: int) -> bool:
        """Say whether it can change that profile."""
        return self._wanted is None or profile_id in self._wanted

    def page(self, work: WorkingSet, after: int, limit: int) -> list[int]:
        """Return the next profiles to be activated, in rising order."""
        if self._ids is None:
            return work.stored_ids(self.record.partition, after, limit)
        first = bisect_right(self._ids, after)
        return self._ids[first : first + limit]

    def activate(self, state: ProfileState, tick: int) -> Iterator[Reduction]:
        """Yield what comes of a profile: first by the old version, then by the new one.

        `tick` is the stamp of the partition's last tick: what was due by then is made up for.
        """
        now = self.record.now
        fired = self.old.fire(state, now - 1)
        yield fired
        one = fired.state
        if one.parked and self._filling.is_any:
            # What waits in a profile for a merge is added when it is reduced, so it must not be
            # among what it gets here.
            skip = frozenset(waiting.offset for waiting in one.parked)
            cells = self._filling.cells_without(one.profile_id, skip)
        else:
            cells = self._filling.cells(one.profile_id)
        out = self._new.activate(one, now, cells, self.old)
        yield out
        if tick > now:
            yield self._new.fire(out.state, tick)
