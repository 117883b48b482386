"""Nudges between processes: they come at once, count as one, and may be lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tailorbird.adapters.socket.nudge import PAUSE_SECONDS, SocketNudged, SocketNudger


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
        while await waiting.wait(0.02):
            pass

    with_nudged(path, act)
    nudger.close()
    # Who was killed left the file behind: the next one takes its place.
    path.touch()

    later = SocketNudger([path])

    async def again(waiting: SocketNudged) -> None:
        later.nudge()
        assert await waiting.wait(10)

    with_nudged(path, again)
    assert not path.exists()
    later.close()


def test_of_many_nudges_few_wake_and_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    nudger = SocketNudger([path])

    async def act(waiting: SocketNudged) -> None:
        begun, woken = time.monotonic(), 0
        while time.monotonic() - begun < 0.2:
            nudger.nudge()
            woken += await waiting.wait(0.0005)
        assert 1 < woken <= 2 + (time.monotonic() - begun) / PAUSE_SECONDS
        # The last one is followed by a wake, at the end of its pause or at once.
        while await waiting.wait(0.05):
            pass
        nudger.nudge()
        nudger.nudge()
        assert await waiting.wait(10)
        assert await waiting.wait(10)
        nudger.nudge()
        nudger.close()
        assert await waiting.wait(10)

    with_nudged(path, act)


def test_waking_from_inside_ends_the_wait(tmp_path: Path) -> None:
    async def act(waiting: SocketNudged) -> None:
        waiting.wake()
        assert await waiting.wait(10)

    with_nudged(tmp_path / "a.sock", act)


def test_a_socket_that_is_taken_away_as_it_is_made_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.sock"
    chmod = Path.chmod

    def taken_away(self: Path, mode: int) -> None:
        self.unlink()
        chmod(self, mode)

    monkeypatch.setattr(Path, "chmod", taken_away)

    async def act(waiting: SocketNudged) -> None:
        assert not await waiting.wait(0.02)

    with_nudged(path, act)


def test_who_is_nudged_all_the_time_leaves_time_for_others(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"

    async def act(waiting: SocketNudged) -> None:
        others = 0

        async def other() -> None:
            nonlocal others
            while True:
                others += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        for _ in range(100):
            waiting.wake()
            assert await waiting.wait(10)
        beside.cancel()
        assert others >= 100

    with_nudged(path, act)
