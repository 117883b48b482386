"""Reads one queue: receive, append to the log, only then settle.

Whatever dies in between, the broker delivers again, and the log knows what it has. So each message
counts once, and none is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from tailorbird.base.problems import TailorbirdError
from tailorbird.ports.source import Delivery, Source
from tailorbird.services.feed import Feed
from tailorbird.services.source_messages import Bad, Item, items_of
from tailorbird.workspace.definitions import SourceDefinition

PAUSE_SECONDS_MIN = 0.1
PAUSE_SECONDS_MAX = 15.0
# Calls of one commit: messages may be batches, and one frame to the writer has an end.
CALLS_AT_ONCE = 2_500
BYTES_AT_ONCE = 8_000_000

_LOG_IS_AWAY = "the log does not take events (no writer, or no room); they stay in the queue"
STARTING, RUNNING, WAITING = "starting", "running", "waiting"

_Found = TypeVar("_Found")

_log = structlog.get_logger("sources")


@dataclass(slots=True)
class PullStatus:
    """How a source is doing, for /health and /metrics; `reason` tells why it waits.

    Counts are those since the process began. `behind_seconds` is how long the newest message read
    had lain in the queue, 0 while the queue is empty, None where the broker does not tell.
    """

    kind: str
    state: str = STARTING
    reason: str = ""
    accepted: int = 0
    duplicate: int = 0
    refused: int = 0
    skipped: int = 0
    is_connected: bool = False
    last_error: str = ""
    last_error_at: int = 0  # microseconds UTC
    behind_seconds: float | None = None


@dataclass(slots=True)
class Pull:
    """One source, until it is stopped."""

    definition: SourceDefinition
    open_source: Callable[[], Awaitable[Source]]
    feed: Feed
    status: PullStatus = field(init=False)
    _pause: float = field(default=PAUSE_SECONDS_MIN, init=False)
    _is_log_away: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.status = PullStatus(self.definition.kind)

    async def run(self, stopped: asyncio.Event) -> None:
        """Read until stopped; a broker or a log that is away is waited for."""
        while not stopped.is_set():
            try:
                await self._read(stopped)
            except TailorbirdError as problem:
                self._wait_for(str(problem))
            except Exception as problem:  # noqa: BLE001  # the outermost loop, see below
                # The outermost loop of a source: nothing was settled, so nothing is lost.
                _log.error("source_failed", source=self.definition.name, exc_info=True)
                self._wait_for(f"a fault of ours: {type(problem).__name__}")
            else:
                return
            await self._rest(stopped)

    async def _read(self, stopped: asyncio.Event) -> None:
        stopping = asyncio.create_task(stopped.wait())
        source: Source | None = None
        try:
            source = await _unless(stopping, self.open_source())
            self.status.is_connected = source is not None
            while source is not None:
                batch = await _unless(stopping, source.receive())
                if batch is None:
                    return
                if not self._is_log_away:
                    self._go_on()
                if not batch:
                    self.status.behind_seconds = 0.0
                if batch and not await self._take(source, batch):
                    await self._rest(stopped)
        finally:
            stopping.cancel()
            self.status.is_connected = False
            if source is not None:
                await source.close()

    async def _take(self, source: Source, batch: Sequence[Delivery]) -> bool:
        """Append a batch and settle it; False where the log did not take it."""
        name, now = self.definition.name, self.feed.now()
        rest = list(batch)
        while rest:
            calls: list[Item | Bad] = []
            count, skipped, size = 0, 0, 0
            for one in rest:
                found = items_of(self.definition, one.body, one.position, one.at, now)
                size += len(one.body)
                if count and (len(calls) + len(found) > CALLS_AT_ONCE or size > BYTES_AT_ONCE):
                    break
                calls += found
                skipped += not found
                count += 1
            taken = await self.feed.take(calls, name, is_historical=self.definition.is_historical)
            if taken.is_retry:
                await source.refuse(rest)
                self._is_log_away = True
                self._wait_for(_LOG_IS_AWAY)
                return False
            done, rest = rest[:count], rest[count:]
            await source.settle(done)
            self._go_on()
            self.status.accepted += taken.accepted
            self.status.duplicate += taken.duplicate
            self.status.refused += len(taken.refusals)
            self.status.skipped += skipped
            self._note_age(done[-1])
        return True

    def _note_age(self, latest: Delivery) -> None:
        if latest.at is not None:
            self.status.behind_seconds = max(self.feed.now() - latest.at, 0) / 1_000_000

    def _go_on(self) -> None:
        if self.status.state != RUNNING:
            _log.info("source_running", source=self.definition.name)
        self.status.state, self.status.reason = RUNNING, ""
        self._pause, self._is_log_away = PAUSE_SECONDS_MIN, False

    def _wait_for(self, reason: str) -> None:
        if self.status.reason != reason:
            _log.warning("source_waits", source=self.definition.name, reason=reason)
        self.status.state, self.status.reason = WAITING, reason
        self.status.last_error, self.status.last_error_at = reason, self.feed.now()

    async def _rest(self, stopped: asyncio.Event) -> None:
        pause, self._pause = self._pause, min(self._pause * 2, PAUSE_SECONDS_MAX)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), pause)


async def _unless(stopping: asyncio.Task[Any], wanted: Awaitable[_Found]) -> _Found | None:
    """Wait for something; None, and it is given up, where the stop comes first."""
    task: asyncio.Future[_Found] = asyncio.ensure_future(wanted)
    waited: set[asyncio.Future[Any]] = {stopping, task}
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, TailorbirdError):
                await task
