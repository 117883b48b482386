"""The clock: the only way by which time enters."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Tells the time that records, tracking hits and outcomes are stamped with."""

    def now(self) -> int:
        """Return the present instant in microseconds UTC; simulated clocks may stand still."""
        ...
