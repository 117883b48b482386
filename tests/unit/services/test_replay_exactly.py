"""Refused items tried again: what must not change by it, whatever breaks meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from tailorbird.adapters.sqlite.dead_letters import SqliteDeadLetters
from tailorbird.events.event import EVENT, Event, decode_event
from tailorbird.ports.dead_letters import Which
from tailorbird.services.feed import Feed
from tailorbird.services.source_messages import Item
from tailorbird.testing.in_process import ADMIN, WRITE, InProcessServer

MEND = {"set": {"userId": "'u1'"}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InProcessServer]:
    made = InProcessServer(tmp_path)
    yield made
    made.close()


def events(server: InProcessServer) -> list[Event]:
    return [decode_event(one) for one in server.log.read(0, 100_000) if one.kind == EVENT]


def replay(server: InProcessServer, mend: dict[str, Any] | None = None) -> dict[str, Any]:
    reply = server.ask("POST", "/v1/dead-letters/replay", {"mend": mend}, ADMIN)
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json
    return found


def test_what_an_historical_source_brought_stays_history(server: InProcessServer) -> None:
    feed = Feed(server, server.clock, server.dead_letters)
    item = Item(raw=b'{"type": "track", "event": "Order Completed"}', fresh_id="q-1")
    asyncio.run(feed.take([item], "old-shop", is_historical=True))
    replay(server, MEND)
    (event,) = events(server)
    assert event.is_historical


def test_a_queue_that_brings_its_message_again_finds_it_replayed(server: InProcessServer) -> None:
    feed = Feed(server, server.clock, server.dead_letters)
    item = Item(raw=b'{"type": "track", "event": "Seen"}', fresh_id="q-1")
    asyncio.run(feed.take([item], "shop"))
    asyncio.run(feed.take([item], "shop"))  # it was not settled: the broker brings it again
    replay(server, MEND)
    assert len(events(server)) == 1


def test_a_part_of_a_batch_counts_once_whatever_dies(
    server: InProcessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = {"type": "track", "event": "Seen", "userId": "u1"}
    items = [{**good, "properties": {"n": n}} for n in range(2_500)]
    body = {"batch": [*items, {"type": "track", "event": "Lonely"}]}
    assert server.ask("POST", "/v1/batch", body, WRITE).status == 400

    def die(*_: object, **__: object) -> None:
        raise AssertionError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr(server.dead_letters, "_delete", die)
        with pytest.raises(AssertionError, match="power"):
            asyncio.run(server.app._parts.api.state.parts.letters.replayer.replay(Which(), None))
    replay(server, MEND)
    replay(server, MEND)
    assert [one.name for one in events(server)].count("lonely") == 1
    assert len(events(server)) == 2_501


def test_a_store_that_begins_anew_does_not_take_new_items_for_old_ones(
    server: InProcessServer, tmp_path: Path
) -> None:
    server.ask("POST", "/v1/track", {"event": "First"}, WRITE)
    replay(server, MEND)
    server.dead_letters._connection.execute("DELETE FROM sqlite_sequence")
    server.ask("POST", "/v1/track", {"event": "Second"}, WRITE)
    replay(server, MEND)
    assert [one.name for one in events(server)] == ["first", "second"]


def test_a_mend_leaves_long_numbers_as_they_are(server: InProcessServer) -> None:
    raw = b'{"event": "Paid", "properties": {"sum": 123456789012.123456789}}'
    server.ask("POST", "/v1/track", raw, WRITE)
    told = server.ask("POST", "/v1/dead-letters/replay", {"mend": MEND, "dry_run": True}, ADMIN)
    assert "123456789012.123456789" in told.json["attempts"][0]["after"][0]


def test_several_processes_may_open_a_file_of_an_earlier_release_at_once(tmp_path: Path) -> None:
    for attempt in range(20):
        path = tmp_path / f"{attempt}.db"
        with sqlite3.connect(path) as old:
            old.execute("PRAGMA journal_mode=WAL")
            old.execute(
                "CREATE TABLE dead_letter (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT"
                " NULL, source TEXT NOT NULL, rule TEXT NOT NULL, field TEXT NOT NULL,"
                " detail TEXT NOT NULL, raw BLOB NOT NULL)"
            )
            old.execute("PRAGMA user_version = 1")
        old.close()
        together = Barrier(3)

        def open_one(path: Path = path, together: Barrier = together) -> dict[str, int]:
            together.wait()
            store = SqliteDeadLetters(path)
            try:
                return store.counts()
            finally:
                store.close()

        with ThreadPoolExecutor(3) as pool:
            waiting = [pool.submit(open_one) for _ in range(3)]
            assert [one.result() for one in waiting] == [{}, {}, {}]


def test_expressions_reckon_with_broken_numbers(server: InProcessServer) -> None:
    raw = b'{"event": "Paid", "properties": {"net": 12.25, "rates": [1.5, 2.5]}}'
    server.ask("POST", "/v1/track", raw, WRITE)
    mend = {"set": {"userId": "'u1'", "properties.gross": "net * 2 + 0.5"}}
    replay(server, mend)
    (event,) = events(server)
    assert float(event.properties["gross"]) == 25.0
    assert [float(one) for one in event.properties["rates"]] == [1.5, 2.5]
