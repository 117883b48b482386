"""An event loop in which no real time passes: where all wait, the clock goes to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class Deadlock(Exception):
    """Everybody waits for somebody: nothing would ever happen again."""


class _Impatient(selectors.SelectSelector):
    """Tells the loop how long it would have slept, instead of sleeping."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let simulated time pass; nothing ever comes from outside."""
        if timeout is None:
            raise Deadlock
        self.seconds += max(timeout, 0.0)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Deterministic: ready callbacks in the order in which they came, timers in that of time."""

    def __init__(self) -> None:
        self._impatient = _Impatient()
        super().__init__(self._impatient)
        self.set_exception_handler(_ignore)

    def time(self) -> float:
        """Return the simulated seconds since the start."""
        return self._impatient.seconds


def _ignore(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    # What a killed process left unfinished: nobody hears of it there either.
    del loop, context
