"""The writer's end of the socket: gathers what waits into one durable commit.

While one commit runs the next group gathers by itself; that is what makes an fsync cheap. A full
queue answers `refused`, which callers pass on as a retry.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from tailorbird.adapters.socket import frames
from tailorbird.adapters.socket.frames import Frame, FrameReader, pack_frame
from tailorbird.adapters.socket.thread import OneThread
from tailorbird.ports.clock import ClockProblem
from tailorbird.ports.event_log import Draft, LogProblem
from tailorbird.ports.log_writer import Answer, EventDraft
from tailorbird.profiles.identity import PROFILE

_log = structlog.get_logger("writer")

GROUP_ITEMS_MAX = 5_000
QUEUE_ITEMS_MAX = 50_000
QUEUE_BYTES_MAX = 64 * 1024 * 1024
FLUSH_SECONDS_MAX = 1.0
# Commits that take less are done by the event loop itself: to hand them to a thread and back costs
# a tenth of all work on an event. From the first that takes longer on, the loop is kept free.
QUICK_SECONDS_MAX = 0.05
_QUEUED = (frames.WRITE, frames.APPEND)


class Appending(Protocol):
    """What the server needs of the appender."""

    def write(
        self, events: list[EventDraft], drafts: list[Draft]
    ) -> tuple[list[Answer], list[Answer]]: ...
    def now(self) -> int: ...


@dataclass(slots=True)
class _Waiting:
    events: list[EventDraft]
    drafts: list[Draft]
    frame_id: int
    stream: asyncio.StreamWriter
    bytes: int


class WriterServer:
    """Serves one appender. `after_clock` is called when a simulated clock was moved.

    `after_commit` is called when the log has something new. `room_refusal` tells why nothing new
    can be collected (the disk is almost full); what the roles have to say of mails already under
    way is taken all the same.
    """

    def __init__(
        self,
        appender: Appending,
        set_now: Callable[[int], int],
        *,
        after_clock: Callable[[], None] = lambda: None,
        after_commit: Callable[[], None] = lambda: None,
        room_refusal: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._room_refusal = room_refusal
        self._is_full = False
        self._appender = appender
        self._set_now = set_now
        self._after_clock = after_clock
        self._after_commit = after_commit
        self._streams: set[asyncio.StreamWriter] = set()
        self._waiting: list[_Waiting] = []
        self._queued = 0
        self._queued_bytes = 0
        self._arrived = asyncio.Event()
        self._appending = asyncio.Lock()
        self._thread = OneThread("append")
        self._is_quick = True
        self.commits = 0

    async def serve_connection(
        self, reader: asyncio.StreamReader, stream: asyncio.StreamWriter
    ) -> None:
        """Read requests of one client until it leaves."""
        self._streams.add(stream)
        try:
            incoming = FrameReader(reader)
            while found := await incoming.read():
                for frame in found:
                    self._accept(frame, stream)
        except (OSError, ValueError):
            # A client that sends what is no frame is cut off; the others do not notice.
            pass
        finally:
            self._streams.discard(stream)
            stream.close()

    async def commit_forever(self) -> None:
        """Commit group after group."""
        while True:
            await self._arrived.wait()
            await self.commit_group()

    async def commit_group(self) -> None:
        """Commit what waits now, at most `GROUP_ITEMS_MAX` items, and answer."""
        group, size = self._next_group()
        if not group:
            return
        events = [event for one in group for event in one.events]
        drafts = [draft for one in group for draft in one.drafts]
        try:
            async with self._appending:
                of_events, of_drafts = await self._write(events, drafts)
        except LogProblem as problem:
            _log.error("log_refused", items=size, reason=str(problem))
            for one in group:
                _send(one.stream, one.frame_id, frames.REFUSED, str(problem))
            return
        finally:
            self._queued -= size
            self._queued_bytes -= sum(one.bytes for one in group)
        self.commits += 1
        self._after_commit()
        for one in group:
            answers = of_events[: len(one.events)] + of_drafts[: len(one.drafts)]
            del of_events[: len(one.events)], of_drafts[: len(one.drafts)]
            _send(one.stream, one.frame_id, frames.OK, answers)

    async def append(self, drafts: list[Draft]) -> bool:
        """Append records of the writer's own (ticks); False where the log refuses them."""
        try:
            async with self._appending:
                await self._write([], drafts)
        except LogProblem as problem:
            _log.error("log_refused", items=len(drafts), reason=str(problem))
            return False
        self._after_commit()
        return True

    async def _write(
        self, events: list[EventDraft], drafts: list[Draft]
    ) -> tuple[list[Answer], list[Answer]]:
        begun = time.perf_counter()
        try:
            if self._is_quick:
                return self._appender.write(events, drafts)
            return await self._thread.run(partial(self._appender.write, events, drafts))
        finally:
            self._is_quick = time.perf_counter() - begun < QUICK_SECONDS_MAX

    async def between_commits(self, act: Callable[[], object]) -> None:
        """Run something in a thread while nothing is appended."""
        async with self._appending:
            await self._thread.run(act)

    async def finish(self) -> None:
        """Commit and answer all that has come, then let the clients go; call with no listener."""
        while self._waiting:
            await self.commit_group()
        async with self._appending:
            pass  # the group under way, if any, is answered as soon as it lets go
        for stream in list(self._streams):
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(stream.drain(), FLUSH_SECONDS_MAX)
            stream.close()
        self._thread.close()

    def _next_group(self) -> tuple[list[_Waiting], int]:
        size = taken = 0
        for one in self._waiting:
            size += len(one.events) + len(one.drafts)
            taken += 1
            if size >= GROUP_ITEMS_MAX:
                break
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        if not self._waiting:
            self._arrived.clear()
        return group, size

    def _accept(self, frame: Frame, stream: asyncio.StreamWriter) -> None:
        size = len(frame.body)
        if frame.word in _QUEUED and self._queued_bytes + size > QUEUE_BYTES_MAX:
            # Not even decoded: it is memory that is lacking.
            _send(stream, frame.id, frames.REFUSED, "the writer's queue is full")
        elif frame.word == frames.WRITE:
            events = frames.decode_events(frame.body)
            full = self._full_for(events)
            if full is not None:
                _send(stream, frame.id, frames.REFUSED, full)
            else:
                self._enqueue(_Waiting(events, [], frame.id, stream, size))
        elif frame.word == frames.APPEND:
            self._enqueue(_Waiting([], frames.decode_drafts(frame.body), frame.id, stream, size))
        elif frame.word == frames.NOW:
            _send(stream, frame.id, frames.OK, self._appender.now())
        elif frame.word == frames.SET_NOW:
            try:
                now = self._set_now(frames.decode_number(frame.body))
            except ClockProblem as problem:
                _send(stream, frame.id, frames.REFUSED, str(problem))
            else:
                _send(stream, frame.id, frames.OK, now)
                self._after_clock()
        else:
            raise ValueError(f"unknown method {frame.word!r}")

    def _full_for(self, events: list[EventDraft]) -> str | None:
        full = self._room_refusal()
        if (full is not None) != self._is_full:
            self._is_full = full is not None
            _log.warning("disk_full" if full else "disk_has_room", reason=full or "")
        if full is None or all(one.identifiers[0][0] == PROFILE for one in events):
            return None
        return full

    def _enqueue(self, one: _Waiting) -> None:
        size = len(one.events) + len(one.drafts)
        if self._queued + size > QUEUE_ITEMS_MAX:
            _send(one.stream, one.frame_id, frames.REFUSED, "the writer's queue is full")
            return
        self._queued += size
        self._queued_bytes += one.bytes
        self._waiting.append(one)
        self._arrived.set()


def _send(stream: asyncio.StreamWriter, frame_id: int, word: str, value: object) -> None:
    if not stream.is_closing():
        stream.write(pack_frame(frame_id, word, value))
