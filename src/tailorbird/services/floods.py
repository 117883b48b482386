"""Floods: more events of one profile than a person makes, such as a robot's or a loop's.

They are kept in the log as `noisy` and not reduced: one profile never slows all the others.
"""

from __future__ import annotations

from tailorbird.base.time import MICROSECONDS

EVENTS_PER_SECOND_MAX = 50
BURST_EVENTS_MAX = 1_000


class Floods:
    """A bucket of `burst` events for each profile, refilled at `per_second`.

    Source: the generic cell rate algorithm, ITU-T I.371: of each profile only the instant is kept
    at which its bucket is full again.
    """

    def __init__(
        self, *, per_second: int = EVENTS_PER_SECOND_MAX, burst: int = BURST_EVENTS_MAX
    ) -> None:
        self._step = MICROSECONDS // per_second
        self._depth = self._step * burst
        # Two generations: a bucket that nobody touched for as long as it takes to fill is full.
        self._full_at: dict[int, int] = {}
        self._before: dict[int, int] = {}
        self._turned_at = 0

    def is_flood(self, profile_id: int, now: int) -> bool:
        """Count one event of a profile at `now` (microseconds UTC); say whether it is too many."""
        if now - self._turned_at >= self._depth:
            is_old = now - self._turned_at >= 2 * self._depth
            self._before = {} if is_old else self._full_at
            self._full_at = {}
            self._turned_at = now
        full_at = self._full_at.get(profile_id) or self._before.get(profile_id, 0)
        if not now < full_at <= now + self._depth:
            # It is full; or the clock went back behind events that were counted and never stored.
            full_at = now
        full_at += self._step
        if full_at - now > self._depth:
            return True
        self._full_at[profile_id] = full_at
        return False
