"""Which messages have come before: the deduplication keys of at least the last seven days.

Every event is looked up among those of today and yesterday: the newest lie in memory, the others in
mapped files that the kernel may take from memory. Earlier days are asked only for an event that
happened more than a day before it came: whatever came earlier happened earlier still. All of it is
derived from the log.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from tailorbird.base.keyset import KeySet
from tailorbird.base.time import DAY
from tailorbird.ports.event_log import EventLog
from tailorbird.ports.seen_days import SeenDays

# Four megabytes.
KEYS_IN_MEMORY = 1 << 19
DAYS_KEPT = 8  # today included, so at least seven times 24 hours


class Seen:
    """Filled from the log at start. Time is the log's."""

    def __init__(
        self, log: EventLog, stored: SeenDays | None, keys_in_memory: int = KEYS_IN_MEMORY
    ) -> None:
        """A day's keys are put aside whenever so many lie in memory, if `stored` takes them."""
        self._stored = stored
        self._keys_in_memory = keys_in_memory
        self._today = log.last_now() // DAY
        # Keys by day: today, yesterday, and the days that are over but not stored yet.
        self._days = {self._today: KeySet(), self._today - 1: KeySet()}
        if stored is not None:
            first = self._today - DAYS_KEPT + 1
            for day in set(range(first, self._today)) - stored.days():
                self._days.setdefault(day, KeySet())
        self._fill(log)
        self._recent = (self._days[self._today], self._days[self._today - 1])

    def __contains__(self, key: int) -> bool:
        """Say whether a key came today or yesterday."""
        today, yesterday = self._recent
        return key in today or key in yesterday

    def known(self, keys: Collection[int]) -> set[int]:
        """Return those of some keys that came today or yesterday."""
        today, yesterday = self._recent
        return today.held(keys) | yesterday.held(keys)

    def holds_late(self, key: int) -> bool:
        """Say whether a key came on an earlier day."""
        if any(key in keys for keys in list(self._days.values())):
            return True
        stored = self._stored
        return stored is not None and any(stored.holds(day, key) for day in stored.days())

    def add(self, keys: Collection[int], now: int) -> None:
        """Remember keys that were stored at `now`."""
        day = now // DAY
        if day > self._today:
            self._turn(day)
        self._grow(self._recent[0], keys)

    @property
    def is_untidy(self) -> bool:
        """Whether `tidy` has something to do."""
        if self._stored is None:
            return False
        return self._recent[0].has_many_runs or not (
            set(self._days) - {self._today} <= self._stored.days()
        )

    def tidy(self) -> None:
        """Store the days that are over, merge runs; may be done in a thread beside all else."""
        if self._stored is None:
            return
        today = self._today
        if self._recent[0].has_many_runs:
            self._recent[0].merge_runs(self._stored.keep)
        for day in sorted(day for day in list(self._days) if day < today):
            if day not in self._stored.days():
                self._stored.store(day, self._days[day])
            if day < today - 1:
                del self._days[day]
        self._stored.forget(today - DAYS_KEPT + 1)

    def _fill(self, log: EventLog) -> None:
        found: dict[int, list[int]] = {day: [] for day in self._days}
        for stamp, key in log.dedups_since(min(found) * DAY):
            keys = found.get(stamp // DAY)
            if keys is None:
                continue
            keys.append(key)
            if len(keys) == self._keys_in_memory:
                self._grow(self._days[stamp // DAY], keys)
                keys.clear()
        for day, keys in found.items():
            self._grow(self._days[day], keys)

    def _grow(self, known: KeySet, keys: Collection[int]) -> None:
        known.update(keys)
        if self._stored is not None and known.in_memory >= self._keys_in_memory:
            # On a full disk they stay where they are.
            with contextlib.suppress(OSError):
                known.put_aside(self._stored.keep)

    def _turn(self, day: int) -> None:
        if self._stored is None:
            self._days = {one: keys for one, keys in self._days.items() if one >= day - 1}
        yesterday = self._days.setdefault(day - 1, KeySet())
        self._days[day] = KeySet()
        self._recent = (self._days[day], yesterday)
        self._today = day
