"""Queues in, against real brokers: killed at random, each event counts once and none is lost."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tailorbird import bootstrap
from tailorbird.adapters.files import create_workspace, read_folder
from tailorbird.events.event import Event, decode_event
from tailorbird.services.publish import Publisher
from tailorbird.services.sources import LiveSources, status_of_queues
from tailorbird.testing.brokers import BROKERS, Broker, BrokerMissing
from tailorbird.testing.processes import Host, until

pytestmark = pytest.mark.integration

EVENTS = 600
KILLS = 6


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    made = BROKERS[request.param](folder)
    try:
        made.start()
        yield made
    except BrokerMissing as missing:
        pytest.skip(str(missing))
    finally:
        made.stop()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("BROKER_PASSWORD", "p@ss/word")
    monkeypatch.setenv("RABBIT_PASSWORD", "guest")
    create_workspace(tmp_path / "shop")
    host = Host(tmp_path)
    yield host
    host.stop()


def go_live(host: Host, source: str) -> None:
    folder = host.settings.workspace
    (folder / "sources").mkdir(exist_ok=True)
    (folder / "sources" / "orders.yaml").write_text(source)
    files, unreadable = read_folder(folder)

    async def publish(writer: object) -> None:
        with closing(bootstrap.open_control(host.data)) as control:
            done = await Publisher(control, writer).publish(files, unreadable)  # type: ignore[arg-type]
            assert not done.is_broken, [one.render() for one in done.problems]

    host.call(publish)


def messages(seed: int) -> tuple[list[bytes], set[bytes]]:
    """Return what is published, and which of it is bad."""
    chosen = random.Random(seed)
    found, bad = [], set()
    for number in range(EVENTS):
        call = {"type": "track", "userId": f"u{number % 37}", "event": "Order Completed"}
        call |= {"properties": {"number": number}}  # type: ignore[dict-item]
        if number % 2:
            call["messageId"] = f"m{number}"
        body = json.dumps(call).encode()
        if number % 40 == 7:
            body = chosen.choice([b'{"half": %d', b'{"type": "track", "event": "a%d"}']) % number
            bad.add(body)
        found.append(body)
    return found, bad


def events_in(host: Host) -> list[Event]:
    with closing(bootstrap.open_log(host.data)) as log:
        return [decode_event(one) for one in log.read(0, 10**6) if one.kind == "event"]


def dead_letters(host: Host) -> set[bytes]:
    with closing(sqlite3.connect(host.data / "dead_letters.db")) as file:
        rows = file.execute("SELECT raw FROM dead_letter WHERE source = 'orders'")
        return {bytes(row[0]) for row in rows}


def test_killed_at_random_each_event_counts_once_and_none_is_lost(
    broker: Broker, host: Host
) -> None:
    seed = int(os.environ.get("TAILORBIRD_SEED", "7"))
    chosen = random.Random(seed)
    published, bad = messages(seed)
    running = {"writer": host.start("writer")}
    asyncio.run(broker.publish(published[:50]))
    go_live(host, broker.source)
    running["sources"] = host.start("sources")
    rest = published[50:]
    for turn in range(KILLS):
        size = len(rest) // (KILLS - turn)
        part, rest = rest[:size], rest[size:]
        asyncio.run(broker.publish(part))
        time.sleep(chosen.uniform(0, 0.8))
        role = chosen.choice(["writer", "sources"])
        running[role].kill()
        running[role].wait()
        if chosen.random() < 0.3:
            other = "sources" if role == "writer" else "writer"
            running[other].kill()
            running[other].wait()
        for one in ("writer", "sources"):
            if running[one].poll() is not None:
                running[one] = host.start(one)
    assert rest == []
    wanted = {json.loads(one)["properties"]["number"] for one in published if one not in bad}
    seconds = 40.0
    until(lambda: len(events_in(host)) >= len(wanted), seconds)
    until(lambda: asyncio.run(broker.unsettled()) == 0, seconds)
    found = Counter(one.properties["number"] for one in events_in(host))
    assert found == Counter(wanted), f"seed {seed}"
    assert dead_letters(host) == bad
    assert {one.source for one in events_in(host)} == {"orders"}


def test_without_a_writer_nothing_is_settled_and_it_is_told(broker: Broker, host: Host) -> None:
    writer = host.start("writer")
    published = [
        json.dumps({"type": "track", "userId": "u", "event": "e", "properties": {"n": n}}).encode()
        for n in range(20)
    ]
    go_live(host, broker.source)
    writer.kill()
    writer.wait()
    asyncio.run(broker.publish(published))
    sources = host.start("sources")
    with closing(bootstrap.open_control(host.data)) as control:
        live = LiveSources(control)
        status = until(
            lambda: [
                one
                for one in status_of_queues(control, live, time.time).values()
                if one["state"] == "waiting" and "the log does not take" in one["reason"]
            ],
            30,
        )
        assert status[0]["accepted"] == 0
        sources.kill()
        sources.wait()
        # RabbitMQ counts what a consumer holds only after it noticed that the consumer is gone.
        until(lambda: asyncio.run(broker.unsettled()) == len(published))
        assert events_in(host) == []
        host.start("writer")
        host.start("sources")
        until(lambda: len(events_in(host)) == len(published), 30)
        until(lambda: asyncio.run(broker.unsettled()) == 0, 30)
        until(lambda: status_of_queues(control, live, time.time)["orders"]["state"] == "running")


# Kafka's consumers go on from their offsets, whatever became of the topic meanwhile.
@pytest.mark.parametrize("broker", ["redis", "rabbitmq", "nats"], indirect=True)
def test_what_was_deleted_and_made_anew_is_read_again(broker: Broker, host: Host) -> None:
    def call(number: int) -> bytes:
        text = {"type": "track", "userId": "u", "event": "e", "properties": {"n": number}}
        return json.dumps(text).encode()

    host.start("writer")
    asyncio.run(broker.publish([call(1)]))
    go_live(host, broker.source)
    host.start("sources")
    until(lambda: len(events_in(host)) == 1, 30)
    asyncio.run(broker.delete())
    time.sleep(1)
    asyncio.run(broker.publish([call(2)]))
    until(lambda: [one.properties["n"] for one in events_in(host)] == [1, 2], 40)
