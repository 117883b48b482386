"""The clocks: the machine's, and one that stands still until somebody moves it.

The simulated clock is eight bytes in a file that all processes map; the log's writer alone moves
it. So records, tracking hits and outcomes of one data folder share one time.
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

from tailorbird.base.time import format_micros
from tailorbird.ports.clock import ClockProblem

_FORMAT = struct.Struct("<q")


class SystemClock:
    """The machine's clock, in microseconds UTC."""

    def now(self) -> int:
        """Return the present instant."""
        return time.time_ns() // 1_000

    def set_now(self, now: int) -> int:
        """Refuse: real time passes by itself."""
        raise ClockProblem(
            "the clock is the machine's and cannot be moved;"
            " start with `tailorbird serve --clock simulated` to move it"
        )


class MappedClock:
    """A clock in a file of eight bytes, shared by processes.

    A new file begins at `start` (microseconds UTC); a simulation that knows its data moves it to
    before the first event.
    """

    def __init__(self, path: Path, *, start: int = 0, is_writer: bool = False) -> None:
        if not path.exists():
            path.write_bytes(_FORMAT.pack(start))
        access = mmap.ACCESS_WRITE if is_writer else mmap.ACCESS_READ
        with path.open("r+b" if is_writer else "rb") as file:
            self._map = mmap.mmap(file.fileno(), _FORMAT.size, access=access)

    def now(self) -> int:
        """Return the simulated instant."""
        found: int = _FORMAT.unpack_from(self._map)[0]
        return found

    def set_now(self, now: int) -> int:
        """Move the clock forward.

        Raises:
            ClockProblem: the instant lies before the present one.
        """
        current = self.now()
        if now < current:
            raise ClockProblem(
                f"the simulated clock cannot go back from {format_micros(current)}"
                f" to {format_micros(now)}; start with a new data folder instead"
            )
        _FORMAT.pack_into(self._map, 0, now)
        return now
