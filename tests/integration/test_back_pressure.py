"""More comes than a slow disk stores, or the disk is full: clear answers, and memory stays so."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from tailorbird.adapters.memory.event_log import MemoryEventLog
from tailorbird.adapters.memory.identity_store import MemoryIdentityStore
from tailorbird.adapters.memory.suppression_store import MemorySuppressionStore
from tailorbird.adapters.socket import client as socket_client
from tailorbird.adapters.socket import server as socket_server
from tailorbird.adapters.socket.client import SocketLogWriter
from tailorbird.adapters.socket.server import WriterServer
from tailorbird.delivery.suppression import changes_of
from tailorbird.events.event import Record, decode_event
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import EventDraft
from tailorbird.ports.source import Delivery
from tailorbird.profiles.identity import PROFILE
from tailorbird.services.append import Appender
from tailorbird.services.feed import Feed
from tailorbird.services.ingest import Ingest
from tailorbird.services.pull import RUNNING, WAITING, Pull
from tailorbird.services.room import FULL_BYTES, Room
from tailorbird.web.collect import Collect
from tailorbird.web.source_measures import SourceCollector
from tailorbird.workspace.definitions import SourceDefinition

pytestmark = pytest.mark.integration

KEY = b"Basic " + b64encode(b"wk:")


class SlowLog(MemoryEventLog):
    """A disk that takes its time for every commit."""

    def append(self, drafts: Sequence[Draft], now: int) -> list[Record]:
        time.sleep(0.05)
        return super().append(drafts, now)


class Clock:
    def now(self) -> int:
        return time.time_ns() // 1_000


class Nothing:
    def keep(self, *_: object) -> None: ...
    def collected(self, *_: object) -> None: ...


async def request(collect: Collect, number: int, size: int) -> tuple[int, dict[str, str], Any]:
    """One event of about `size` bytes; returns status, headers, body."""
    event = {
        "userId": f"u{number}",
        "messageId": f"m{number}",
        "event": "viewed",
        "properties": {"text": "x" * size},
    }
    body = json.dumps(event).encode()
    out: list[Any] = []
    sent = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        await asyncio.sleep(0)
        return sent.pop() if sent else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        out.append(message)

    headers = [(b"authorization", KEY), (b"content-length", str(len(body)).encode())]
    scope: Any = {"method": "POST", "headers": headers, "state": {"request_id": "r"}}
    await collect.handle("track", scope, receive, send)
    found = {name.decode(): value.decode() for name, value in out[0]["headers"]}
    return out[0]["status"], found, json.loads(out[1]["body"])


class Queue:
    """A broker in memory with some events; what is refused stays."""

    def __init__(self, count: int) -> None:
        call = {"type": "track", "event": "e"}
        self.waiting = [
            Delivery(body=json.dumps(call | {"userId": f"u{n}"}).encode(), position=str(n), at=1)
            for n in range(count)
        ]

    async def open(self) -> Queue:
        return self

    async def receive(self) -> list[Delivery]:
        await asyncio.sleep(0.01)
        return list(self.waiting)

    async def settle(self, batch: Sequence[Delivery]) -> None:
        self.waiting = [one for one in self.waiting if one not in batch]

    async def refuse(self, batch: Sequence[Delivery]) -> None:
        assert set(batch) <= set(self.waiting)

    async def close(self) -> None: ...


class World:
    """Collect, the socket, the writer and a log, as the processes join them."""

    def __init__(
        self,
        folder: Path,
        waiting_bytes_max: int,
        room: Room | None = None,
        writers_room: Room | None = None,
    ) -> None:
        self.log = SlowLog()
        appender = Appender(
            self.log, MemoryIdentityStore(), MemorySuppressionStore(), Clock(), changes_of
        )
        refusal = writers_room.refusal if writers_room is not None else lambda: None
        self.server = WriterServer(appender, lambda now: now, room_refusal=refusal)
        self.path = folder / "writer.sock"
        self.writer = SocketLogWriter(self.path)
        ingest = Ingest(self.writer, Clock(), Nothing(), lambda: "fresh")
        self.collect = Collect(
            ingest,
            lambda key: key == "wk",
            Nothing(),  # type: ignore[arg-type]
            room,
            waiting_bytes_max=waiting_bytes_max,
        )
        self.bytes_max = 0

    async def run(self, count: int, size: int) -> list[tuple[int, dict[str, str], Any]]:
        """Many requests at once; how many bytes wait in the writer is looked at meanwhile."""
        listener = await asyncio.start_unix_server(self.server.serve_connection, str(self.path))
        committing = asyncio.create_task(self.server.commit_forever())

        async def look() -> None:
            while True:
                self.bytes_max = max(self.bytes_max, self.server._queued_bytes)
                await asyncio.sleep(0)

        looking = asyncio.create_task(look())
        try:
            return list(
                await asyncio.gather(*(request(self.collect, one, size) for one in range(count)))
            )
        finally:
            looking.cancel()
            await self.writer.close()
            listener.close()
            await self.server.finish()
            committing.cancel()

    def stored(self) -> set[str]:
        records = self.log.read(0, 10**6)
        return {decode_event(one).message_id for one in records if one.kind == "event"}


def test_what_is_too_much_for_memory_is_asked_to_come_again(tmp_path: Path) -> None:
    world = World(tmp_path, waiting_bytes_max=500_000)
    answers = asyncio.run(world.run(300, 10_000))
    statuses = [status for status, _, _ in answers]
    taken = {f"m{number}" for number, status in enumerate(statuses) if status == 200}
    assert set(statuses) == {200, 429}
    assert 40 <= len(taken) <= 60
    for status, headers, body in answers:
        if status == 429:
            assert headers["retry-after"] == "1"
            assert body["error"]["rule"] == "busy"
            assert "Retry-After" in body["error"]["mend"]
    assert world.stored() == taken, "acknowledged is stored, all else is not"
    assert 0 < world.bytes_max <= 600_000
    # Nothing is held on to: all of it can come again.
    assert world.collect._waiting_bytes == 0


def test_the_writers_queue_is_bounded_in_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_server, "QUEUE_BYTES_MAX", 200_000)
    # Of two frames under way the second finds no room.
    monkeypatch.setattr(socket_client, "GATHERED_BYTES_MAX", 150_000)
    world = World(tmp_path, waiting_bytes_max=10**9)
    world.server._is_quick = False  # the commit before was slow, as these will be
    answers = asyncio.run(world.run(300, 10_000))
    taken = {f"m{number}" for number, (status, _, _) in enumerate(answers) if status == 200}
    assert {status for status, _, _ in answers} == {200, 503}
    assert all(headers["retry-after"] == "1" for status, headers, _ in answers if status == 503)
    assert world.stored() == taken
    assert 0 < world.bytes_max <= 200_000
    assert world.server._queued_bytes == 0


def test_a_full_disk_acknowledges_nothing_and_says_so(tmp_path: Path) -> None:
    free = [FULL_BYTES - 1]
    seconds = [0.0]
    room = Room(lambda: (free[0], 10**12), lambda: (1_000, 5), lambda: seconds[0])
    world = World(tmp_path, waiting_bytes_max=10**9, room=room)
    answers = asyncio.run(world.run(5, 10))
    for status, headers, body in answers:
        assert (status, headers["retry-after"]) == (503, "1")
        assert body["error"]["rule"] == "disk_full"
        assert "100 MB are free" in body["error"]["message"]
        assert "Make room" in body["error"]["mend"]
    assert world.stored() == set()
    free[0] = FULL_BYTES
    seconds[0] = 2.0
    assert room.refusal() is None


def test_the_writer_itself_takes_nothing_new_on_a_full_disk(tmp_path: Path) -> None:
    free, seconds = [FULL_BYTES - 1], [0.0]
    room = Room(lambda: (free[0], 10**12), seconds=lambda: seconds[0])
    world = World(tmp_path, waiting_bytes_max=10**9, writers_room=room)
    answers = asyncio.run(world.run(5, 10))
    assert {(status, headers["retry-after"]) for status, headers, _ in answers} == {(503, "1")}
    assert world.stored() == set()
    free[0], seconds[0] = FULL_BYTES, 2.0
    world = World(tmp_path, waiting_bytes_max=10**9, writers_room=room)
    assert {status for status, _, _ in asyncio.run(world.run(5, 10))} == {200}
    assert world.stored() == {f"m{number}" for number in range(5)}


def test_a_queue_waits_while_the_disk_is_full_and_goes_on(tmp_path: Path) -> None:
    free, seconds = [FULL_BYTES - 1], [0.0]
    room = Room(lambda: (free[0], 10**12), seconds=lambda: seconds[0])
    world = World(tmp_path, waiting_bytes_max=10**9, writers_room=room)
    queue = Queue(3)
    definition = SourceDefinition(
        name="orders", title="Orders", description="", kind="redis", format="segment-json"
    )
    feed = Feed(world.writer, Clock(), Nothing())
    pull = Pull(definition, queue.open, feed)

    async def read() -> None:
        listener = await asyncio.start_unix_server(world.server.serve_connection, str(world.path))
        committing = asyncio.create_task(world.server.commit_forever())
        stopped = asyncio.Event()
        reading = asyncio.create_task(pull.run(stopped))
        while pull.status.state != WAITING:
            await asyncio.sleep(0.01)
        assert "no room" in pull.status.reason
        assert (len(queue.waiting), world.stored()) == (3, set())
        assert (pull.status.is_connected, pull.status.accepted) == (True, 0)
        free[0], seconds[0] = FULL_BYTES, 2.0
        while queue.waiting:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert (pull.status.state, pull.status.accepted) == (RUNNING, 3)
        assert "no room" in pull.status.last_error
        stopped.set()
        await reading
        assert not pull.status.is_connected
        await world.writer.close()
        listener.close()
        await world.server.finish()
        committing.cancel()

    asyncio.run(asyncio.wait_for(read(), 20))
    assert len(world.stored()) == 3
    told = generate_latest(SourceCollector(lambda: {"orders": asdict(pull.status)})).decode()
    labels = 'kind="redis",outcome="accepted",source="orders"'
    assert f"tailorbird_source_events_total{{{labels}}} 3.0" in told
    assert 'tailorbird_source_running{source="orders"} 1.0' in told
    assert 'tailorbird_source_connected{source="orders"} 0.0' in told
    assert 'tailorbird_source_behind_seconds{source="orders"} 0.0' in told
    assert 'tailorbird_source_last_error_seconds{source="orders"} 1' in told


def test_what_became_of_mails_is_stored_on_a_full_disk(tmp_path: Path) -> None:
    room = Room(lambda: (FULL_BYTES - 1, 10**12))
    world = World(tmp_path, waiting_bytes_max=10**9, writers_room=room)
    of_a_client = EventDraft([("user_id", "u")], 1, b"")
    of_a_role = EventDraft([(PROFILE, "7")], 2, b"")
    assert world.server._full_for([of_a_role]) is None
    assert world.server._full_for([of_a_role, of_a_client]) is not None


def test_little_room_is_told_before_it_is_none() -> None:
    disk = [(2_000_000_000, 10_000_000_000)]
    room = Room(lambda: disk[0], lambda: (1_000, 5), lambda: 0.0)
    assert room.told() == {
        "free_bytes": 2_000_000_000,
        "total_bytes": 10_000_000_000,
        "is_low": False,
        "is_collecting": True,
        "reason": "",
    }
    disk[0] = (999_000_000, 10_000_000_000)
    assert "free_mb_min" in room.told()["reason"]
    disk[0] = (49_000_000_000, 1_000_000_000_000)
    told = room.told()
    assert told["is_low"]
    assert told["is_collecting"]
    assert "4.9 %" in told["reason"]
    assert room.refusal() is None


def test_a_slow_disk_does_not_hold_up_the_loop() -> None:
    took, threads = [0.0], list[int]()

    class Disk(MemoryEventLog):
        def append(self, drafts: Sequence[Draft], now: int) -> list[Record]:
            threads.append(threading.get_ident())
            time.sleep(took[-1])
            return super().append(drafts, now)

    identity, suppression = MemoryIdentityStore(), MemorySuppressionStore()
    server = WriterServer(
        Appender(Disk(), identity, suppression, Clock(), changes_of), lambda now: now
    )

    async def commit(seconds: float) -> bool:
        took.append(seconds)
        assert await server.append([Draft(1, "tick", 0, b"")])
        return threads[-1] == threading.get_ident()

    async def commit_all() -> list[bool]:
        slow = 2 * socket_server.QUICK_SECONDS_MAX
        found = [await commit(seconds) for seconds in (0, slow, slow, 0, 0)]
        await server.finish()
        return found

    # Beside the loop after the first slow one, and in it again once the disk is quick.
    assert asyncio.run(commit_all()) == [True, True, False, False, True]
