"""Client of the log's writer: connects when needed, again after a break, many calls at once.

Calls that come while others are on their way gather and go in one frame: under load that spares
both ends most of the work on the socket, and alone a call does not wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tailorbird.adapters.socket import frames
from tailorbird.adapters.socket.frames import READ_BYTES_MAX, Frame, FrameReader, pack_frame
from tailorbird.ports.clock import ClockProblem
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import RETRY, Answer, EventDraft
from tailorbird.profiles.identity import PROFILE

ANSWER_SECONDS_MAX = 30.0
# What comes while a frame is under way goes together in the next: each commit is dear. Only where
# the first takes long does a second one go, so that the writer does not wait for us as well.
FRAMES_UNDER_WAY_MAX = 2
SECOND_FRAME_SECONDS = 0.005
GATHERED_ITEMS_MAX = 5_000
GATHERED_BYTES_MAX = 8 * 1024 * 1024


def is_listening(path: Path) -> bool:
    """Say whether a writer listens there; a socket's file may outlive its process."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


@dataclass(slots=True)
class _Gathered:
    events: Sequence[EventDraft]
    bytes: int
    answers: asyncio.Future[list[Answer]]


class SocketLogWriter:
    """`ports.log_writer.LogWriter` over a Unix socket; belongs to one event loop.

    A break in the connection answers RETRY: what was sent may or may not be stored, and sending
    it again is deduplicated.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next_id = 0
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._stream: asyncio.StreamWriter | None = None
        self._listener: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()
        self._gathered: list[_Gathered] = []
        self._senders: set[asyncio.Task[None]] = set()
        self._second: asyncio.TimerHandle | None = None

    async def write(self, events: Sequence[EventDraft]) -> list[Answer]:
        """Deduplicate, resolve, append durably; see the port."""
        if not events or (
            events[0].identifiers[0][0] == PROFILE
            and all(one.identifiers[0][0] == PROFILE for one in events)
        ):
            # What became of mails: a writer that refuses all else takes it, so it goes alone.
            return await self._answers(frames.WRITE, events)
        size = sum([len(one.body) for one in events])
        answers: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._gathered.append(_Gathered(events, size, answers))
        if not self._senders:
            self._begin_sending()
        elif self._second is None:
            loop = asyncio.get_running_loop()
            self._second = loop.call_later(SECOND_FRAME_SECONDS, self._begin_second)
        return await answers

    async def append(self, drafts: Sequence[Draft]) -> list[Answer]:
        """Append records of other kinds; see the port."""
        return await self._answers(frames.APPEND, drafts)

    async def now(self) -> int:
        """Return the writer's present instant.

        Raises:
            ConnectionError: the writer cannot be reached.
        """
        return frames.decode_number((await self._call(frames.NOW, None)).body)

    async def set_now(self, now: int) -> int:
        """Move a simulated clock forward; see the port."""
        answer = await self._call(frames.SET_NOW, now)
        if answer.word == frames.REFUSED:
            raise ClockProblem(frames.decode_text(answer.body))
        return frames.decode_number(answer.body)

    async def close(self) -> None:
        """Close the connection."""
        if self._second is not None:
            self._second.cancel()
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        self._drop()

    def _begin_second(self) -> None:
        self._second = None
        if self._gathered and len(self._senders) < FRAMES_UNDER_WAY_MAX:
            self._begin_sending()

    def _begin_sending(self) -> None:
        sender = asyncio.create_task(self._send_gathered())
        self._senders.add(sender)
        sender.add_done_callback(self._senders.discard)

    async def _send_gathered(self) -> None:
        """Send frame after frame until nothing has gathered, or another task does so."""
        while self._gathered:
            await self._send_group(self._next_group())
            if len(self._senders) > 1:
                break
        # At once, not when the task is seen to be done: what comes in between would wait for it.
        self._senders -= {asyncio.current_task()}

    async def _send_group(self, group: list[_Gathered]) -> None:
        events = [event for one in group for event in one.events]
        try:
            answers = await self._answers(frames.WRITE, events)
        except Exception as problem:  # noqa: BLE001  # whoever waits is told
            for one in group:
                if not one.answers.done():
                    one.answers.set_exception(problem)
            return
        begin = 0
        for one in group:
            end = begin + len(one.events)
            if not one.answers.done():
                one.answers.set_result(answers[begin:end])
            begin = end

    def _next_group(self) -> list[_Gathered]:
        taken = items = size = 0
        for one in self._gathered:
            items += len(one.events)
            size += one.bytes
            if taken and (items > GATHERED_ITEMS_MAX or size > GATHERED_BYTES_MAX):
                break
            taken += 1
        group, self._gathered = self._gathered[:taken], self._gathered[taken:]
        return group

    async def _answers(
        self, method: str, items: Sequence[EventDraft] | Sequence[Draft]
    ) -> list[Answer]:
        try:
            answer = await self._call(method, items)
        except (TimeoutError, OSError):
            return [Answer(RETRY)] * len(items)
        if answer.word == frames.REFUSED:
            return [Answer(RETRY)] * len(items)
        return frames.decode_answers(answer.body)

    async def _call(self, method: str, value: object) -> Frame:
        stream = self._stream
        if stream is None or stream.is_closing():
            stream = await self._connected()
        self._next_id += 1
        frame_id = self._next_id
        loop = asyncio.get_running_loop()
        waiting = loop.create_future()
        self._waiting[frame_id] = waiting
        # As `asyncio.wait_for`, which costs more than the frame.
        timer = loop.call_later(ANSWER_SECONDS_MAX, _give_up, waiting)
        try:
            stream.write(pack_frame(frame_id, method, value))
            await stream.drain()
            found: Frame = await waiting
            return found
        finally:
            timer.cancel()
            self._waiting.pop(frame_id, None)

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._stream is None or self._stream.is_closing():
                self._drop()  # who still waits on the old one must send again
                reader, stream = await asyncio.open_unix_connection(
                    str(self._path), limit=READ_BYTES_MAX
                )
                self._stream = stream
                self._listener = asyncio.create_task(self._listen(reader, stream))
            return self._stream

    async def _listen(self, reader: asyncio.StreamReader, stream: asyncio.StreamWriter) -> None:
        try:
            incoming = FrameReader(reader)
            while found := await incoming.read():
                for frame in found:
                    waiting = self._waiting.get(frame.id)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(frame)
        except OSError:
            pass
        finally:
            stream.close()
            if self._stream is stream or self._stream is None:
                self._drop()

    def _drop(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("the log's writer closed the connection"))


def _give_up(waiting: asyncio.Future[Frame]) -> None:
    if not waiting.done():
        waiting.set_exception(TimeoutError())
