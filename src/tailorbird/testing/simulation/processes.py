"""A simulated process: it lives until it crashes, and from then on touches nothing.

Its ports go through a `Guarded`, where it may crash before and after each write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any


class Crashed(BaseException):
    """The process is dead; like a kill, this is nobody's to handle."""


class DiskFull(OSError):
    """A store other than the log has no room."""


class Life:
    """One process from its start to its end."""

    def __init__(self, role: str, writes_left: int | None = None) -> None:
        """`writes_left` counts the points at which it may crash until it does; None: never."""
        self.role = role
        self.is_over = False
        self.task: asyncio.Task[None] | None = None
        self._writes_left = writes_left

    def touch(self) -> None:
        """Go on, if alive.

        Raises:
            Crashed: it is dead.
        """
        if self.is_over:
            raise Crashed(self.role)

    def point(self) -> None:
        """Pass a point at which a crash shows: before or after a write."""
        self.touch()
        if self._writes_left is not None:
            self._writes_left -= 1
            if self._writes_left < 0:
                self.end()
                raise Crashed(self.role)

    def end(self) -> None:
        """Kill it."""
        self.is_over = True
        if self.task is not None:
            self.task.cancel()


class Guarded:
    """A port as one process sees it: every call checks that it lives, writes may crash it."""

    def __init__(
        self,
        target: object,
        life: Life,
        writes: Collection[str] = (),
        before: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`before` is told of each write first, and may refuse it."""
        self._target = target
        self._life = life
        self._writes = writes
        self._before = before

    def __getattr__(self, name: str) -> Any:  # whatever the port has
        found = getattr(self._target, name)
        if not callable(found):
            return found
        life = self._life
        if name not in self._writes:

            def read(*args: Any, **given: Any) -> Any:
                life.touch()
                return found(*args, **given)

            return read

        def write(*args: Any, **given: Any) -> Any:
            life.point()
            self._before(name)
            out = found(*args, **given)
            life.point()
            return out

        return write


class News:
    """What a process waits for nudges with; a nudge may be lost."""

    def __init__(self) -> None:
        self._waiting: asyncio.Future[None] | None = None

    def tell(self) -> None:
        """Wake who waits."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Wait for a nudge, so long at most."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting = loop.create_future()
        timer = loop.call_later(seconds, self.tell)
        try:
            await waiting
        finally:
            timer.cancel()
