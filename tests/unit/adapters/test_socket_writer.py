"""The client of the log's writer: calls gather while frames are under way, each gets its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from tailorbird.adapters.socket import client as socket_client
from tailorbird.adapters.socket import frames
from tailorbird.adapters.socket.client import FRAMES_UNDER_WAY_MAX, SocketLogWriter
from tailorbird.ports.log_writer import ACCEPTED, RETRY, Answer, EventDraft
from tailorbird.profiles.identity import PROFILE


class Writer:
    """Answers each event with its dedup as the offset, when it is let; notes each frame."""

    def __init__(self) -> None:
        self.frames: list[list[int]] = []
        self.let = asyncio.Event()
        self.answers_at_all = True

    async def serve(self, reader: asyncio.StreamReader, stream: asyncio.StreamWriter) -> None:
        async with asyncio.TaskGroup() as answering:
            incoming = frames.FrameReader(reader)
            while found := await incoming.read():
                for frame in found:
                    events = frames.decode_events(frame.body)
                    self.frames.append([one.dedup for one in events])
                    answering.create_task(self._answer(frame.id, events, stream))
        stream.close()
        await stream.wait_closed()

    async def _answer(
        self, frame_id: int, events: Sequence[EventDraft], stream: asyncio.StreamWriter
    ) -> None:
        await self.let.wait()
        if not self.answers_at_all:
            stream.close()
            return
        answers = [Answer(ACCEPTED, one.dedup) for one in events]
        stream.write(frames.pack_frame(frame_id, frames.OK, answers))


def run(folder: Path, act: Callable[[Writer, SocketLogWriter], Awaitable[None]]) -> None:
    async def main() -> None:
        server = Writer()
        listener = await asyncio.start_unix_server(server.serve, str(folder / "writer.sock"))
        client = SocketLogWriter(folder / "writer.sock")
        try:
            await act(server, client)
        finally:
            await client.close()
            listener.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait(others, timeout=10) if others else None

    asyncio.run(main())


def draft(number: int, size: int = 1, kind: str = "user_id") -> EventDraft:
    return EventDraft([(kind, "1")], number, b"x" * size)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.001)


def test_calls_gather_and_each_gets_the_answers_to_its_own_events(tmp_path: Path) -> None:
    async def act(server: Writer, client: SocketLogWriter) -> None:
        calls = []
        for number in range(0, 60, 3):
            events = [draft(number + one) for one in range(1 + number % 3 + number % 2)]
            calls.append((events, asyncio.create_task(client.write(events))))
            if len(calls) <= FRAMES_UNDER_WAY_MAX:
                await until(lambda: len(server.frames) == len(calls))
        await asyncio.sleep(0.01)
        assert len(server.frames) == FRAMES_UNDER_WAY_MAX, "the others wait for these"
        server.let.set()
        for events, call in calls:
            assert [one.offset for one in await call] == [one.dedup for one in events]
        assert len(server.frames) == FRAMES_UNDER_WAY_MAX + 1, "and went together"
        assert await client.write([draft(7)]) == [Answer(ACCEPTED, 7)]
        assert await client.write([]) == []

    run(tmp_path, act)


def test_a_frame_has_its_bounds_and_one_call_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_client, "GATHERED_BYTES_MAX", 100)
    monkeypatch.setattr(socket_client, "GATHERED_ITEMS_MAX", 5)

    async def act(server: Writer, client: SocketLogWriter) -> None:
        server.let.set()
        sent = [[draft(1, 60)], [draft(2, 60)], [draft(3, 500)], [draft(n) for n in range(4, 14)]]
        sent += [[draft(n), draft(n + 1)] for n in range(14, 22, 2)]
        got = await asyncio.gather(*(client.write(events) for events in sent))
        assert [[one.offset for one in answers] for answers in got] == [
            [one.dedup for one in events] for events in sent
        ]
        assert sorted(server.frames) == [
            [1], [2], [3], [*range(4, 14)], [*range(14, 18)], [*range(18, 22)],
        ]  # fmt: skip

    run(tmp_path, act)


def test_a_break_is_a_retry_for_all_who_wait(tmp_path: Path) -> None:
    async def act(server: Writer, client: SocketLogWriter) -> None:
        server.answers_at_all = False
        calls = [asyncio.create_task(client.write([draft(number)])) for number in range(9)]
        await until(lambda: bool(server.frames))
        gone = calls.pop()
        gone.cancel()  # whoever does not wait any more harms nobody
        server.let.set()
        assert await asyncio.gather(*calls) == [[Answer(RETRY)]] * 8
        server.answers_at_all = True
        assert await client.write([draft(10)]) == [Answer(ACCEPTED, 10)]

    run(tmp_path, act)


def test_what_became_of_mails_does_not_share_a_frame(tmp_path: Path) -> None:
    async def act(server: Writer, client: SocketLogWriter) -> None:
        server.let.set()
        sent = [[draft(1)], [draft(2, kind=PROFILE)], [draft(3)]]
        await asyncio.gather(*(client.write(events) for events in sent))
        assert [2] in server.frames

    run(tmp_path, act)
