"""The clock: the only way by which time enters."""

from __future__ import annotations

from typing import Protocol

from tailorbird.base.problems import TailorbirdError


class Clock(Protocol):
    """Tells the time that records, tracking hits and outcomes are stamped with."""

    def now(self) -> int:
        """Return the present instant in microseconds UTC; simulated clocks may stand still."""
        ...


class ClockProblem(TailorbirdError):
    """A clock cannot be moved: it is the real one, or the instant lies in its past."""
