"""A lake in object storage: a real server that speaks S3, kills, refusals, and wrong settings."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import boto3
import duckdb
import pytest

from tailorbird import bootstrap
from tailorbird.adapters.lake.manifest import QUARANTINE
from tailorbird.adapters.lake.objects import open_objects
from tailorbird.adapters.lake.parquet import ParquetLake
from tailorbird.adapters.memory.event_log import MemoryEventLog
from tailorbird.base.problems import OperationalError
from tailorbird.base.time import DAY, parse_micros
from tailorbird.bootstrap.lake_keeper import bring_up_lake, lake_beside, open_lake
from tailorbird.bootstrap.preview import count
from tailorbird.events.event import EVENT, Event, Record, encode
from tailorbird.ports.event_log import Draft
from tailorbird.services.lake import export
from tailorbird.services.publish import Publisher
from tailorbird.services.question import question_of
from tailorbird.testing.embedded import event_draft
from tailorbird.testing.lake import records_in
from tailorbird.testing.processes import Host, free_port, until
from tailorbird.workspace.definitions import Workspace

pytestmark = pytest.mark.integration

NOON = parse_micros("2026-01-05T12:00:00Z")
SECRET = "a-secret-that-nobody-sees"
SETTINGS = (
    'name = "Shop"\n[sender]\naddress = "shop@shop.example"\n'
    '[lake]\ninterval_seconds = 1\nurl = "s3://history/shop"\n'
)


_REFUSAL = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Gate:
    """Stands before the storage; shut, it cuts off who is there and answers 503 to who comes."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._is_shut = False
        self.refused = 0
        self._through: set[socket.socket] = set()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def shut(self) -> None:
        self._is_shut = True
        for one in list(self._through):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        self._is_shut = False

    def close(self) -> None:
        self.shut()
        self._door.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._door.accept()
                threading.Thread(target=self._let, args=(caller,), daemon=True).start()

    def _let(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError):
            if self._is_shut:
                self.refused += 1
                caller.settimeout(0.2)
                caller.recv(65_536)
                caller.sendall(_REFUSAL)
                caller.shutdown(socket.SHUT_WR)
                while caller.recv(65_536):
                    pass
                return
            with socket.create_connection(("127.0.0.1", self._behind)) as server:
                self._through |= {caller, server}
                back = threading.Thread(target=_pump, args=(server, caller), daemon=True)
                back.start()
                _pump(caller, server)
                back.join()
                self._through -= {caller, server}


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def storage() -> Iterator[int]:
    """Start a server that speaks S3; its port."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: _answers(port), 60)
    yield port
    server.terminate()
    server.wait()


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=2).close()
    except OSError:
        return False
    return True


@pytest.fixture
def gate(storage: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Empty the bucket `history`, and name the gate before it in the environment."""
    made = Gate(storage)
    urllib.request.urlopen(
        urllib.request.Request(f"http://127.0.0.1:{storage}/moto-api/reset", method="POST")
    ).close()
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "shop"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", made.url),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    with closing(client(storage)) as known:
        known.create_bucket(Bucket="history")
    yield made
    made.close()


def client(port: int):  # type: ignore[no-untyped-def]  # boto3 has no annotations
    return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1")


def log_of_views(count: int, first: int = 0) -> MemoryEventLog:
    log = MemoryEventLog()
    for number in range(first, first + count):
        event = Event(
            type="track",
            name="viewed",
            message_id=f"m{number}",
            timestamp=NOON - number % 90 * DAY,
            order=number,
            properties={"category": f"c{number % 5}"},
        )
        log.append([Draft(number % 64, EVENT, number % 64, encode(event))], NOON + number)
    return log


def opened(owner: str = "one") -> ParquetLake:
    return ParquetLake(open_objects("s3://history/shop", os.environ, owner=owner))


def test_it_is_the_lake_of_a_folder(gate: Gate) -> None:
    log, lake = log_of_views(500), opened()
    assert export(log, lake) == 500
    for _ in range(9):
        log.append([Draft(1, EVENT, 1, log.read(0, 1)[0].body)], NOON + DAY)
        export(log, lake)
    assert records_in(lake) == log.read(0, 10_000)
    assert lake.compact() >= 1
    assert records_in(opened()) == log.read(0, 10_000)
    gone = lake.forget({1}, log.end())
    assert gone == sum(one.profile_id == 1 for one in log.read(0, 10_000))
    assert lake.drop_days("2025-12-01") > 0
    assert {one.profile_id for one in records_in(lake)} == set(range(64)) - {1}
    # DuckDB reads it in place.
    connection = duckdb.connect()
    connection.register_filesystem(lake.place.filesystem())
    (found,) = connection.execute(
        "SELECT count(*) FROM read_parquet(?, union_by_name = true, hive_partitioning = false)"
        " WHERE category__text = 'c2'",
        [lake.event_files()],
    ).fetchall()
    held = [one for one in records_in(lake) if one.profile_id % 64 != 1]
    assert found[0] == sum(b"c2" in one.body for one in held) > 0


