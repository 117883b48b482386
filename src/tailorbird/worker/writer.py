"""The writer process: appends to the log, keeps identity and suppression, makes the ticks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from tailorbird import bootstrap
from tailorbird.adapters.socket.frames import READ_BYTES_MAX
from tailorbird.adapters.socket.nudge import SocketNudger
from tailorbird.adapters.socket.server import WriterServer
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.adapters.sqlite.state_store import SqliteStateStore
from tailorbird.bootstrap.erasure import open_eraser
from tailorbird.delivery.suppression import changes_of
from tailorbird.events.event import TICK
from tailorbird.ports.clock import Clock, ClockProblem
from tailorbird.ports.event_log import Draft
from tailorbird.ports.nudge import Nudged
from tailorbird.services import erase
from tailorbird.services.append import Appender
from tailorbird.services.identity_rules import LiveRules, rules_of_version
from tailorbird.services.room import Room
from tailorbird.services.ticks import LOOK_SECONDS_MAX, LOOK_SECONDS_MIN, Ticks
from tailorbird.worker.erasing import keep_erasing
from tailorbird.worker.process import calm_garbage_collector, nudged, run_role
from tailorbird.worker.settings import RoleSettings

CHECKPOINT_SECONDS = 1.0
CHECKPOINT_COMMITS = 200

_log = structlog.get_logger("writer")


class Ticker:
    """Looks into the engines' states for deadlines that are due and appends ticks for them."""

    def __init__(self, settings: RoleSettings, clock: Clock, server: WriterServer) -> None:
        self._settings = settings
        self._clock = clock
        self._server = server
        self._states: dict[int, SqliteStateStore] = {}
        self._ticks = Ticks(is_real=settings.clock == "system")
        self._moved = asyncio.Event()

    def look(self) -> None:
        """Look at once: the clock was moved."""
        self._moved.set()

    async def run(self, news: Nudged, stopped: asyncio.Event) -> None:
        """Look until stopped: when nudged, when the clock was moved, when a deadline comes."""
        nudges = asyncio.create_task(self._follow(news, stopped))
        seconds = LOOK_SECONDS_MIN
        while not stopped.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._moved.wait(), seconds)
            self._moved.clear()
            now = self._clock.now()
            due, seconds = self._ticks.due(self._open_states(), now)
            if due and await self._server.append([Draft(one, TICK, 0, b"") for one in due]):
                self._ticks.note(due, now)
        await nudges

    async def _follow(self, news: Nudged, stopped: asyncio.Event) -> None:
        """Look when nudged, but under load not at each nudge."""
        while not stopped.is_set():
            if await news.wait(LOOK_SECONDS_MAX):
                self._moved.set()
                await asyncio.sleep(LOOK_SECONDS_MIN)

    def _open_states(self) -> list[SqliteStateStore]:
        for index in range(self._settings.engines):
            if index in self._states:
                continue  # looked for fifty times a second
            if (self._settings.data / "state" / f"{index}.db").exists():
                self._states[index] = bootstrap.open_state(self._settings.data, index)
        return list(self._states.values())


def main(argv: Sequence[str] | None = None) -> None:
    """Run the writer until SIGTERM."""
    settings = RoleSettings.from_argv(sys.argv[1:] if argv is None else argv)
    run_role("writer", settings, _serve)


async def _serve(settings: RoleSettings, stopped: asyncio.Event) -> None:
    bootstrap.prepare_data_folder(settings.data)
    ownership = bootstrap.own(settings.data, "writer")
    clock = bootstrap.open_clock(settings.data, settings.clock, is_writer=True)
    log = bootstrap.open_log(settings.data, is_writer=True)
    identity = bootstrap.open_identity(settings.data, is_writer=True)
    suppression = bootstrap.open_suppression(settings.data, is_writer=True)
    control = bootstrap.open_control(settings.data)
    appender = Appender(
        log,
        identity,
        suppression,
        clock,
        changes_of,
        LiveRules(control)(),
        lambda version: rules_of_version(control, version),
        bootstrap.open_seen_days(settings.data),
        lambda record: erase.note(control, record),
    )
    to_engines, to_deliver = _nudgers(settings)

    def after_clock() -> None:
        ticker.look()
        to_deliver.nudge()  # what waits for its time may be due

    server = WriterServer(
        appender,
        _mover_of(clock),
        after_clock=after_clock,
        after_commit=to_engines.nudge,
        room_refusal=Room(lambda: bootstrap.disk_room(settings.data)).refusal,
    )
    ticker = Ticker(settings, clock, server)
    eraser = open_eraser(
        settings.data, settings.engines, log, identity, suppression, control, clock
    )
    path = bootstrap.socket_path(settings.data)
    listener = await _listen(server, path)
    calm_garbage_collector()
    _log.info("ready", socket=path.name, end=log.end(), pid=os.getpid())
    committing = asyncio.create_task(server.commit_forever())
    with nudged(settings, "writer", stopped) as news:
        ending = [
            asyncio.create_task(ticker.run(news, stopped)),
            asyncio.create_task(_keep_house(server, log, appender, stopped)),
            asyncio.create_task(keep_erasing(server, eraser, stopped)),
            asyncio.create_task(stopped.wait()),
        ]
        await asyncio.wait([committing, *ending], return_when=asyncio.FIRST_COMPLETED)
        listener.close()
        _remove(path)
        if committing.done() or not stopped.is_set():
            _raise_fault([committing, *ending])
        await asyncio.gather(*ending)
    await server.finish()
    committing.cancel()
    for one in (log, identity, suppression, control, to_engines, to_deliver, ownership):
        one.close()
    _log.info("stopped", end=log.end())


def _raise_fault(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """End with a fault of ours: the supervisor starts the writer anew."""
    for task in tasks:
        if task.done():
            task.result()


async def _listen(server: WriterServer, path: Path) -> asyncio.Server:
    _remove(path)
    listener = await asyncio.start_unix_server(
        server.serve_connection, str(path), limit=READ_BYTES_MAX
    )
    path.chmod(0o600)
    return listener


def _nudgers(settings: RoleSettings) -> tuple[SocketNudger, SocketNudger]:
    engines = [f"engine-{index}" for index in range(settings.engines)]
    return (
        bootstrap.open_nudger(settings.data, engines),
        bootstrap.open_nudger(settings.data, ["deliver"]),
    )


def _mover_of(clock: Clock) -> Callable[[int], int]:
    def set_now(now: int) -> int:
        move = getattr(clock, "set_now", None)
        if move is None:
            raise ClockProblem("this clock cannot be moved")
        return int(move(now))

    return set_now


async def _keep_house(
    server: WriterServer, log: SqliteEventLog, appender: Appender, stopped: asyncio.Event
) -> None:
    """Keep the write-ahead log short, and put the keys of past days to rest.

    A checkpoint does most of its work beside the commits, the rest between two.
    """
    seen = 0
    while not stopped.is_set():
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stopped.wait(), CHECKPOINT_SECONDS)
        if server.commits - seen >= CHECKPOINT_COMMITS:
            seen = server.commits
            await asyncio.to_thread(log.checkpoint)
            await server.between_commits(log.checkpoint)
        if appender.is_untidy:
            try:
                await asyncio.to_thread(appender.tidy)
            except (
                OSError
            ) as fault:  # a full disk; the keys stay where they are until there is room
                _log.warning("keys of past messages wait for room", error=str(fault))


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


if __name__ == "__main__":
    main()
