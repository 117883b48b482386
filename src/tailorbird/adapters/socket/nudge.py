"""Nudges over Unix datagram sockets: one socket for each process that waits."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path

_BYTES_MAX = 16


class SocketNudger:
    """`ports.nudge.Nudger` for some sockets; whoever does not listen is left out."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = [str(path) for path in paths]
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def nudge(self) -> None:
        """Tell all; a full queue means that they know already."""
        for path in self._paths:
            with contextlib.suppress(OSError):
                self._socket.sendto(b"\0", path)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class SocketNudged:
    """`ports.nudge.Nudged` at a path of its own; belongs to one running event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._came = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._socket, self._take)

    async def wait(self, seconds: float) -> bool:
        """Wait for a nudge, at most so long; return whether one came."""
        try:
            async with asyncio.timeout(seconds):
                await self._came.wait()
        except TimeoutError:
            return False
        self._came.clear()
        return True

    def wake(self) -> None:
        """Nudge from inside the process."""
        self._came.set()

    def close(self) -> None:
        """Stop listening and take the socket's file away."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while self._socket.recv(_BYTES_MAX):
                pass
        self._came.set()
