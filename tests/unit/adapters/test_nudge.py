"""Nudges between processes: they come at once, count as one, and may be lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tailorbird.adapters.socket.nudge import SocketNudged, SocketNudger


def with_nudged(path: Path, act: Callable[[SocketNudged], Awaitable[None]]) -> None:
    async def run() -> None:
        waiting = SocketNudged(path)
        try:
            await act(waiting)
        finally:
            waiting.close()

    asyncio.run(run())


def test_a_nudge_ends_the_wait_and_several_count_as_one(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    nudger = SocketNudger([tmp_path / "nobody.sock", path])

    async def act(waiting: SocketNudged) -> None:
        asyncio.get_running_loop().call_later(0.02, nudger.nudge)
        begun = time.monotonic()
        assert await waiting.wait(10)
        assert time.monotonic() - begun < 5
        for _ in range(3):
            nudger.nudge()
        assert await waiting.wait(10)
        assert not await waiting.wait(0.02)

    with_nudged(path, act)
    nudger.close()


def test_a_nudge_that_came_before_the_wait_is_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    nudger = SocketNudger([path])

    async def act(waiting: SocketNudged) -> None:
        nudger.nudge()
        time.sleep(0.01)  # as a role that is at work
        assert await waiting.wait(10)

    with_nudged(path, act)
    nudger.close()


def test_nobody_there_and_a_full_queue_harm_nobody(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    nudger = SocketNudger([path])
    nudger.nudge()

    async def act(waiting: SocketNudged) -> None:
        begun = time.monotonic()
        for _ in range(5_000):
            nudger.nudge()
        assert time.monotonic() - begun < 5
        assert await waiting.wait(10)
        assert not await waiting.wait(0.02)

    with_nudged(path, act)
    nudger.nudge()
    # Who was killed left the file behind: the next one takes its place.
    path.touch()

    async def again(waiting: SocketNudged) -> None:
        nudger.nudge()
        assert await waiting.wait(10)

    with_nudged(path, again)
    assert not path.exists()
    nudger.close()


def test_waking_from_inside_ends_the_wait(tmp_path: Path) -> None:
    async def act(waiting: SocketNudged) -> None:
        waiting.wake()
        assert await waiting.wait(10)

    with_nudged(tmp_path / "a.sock", act)
