"""Nudges over Unix datagram sockets: one socket for each process that waits."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Sequence
from pathlib import Path

_BYTES_MAX = 16
# Who is woken for each of a thousand commits a second does little else than to wake.
PAUSE_SECONDS = 0.005


class SocketNudger:
    """`ports.nudge.Nudger` for some sockets; whoever does not listen is left out.

    A nudge goes at once; one that comes soon after another goes at the end of a pause, for all
    that came meanwhile. It belongs to one running event loop.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = [str(path) for path in paths]
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._nudged_at = float("-inf")
        self._planned: asyncio.TimerHandle | None = None

    def nudge(self) -> None:
        """Tell all; a full queue means that they know already."""
        if self._planned is not None:
            return
        pause = self._nudged_at + PAUSE_SECONDS - time.monotonic()
        if pause > 0:
            self._planned = asyncio.get_running_loop().call_later(pause, self._nudge_now)
        else:
            self._nudge_now()

    def _nudge_now(self) -> None:
        self._planned = None
        self._nudged_at = time.monotonic()
        for path in self._paths:
            with contextlib.suppress(OSError):
                self._socket.sendto(b"\0", path)

    def close(self) -> None:
        """Close the socket; a nudge that waits for its pause goes before."""
        if self._planned is not None:
            self._planned.cancel()
            self._nudge_now()
        self._socket.close()


class SocketNudged:
    """`ports.nudge.Nudged` at a path of its own; belongs to one running event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(path))
        with contextlib.suppress(FileNotFoundError):
            path.chmod(0o600)  # whoever took the file away loses nudges, which are only hints
        self._is_awake = False
        self._came: asyncio.Future[None] | None = None

    async def wait(self, seconds: float) -> bool:
        """Wait for a nudge, at most so long; return whether one came.

        Nobody listens meanwhile: what comes between two waits stays in the socket's short queue.
        """
        if self._take():
            await asyncio.sleep(0)  # who is nudged all the time leaves time for others as well
            return True
        loop = asyncio.get_running_loop()
        came = self._came = loop.create_future()
        timer = loop.call_later(seconds, _settle, came)
        loop.add_reader(self._socket, _settle, came)
        try:
            await came
        finally:
            loop.remove_reader(self._socket)
            timer.cancel()
            self._came = None
        return self._take()

    def wake(self) -> None:
        """Nudge from inside the process."""
        self._is_awake = True
        if self._came is not None:
            _settle(self._came)

    def close(self) -> None:
        """Stop listening and take the socket's file away."""
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _take(self) -> bool:
        """Take all that came; say whether that was anything."""
        came, self._is_awake = self._is_awake, False
        with contextlib.suppress(OSError):
            while self._socket.recv(_BYTES_MAX):
                came = True
        return came


def _settle(came: asyncio.Future[None]) -> None:
    if not came.done():
        came.set_result(None)