def test_a_damaged_object_is_set_aside_and_made_again(gate: Gate) -> None:
    log, lake = log_of_views(300), opened()
    export(log, lake)
    name = next(one.path for one in lake.manifest().files)
    lake.place.write(name, lake.place.read(name)[:100])
    (told,) = lake.check()
    assert QUARANTINE in told
    export(log, lake)
    assert records_in(lake) == log.read(0, 10_000)
    assert lake.check() == []


@pytest.mark.parametrize(
    ("url", "variables", "told"),
    [
        ("s3://elsewhere/shop", {}, "no bucket elsewhere"),
        ("s3://history/shop", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "cannot be reached"),
        ("s3://history/shop", {"AWS_ENDPOINT_URL": "127.0.0.1:9"}, "no http:// or https://"),
    ],
)
def test_wrong_settings_are_told(
    gate: Gate, url: str, variables: dict[str, str], told: str
) -> None:
    with pytest.raises(OperationalError, match=told) as caught:
        open_objects(url, {**os.environ, **variables}, owner="one")
    assert SECRET not in str(caught.value)


def test_a_key_without_rights_is_told(storage: int, tmp_path: Path, gate: Gate) -> None:
    """A server that checks rights, with a key that has none."""
    port = free_port()
    words = [sys.executable, "-m", "moto.server", "-p", str(port)]
    server = subprocess.Popen(
        words,
        env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _answers(port), 60)
        with pytest.raises(OperationalError, match="AWS_ACCESS_KEY_ID") as caught:
            open_objects(
                "s3://history/shop",
                {**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"},
                owner="one",
            )
        assert SECRET not in str(caught.value)
    finally:
        server.terminate()
        server.wait()


def test_two_data_folders_do_not_share_a_lake(gate: Gate) -> None:
    export(log_of_views(10), opened("one"))
    with pytest.raises(OperationalError, match="another data folder"):
        opened("two")
    assert opened("one").offset() == 10


def test_a_storage_that_is_away_for_a_while_costs_nothing(gate: Gate) -> None:
    log, lake = log_of_views(200), opened()
    export(log, lake)
    for record in log_of_views(200, first=200).read(0, 1_000):
        log.append([Draft(record.partition, EVENT, record.profile_id, record.body)], record.now)
    gate.shut()
    with pytest.raises(OperationalError):
        export(log, lake)
    assert gate.refused > 1, "it is asked more than once"
    gate.open()
    export(log, lake)
    assert records_in(lake) == log.read(0, 10_000)


def log_in(host: Host) -> list[Record]:
    with closing(bootstrap.open_log(host.data)) as log:
        return log.read(0, 10**6)


def behind(host: Host) -> int:
    with (
        closing(bootstrap.open_control(host.data)) as control,
        closing(bootstrap.open_log(host.data)) as log,
    ):
        return int((lake_beside(control, log) or {"records_behind": -1})["records_behind"])


def test_killed_and_cut_off_the_role_has_each_record_once(
    storage: int, gate: Gate, tmp_path: Path
) -> None:
    host = Host(tmp_path, clock="simulated", engines=1)
    try:
        host.start("writer")
        host.call(lambda writer: writer.set_now(NOON))
        with closing(bootstrap.open_control(host.data)) as control:
            files = {"tailorbird.toml": SETTINGS}
            host.call(lambda writer: Publisher(control, writer).publish(files))
        for turn in range(4):
            drafts = [
                event_draft("viewed", f"m{turn}-{one}", NOON - one % 90 * DAY, f"u{one % 7}")
                for one in range(300)
            ]
            host.call(lambda writer, drafts=drafts: writer.write(drafts))
            held = names_in(storage)
            role = host.start("lake_round")
            until(lambda held=held: names_in(storage) - held)  # in the middle of it
            role.send_signal(signal.SIGKILL)
            role.wait()
            host.processes.remove(role)
        gate.shut()
        host.start("lake")
        until(lambda: "lake_waits" in {str(one["event"]) for one in host.lines()}, 60)
        gate.open()
        until(lambda: behind(host) == 0, 60)
        assert records_in(open_lake(host.data)) == log_in(host)
        assert not (host.data / "lake").exists()
        # A question finds it there, and brings up what is missing.
        host.stop_roles()
        question = question_of("count(viewed) > 0", Workspace(version="v1"))
        assert count(host.data, question, NOON + DAY).size == 7
        assert records_in(bring_up_lake(host.data)) == log_in(host)
        assert SECRET not in (tmp_path / "errors.log").read_text()
    finally:
        host.stop()


def names_in(storage: int) -> set[str]:
    with closing(client(storage)) as known:
        found = known.list_objects_v2(Bucket="history").get("Contents", ())
        return {one["Key"] for one in found if one["Key"].endswith(".parquet")}
