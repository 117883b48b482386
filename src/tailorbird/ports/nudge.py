"""A nudge: "there is something new", said from process to process so that nobody has to poll.

It carries nothing and may be lost: who waits for one also looks by itself, seldom.
"""

from __future__ import annotations

from typing import Protocol


class Nudger(Protocol):
    """Who has something new for others."""

    def nudge(self) -> None:
        """Tell the others. Never waits and never fails; with nobody there it does nothing."""
        ...


class Nudged(Protocol):
    """Who waits for something new."""

    async def wait(self, seconds: float) -> bool:
        """Wait for a nudge, at most so long; return whether one came.

        Those that came since the last wait count as one.
        """
        ...
