"""The writer process: appends to the log, keeps identity and suppression, makes the ticks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from tailorbird import bootstrap
from tailorbird.adapters.socket.server import WriterServer
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.adapters.sqlite.state_store import SqliteStateStore
from tailorbird.delivery.suppression import changes_of
from tailorbird.events.event import TICK
from tailorbird.ports.clock import Clock, ClockProblem
from tailorbird.ports.event_log import Draft
from tailorbird.services.append import Appender
from tailorbird.worker.logs import configure_logs
from tailorbird.worker.settings import RoleSettings

LOOK_SECONDS = 0.02
# In real time a partition gets a tick at most this often; a moved clock is followed at once.
TICK_SECONDS_MIN = 0.05
CHECKPOINT_COMMITS = 200

_log = structlog.get_logger("writer")


class Ticker:
    """Looks into the engines' states for deadlines that are due and appends ticks for them."""

    def __init__(self, settings: RoleSettings, clock: Clock, server: WriterServer) -> None:
        self._settings = settings
        self._clock = clock
        self._server = server
        self._states: dict[int, SqliteStateStore] = {}
        self._ticked: dict[int, tuple[int, float]] = {}
        self.moved = asyncio.Event()

    async def run(self) -> None:
        """Look for ever; at once when the clock was moved."""
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.moved.wait(), LOOK_SECONDS)
            self.moved.clear()
            await self._server.append(self._due())

    def _due(self) -> list[Draft]:
        now, wall = self._clock.now(), time.monotonic()
        is_real = self._settings.clock == "system"
        drafts: list[Draft] = []
        for store in self._open_states():
            for partition, deadline in store.due_partitions(now).items():
                ticked_at, ticked_wall = self._ticked.get(partition, (-1, 0.0))
                # A tick at or after the deadline lies in the log already: the engine is behind.
                if ticked_at >= deadline or (is_real and wall - ticked_wall < TICK_SECONDS_MIN):
                    continue
                self._ticked[partition] = (now, wall)
                drafts.append(Draft(partition, TICK, 0, b""))
        return drafts

    def _open_states(self) -> list[SqliteStateStore]:
        for index in range(self._settings.engines):
            path = self._settings.data / "state" / f"{index}.db"
            if index not in self._states and path.exists():
                self._states[index] = bootstrap.open_state(self._settings.data, index)
        return list(self._states.values())


def main(argv: Sequence[str] | None = None) -> None:
    """Run the writer until SIGTERM."""
    settings = RoleSettings.from_argv(sys.argv[1:] if argv is None else argv)
    configure_logs("writer", settings.log_level)
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(settings))
    else:
        uvloop.run(_serve(settings))


async def _serve(settings: RoleSettings) -> None:
    bootstrap.prepare_data_folder(settings.data)
    clock = bootstrap.open_clock(settings.data, settings.clock, is_writer=True)
    log = bootstrap.open_log(settings.data, is_writer=True)
    appender = Appender(
        log,
        bootstrap.open_identity(settings.data, is_writer=True),
        bootstrap.open_suppression(settings.data, is_writer=True),
        clock,
        changes_of,
    )

    def set_now(now: int) -> int:
        move = getattr(clock, "set_now", None)
        if move is None:
            raise ClockProblem("this clock cannot be moved")
        return int(move(now))

    server = WriterServer(appender, set_now, after_clock=lambda: ticker.moved.set())
    ticker = Ticker(settings, clock, server)
    path = bootstrap.socket_path(settings.data)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listener = await asyncio.start_unix_server(server.serve_connection, str(path))
    path.chmod(0o600)
    gc.freeze()
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    _log.info("ready", socket=str(path.name), end=log.end(), pid=os.getpid())
    tasks = [
        asyncio.create_task(server.commit_forever()),
        asyncio.create_task(ticker.run()),
        asyncio.create_task(_checkpoint_forever(server, log)),
    ]
    waiter = asyncio.create_task(stopped.wait())
    done, _ = await asyncio.wait([*tasks, waiter], return_when=asyncio.FIRST_COMPLETED)
    listener.close()
    for task in done:
        if task is not waiter:
            task.result()
    await server.commit_group()
    for task in tasks:
        task.cancel()
    log.close()
    _remove(path)
    _log.info("stopped", end="clean")


async def _checkpoint_forever(server: WriterServer, log: SqliteEventLog) -> None:
    seen = 0
    while True:
        await asyncio.sleep(1)
        if server.commits - seen >= CHECKPOINT_COMMITS:
            seen = server.commits
            await asyncio.to_thread(log.checkpoint)


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


if __name__ == "__main__":
    main()
