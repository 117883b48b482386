"""When an idle partition needs a tick: a deadline in it is due, and no record has come to fire it.

The log's writer asks this of the engines' states, which it reads but does not own: an engine that
is behind shows deadlines for which a tick lies in the log already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from tailorbird.base.time import MICROSECONDS
from tailorbird.ports.state_store import StateStore

# Engines nudge when deadlines may have come; these are looked at that often at most, and at least.
LOOK_SECONDS_MIN = 0.02
LOOK_SECONDS_MAX = 0.25
# In real time a partition gets a tick at most this often; a moved clock is followed at once.
TICK_SECONDS_MIN = 0.05


class Ticks:
    """Remembers which partitions got a tick, until the engines' states show that it fired."""

    def __init__(self, *, is_real: bool, seconds: Callable[[], float] = time.monotonic) -> None:
        """`is_real` says that time passes by itself; `seconds` measures the pauses."""
        self._is_real = is_real
        self._seconds = seconds
        self._ticked: dict[int, tuple[int, float]] = {}

    def due(self, states: Iterable[StateStore], now: int) -> tuple[list[int], float]:
        """Return the partitions that need a tick, and in how many seconds to look again."""
        wall, longest = self._seconds(), LOOK_SECONDS_MAX
        due: list[int] = []
        until = now + int(LOOK_SECONDS_MAX * MICROSECONDS) if self._is_real else now
        for store in states:
            for partition, deadline in store.due_partitions(until).items():
                ticked_at, ticked_wall = self._ticked.get(partition, (-1, 0.0))
                if deadline > now:
                    longest = min(longest, (deadline - now) / MICROSECONDS)
                # A tick at or after the deadline lies in the log already: the engine is behind.
                elif ticked_at < deadline:
                    if self._is_real and wall - ticked_wall < TICK_SECONDS_MIN:
                        longest = min(longest, TICK_SECONDS_MIN)
                    else:
                        due.append(partition)
        return due, max(longest, LOOK_SECONDS_MIN)

    def note(self, partitions: Iterable[int], now: int) -> None:
        """Note that these got their tick."""
        self._ticked.update(dict.fromkeys(partitions, (now, self._seconds())))
