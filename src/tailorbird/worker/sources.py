"""The sources process: reads all queues of the live version. It runs only while there are any."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import structlog

from tailorbird import bootstrap
from tailorbird.bootstrap.sources import open_feed, open_pull, open_sources
from tailorbird.services.feed import Feed
from tailorbird.services.pull import Pull, PullStatus
from tailorbird.services.sources import report
from tailorbird.worker.process import calm_garbage_collector, run_role
from tailorbird.worker.settings import RoleSettings
from tailorbird.workspace.definitions import SourceDefinition

LOOK_SECONDS = 0.5
REPORT_SECONDS = 5.0
LEARNED_SECONDS = 10.0

_log = structlog.get_logger("sources")


@dataclass(slots=True)
class _Running:
    pull: Pull
    stopped: asyncio.Event
    task: asyncio.Task[None]

    async def stop(self) -> None:
        self.stopped.set()
        await self.task


class Readers:
    """One task for each queue; `follow` makes them those of the live version."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._running: dict[str, _Running] = {}

    async def follow(self, wanted: dict[str, SourceDefinition]) -> None:
        """Stop what is gone or was changed, start what is new."""
        for name, one in list(self._running.items()):
            if wanted.get(name) != one.pull.definition:
                del self._running[name]
                await one.stop()
        for name, definition in wanted.items():
            if name not in self._running:
                pull, stopped = open_pull(definition, self._feed), asyncio.Event()
                task = asyncio.create_task(pull.run(stopped), name=f"source {name}")
                self._running[name] = _Running(pull, stopped, task)

    def statuses(self) -> dict[str, PullStatus]:
        """Return how each is doing."""
        return {name: one.pull.status for name, one in self._running.items()}

    async def stop(self) -> None:
        """Stop all."""
        for one in self._running.values():
            one.stopped.set()
        await asyncio.gather(*(one.task for one in self._running.values()))


def main(argv: Sequence[str] | None = None) -> None:
    """Read queues until SIGTERM."""
    settings = RoleSettings.from_argv(sys.argv[1:] if argv is None else argv)
    run_role("sources", settings, _serve)


async def _serve(settings: RoleSettings, stopped: asyncio.Event) -> None:
    # Two of them would read under one name, each what the other was given.
    ownership = bootstrap.own(settings.data, "sources")
    control, live = bootstrap.open_control(settings.data), open_sources(settings.data)
    feed, learned = open_feed(settings.data, settings.clock)
    readers = Readers(feed)
    calm_garbage_collector()
    _log.info("ready", pid=os.getpid())
    said, said_at, learned_at = "", float("-inf"), time.monotonic()
    while not stopped.is_set():
        await readers.follow(live.queues())
        statuses = readers.statuses()
        saying = json.dumps({name: asdict(one) for name, one in statuses.items()})
        if saying != said or time.monotonic() - said_at > REPORT_SECONDS:
            said, said_at = saying, time.monotonic()
            _keep(partial(report, control, statuses, time.time()))
        if time.monotonic() - learned_at > LEARNED_SECONDS:
            learned_at = time.monotonic()
            _keep(learned.flush)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), LOOK_SECONDS)
    await readers.stop()
    _keep(learned.flush)
    control.close()
    ownership.release()
    _log.info("stopped")


def _keep(act: Callable[[], None]) -> None:
    try:
        act()
    except Exception as problem:  # noqa: BLE001  # a full disk; the next time may do better
        _log.error("status_not_kept", reason=str(problem))


if __name__ == "__main__":
    main()
