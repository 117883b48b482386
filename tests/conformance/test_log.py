"""Both logs pass the same checks; the one on disk also survives restarts, cuts and full disks."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tailorbird.adapters.memory.event_log import MemoryEventLog
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.events.event import EVENT
from tailorbird.ports.event_log import EventLog, LogProblem
from tailorbird.testing.log_conformance import CHECKS, draft


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_memory(check: Callable[[EventLog], None]) -> None:
    check(MemoryEventLog())


@pytest.mark.parametrize("bytes_max", [1 << 28, 50], ids=["one file", "many files"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_sqlite(check: Callable[[EventLog], None], bytes_max: int, tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "log", is_writer=True, file_bytes_max=bytes_max)
    try:
        check(log)
    finally:
        log.close()


def test_a_restarted_writer_goes_on_where_it_stopped(tmp_path: Path) -> None:
    for number in range(5):
        log = SqliteEventLog(tmp_path, is_writer=True, file_bytes_max=1_000)
        assert log.end() == number * 10
        log.append([draft(body=b"y" * 100, dedup=number * 10 + i + 1) for i in range(10)], 7)
        log.close()
    log = SqliteEventLog(tmp_path, is_writer=True, file_bytes_max=1_000)
    records = log.read(0, 1_000)
    assert [record.offset for record in records] == list(range(1, 51))
    assert [record.now for record in records] == list(range(7, 57))
    assert [key for _, key in log.dedups_since(0)] == list(range(50, 0, -1))
    assert [stamp for stamp, _ in log.dedups_since(0)] == list(range(56, 6, -1))
    assert len(list(tmp_path.glob("*.db"))) > 1
    log.close()


def test_a_reader_follows_the_writer_from_file_to_file(tmp_path: Path) -> None:
    writer = SqliteEventLog(tmp_path, is_writer=True, file_bytes_max=500)
    reader = SqliteEventLog(tmp_path)
    seen = 0
    for number in range(30):
        writer.append([draft(body=b"z" * 100)], number)
        records = reader.read(seen, 10)
        assert [record.offset for record in records] == [number + 1]
        seen = records[-1].offset
        assert reader.end() == writer.end()
        assert reader.last_now() == writer.last_now()
    assert len(list(tmp_path.glob("*.db"))) >= 6
    late = SqliteEventLog(tmp_path)
    assert len(late.read(0, 100)) == 30
    for log in (writer, reader, late):
        log.close()


def test_a_long_log_takes_no_more_files_at_once_than_a_short_one(tmp_path: Path) -> None:
    writer = SqliteEventLog(tmp_path, is_writer=True, file_bytes_max=100)
    for number in range(30):
        writer.append([draft(body=b"x" * 200)], number + 1)
    reader = SqliteEventLog(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for log in (writer, reader):
        assert [log.read(number, 1)[0].offset for number in range(30)] == [*range(1, 31)]
        assert len([*log.dedups_since(0)]) == 0
        assert log.offset_before(10) == 9
        assert len([*log.read_kind(EVENT)]) == 30
    assert len(os.listdir("/proc/self/fd")) - before < 20
    # Walks go on while others read.
    walks = [log.read_kind(EVENT) for log in (writer, reader)]
    seen = [
        [record.offset, log.read(record.offset - 1, 1)[0].offset]
        for log, walk in zip((writer, reader), walks, strict=True)
        for record in walk
    ]
    assert seen == [[number, number] for number in range(1, 31)] * 2
    for log in (writer, reader):
        log.close()


def test_a_full_disk_refuses_and_stores_nothing_until_there_is_room(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path, is_writer=True)
    log.append([draft()], 1)
    connection = log._last_file()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(LogProblem, match="nothing was kept") as caught:
        log.append([draft(body=b"large" * 10_000), draft()], 2)
    assert caught.value.is_retry_safe
    assert log.end() == 1
    connection.execute("PRAGMA max_page_count=1000000")
    assert [one.offset for one in log.append([draft(body=b"large" * 10_000)], 3)] == [2]
    assert [(one.offset, one.now) for one in log.read(0, 10)] == [(1, 1), (2, 3)]
    log.close()


def test_a_next_file_that_cannot_be_started_refuses_before_anything_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SqliteEventLog(tmp_path, is_writer=True, file_bytes_max=100)
    log.append([draft(body=b"x" * 200)], 1)

    def fail(first: int) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(log, "_start_file", fail)
        with pytest.raises(LogProblem, match="disk I/O error"):
            log.append([draft()], 2)
        assert log.end() == 1
    assert log.append([draft()], 2)[0].offset == 2
    log.close()


def test_a_checkpoint_between_commits_empties_the_write_ahead_log(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path, is_writer=True)
    for number in range(20):
        log.append([draft(body=b"x" * 1_000)], number)
    assert log.checkpoint() == 0
    size = next(tmp_path.glob("*-wal")).stat().st_size
    for number in range(20):
        log.append([draft(body=b"x" * 1_000)], number)
    assert next(tmp_path.glob("*-wal")).stat().st_size < 1.2 * size
    log.close()


def test_a_sealed_file_gives_its_write_ahead_log_back(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path, is_writer=True, file_bytes_max=10_000)
    for number in range(30):
        log.append([draft(body=b"x" * 1_000)], number)
    files = sorted(tmp_path.glob("*.db"))
    assert len(files) > 2
    wals = [path for path in tmp_path.glob("*-wal") if path.stat().st_size]
    assert [path.name for path in wals] == [f"{files[-1].name}-wal"]
    log.close()
