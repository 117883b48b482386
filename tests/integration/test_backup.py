"""The drill: a backup made under load, a lost server, a restore; and backups that are damaged."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tailorbird import bootstrap
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.adapters.sqlite.backup import MANIFEST, read_manifest
from tailorbird.adapters.sqlite.connection import StorageProblem
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.bootstrap.backup import damages, make_backup, restore_backup
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.cli.app import run
from tailorbird.events.event import decode_event
from tailorbird.ports.control_store import LAKE_STATUS
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import ACCEPTED, DUPLICATE
from tailorbird.services.publish import Publisher
from tailorbird.services.replay import differences, replay
from tailorbird.testing.embedded import event_draft
from tailorbird.testing.processes import Host, MailCatcher, until

pytestmark = pytest.mark.integration

ENGINES = 2
FILES = {
    "tailorbird.toml": 'name = "Shop"\n[sender]\naddress = "shop@shop.example"\n',
    "templates/hello.html": "---\nsubject: Hello\n---\n<p>Hello {{ traits.first_name }}</p>\n",
    "journeys/receipt.yaml": (
        "enter: {event: order_completed}\n"
        "key: event.properties.order_id\n"
        "steps:\n"
        "  - {id: now, send: hello, kind: transactional}\n"
        "  - {id: pause, wait: 3s}\n"
        "  - {id: later, send: hello, kind: transactional}\n"
    ),
}


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[MailCatcher]:
    made = MailCatcher(tmp_path / "mails")
    yield made
    made.stop()


class Load:
    """Orders, one after the other, until stopped; what was acknowledged is remembered."""

    def __init__(self, host: Host, name: str) -> None:
        self.acknowledged: list[str] = []
        self._host = host
        self._name = name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        async def send(writer: object) -> None:
            while not self._stop.is_set():
                number = len(self.acknowledged)
                person = f"{self._name}-{number}"
                now = bootstrap.open_clock(self._host.data, "system").now()
                drafts = [
                    event_draft(
                        "identified",
                        f"i-{person}",
                        now,
                        person,
                        None,
                        {"email": f"{person}@shop.example", "first_name": "Ada"},
                    ),
                    event_draft(
                        "order_completed", f"o-{person}", now, person, None, {"order_id": person}
                    ),
                ]
                answers = await writer.write(drafts)  # type: ignore[attr-defined]
                if {one.status for one in answers} <= {ACCEPTED, DUPLICATE}:
                    self.acknowledged.append(f"o-{person}")
                await asyncio.sleep(0.05)

        self._host.call(send)


def start(host: Host) -> None:
    host.start("writer")
    for index in range(ENGINES):
        host.start("engine", index)
    until(lambda: all((host.data / "state" / f"{one}.db").exists() for one in range(ENGINES)))
    host.start("deliver")
    until(lambda: (host.data / "ledger.db").exists())


def kill_all(host: Host) -> None:
    for process in host.processes:
        process.send_signal(signal.SIGKILL)
        process.wait()
    host.processes.clear()


def is_reduced(host: Host) -> bool:
    """Whether the engines have come to the end of the log and deliver has taken all over."""
    with closing(bootstrap.open_log(host.data)) as log, closing(_ledger(host)) as ledger:
        for index in range(ENGINES):
            with closing(bootstrap.open_state(host.data, index)) as state:
                now = bootstrap.open_clock(host.data, "system").now()
                more = log.read(state.offset(), 1, range(index, 64, ENGINES))
                if more or state.due_partitions(now) or state.outbox(ledger.cursor(index), 1):
                    return False
        return not ledger.unfinished(bootstrap.open_clock(host.data, "system").now())


def _ledger(host: Host):  # type: ignore[no-untyped-def]
    return bootstrap.open_ledger(host.data)


def test_the_drill(
    tmp_path: Path, catcher: MailCatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    lost = Host(tmp_path / "one", engines=ENGINES, smtp_url=catcher.url)
    saved = Host(tmp_path / "two", engines=ENGINES, smtp_url=catcher.url)
    loads: list[Load] = []
    try:
        start(lost)
        with closing(bootstrap.open_control(lost.data)) as control:
            lost.call(lambda writer: Publisher(control, writer).publish(FILES))
        load = Load(lost, "a")
        loads.append(load)
        until(lambda: len(load.acknowledged) >= 40 and catcher.counts().total() >= 30)
        before, got_before = list(load.acknowledged), catcher.counts()
        assert run(["backup", str(tmp_path / "backup"), "--data", str(lost.data)]) == 0
        at_backup = len(load.acknowledged)
        until(lambda: len(load.acknowledged) >= at_backup + 40)
        # Until "later" mails of orders from before the backup have left, too.
        wanted = len(load.acknowledged) + len(before)
        until(lambda: catcher.counts().total() >= wanted, 60)
        kill_all(lost)
        load.stop()
        got = catcher.counts()
        assert set(got.values()) == {1}

        backup, data = str(tmp_path / "backup"), str(saved.data)
        assert run(["restore", backup, "--data", data]) == 0
        start(saved)
        until(lambda: is_reduced(saved))
        with closing(bootstrap.open_log(saved.data)) as log:
            kept = {
                decode_event(one).message_id for one in log.read(0, 10**6) if one.kind == "event"
            }
            assert set(before) <= kept
            check_state(saved)
        # What fell due after the restore, if anything, leaves as ever: nobody has sent it.
        now = catcher.counts()
        assert set(now.values()) == {1}, "something was sent again without release"
        assert now.keys() >= got.keys()

        # What is on hold is what the restored ledger cannot know, and nothing sent before it.
        capsys.readouterr()
        assert run(["release", "--data", data, "--json"]) == 0
        listed = json.loads(capsys.readouterr().out)
        assert listed["on_hold"] > 0
        ids = {one["id"] for one in listed["messages"]}
        assert not ids & set(got_before)
        again = sorted(ids & set(got))[0]
        assert run(["release", again, "--data", data, "--send"]) == 0
        until(lambda: catcher.counts()[again] == 2)
        assert run(["release", "--data", data, "--drop"]) == 0
        until(lambda: is_reduced(saved))
        with closing(_ledger(saved)) as ledger:
            assert ledger.count_on_hold() == 0
            assert ledger.counts().get("suppressed", 0) == listed["on_hold"] - 1
        twice = {one: count for one, count in catcher.counts().items() if count > 1}
        assert twice == {again: 2}

        # It lives: a new order is served like any other.
        more = Load(saved, "b")
        loads.append(more)
        until(lambda: len(more.acknowledged) >= 5)
        more.stop()
        until(lambda: catcher.counts().total() >= now.total() + 6)
    finally:
        for one in loads:
            one.stop()
        lost.stop()
        saved.stop()


def check_state(host: Host) -> None:
    """The states are what the log gives."""
    with ExitStack() as things:
        log = things.enter_context(closing(bootstrap.open_log(host.data)))
        control = things.enter_context(closing(bootstrap.open_control(host.data)))
        lived = [
            things.enter_context(closing(one)) for one in bootstrap.open_states(host.data, ENGINES)
        ]
        again = [MemoryStateStore() for _ in range(ENGINES)]
        replay(log, again, workspace_loader(control))
        assert list(differences(lived, again)) == []


def make_folder(data: Path, *, records: int = 40) -> SqliteEventLog:
    """A data folder whose log has several files."""
    log = SqliteEventLog(data / "log", is_writer=True, file_bytes_max=2_000)
    grow(log, records)
    bootstrap.open_control(data).close()
    bootstrap.open_ledger(data, is_writer=True).close()
    return log


def grow(log: SqliteEventLog, records: int) -> None:
    for number in range(records):
        log.append([Draft(1, "event", 1, b"x" * 200)], number)


def test_sealed_files_are_copied_once_and_an_interrupted_backup_goes_on(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "backup"
    with closing(make_folder(data)) as log:
        told: list[str] = []

        def stop_at_third(line: str) -> None:
            told.append(line)
            if len(told) == 3:
                raise OSError("no space left")

        with pytest.raises(StorageProblem, match="not finished"):
            make_backup(data, folder, stop_at_third)
        with pytest.raises(StorageProblem, match="no finished backup"):
            read_manifest(folder)
        told.clear()
        first = make_backup(data, folder, told.append)
        sealed = [one for one in first.files if one.mark]
        assert len(sealed) > 3
        assert len([one for one in told if one.startswith("log/")]) == len(sealed) + 1 - 2
        assert first.log_end == 40
        told.clear()
        grow(log, 10)
        second = make_backup(data, folder, told.append)
        assert second.log_end == 50
        copied = [one.partition(" ")[0] for one in told if one.startswith("log/")]
        assert not set(copied) & {one.path for one in sealed}
        assert list(damages(folder, second)) == []
        stored = {
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        }
        assert stored == {one.stored for one in second.files} | {MANIFEST}


def test_a_folder_of_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    data, other, full = tmp_path / "data", tmp_path / "other", tmp_path / "full"
    for place in (data, other):
        make_folder(place).close()
    (full / "log").mkdir(parents=True)
    (full / "log" / "syslog").write_text("dear to somebody", encoding="utf-8")
    (full / MANIFEST).write_text('{"name": "a web app"}', encoding="utf-8")
    for folder in (other, full):
        before = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        with pytest.raises(StorageProblem, match="holds other things"):
            make_backup(data, folder, lambda _: None)
        assert {path: path.stat().st_size for path in before} == before
    disk = tmp_path / "disk"
    (disk / "lost+found").mkdir(parents=True)
    make_backup(data, disk, lambda _: None)
    assert make_backup(data, disk, lambda _: None).log_end == 40


def test_a_damaged_backup_restores_nothing(tmp_path: Path) -> None:
    data, folder, target = tmp_path / "data", tmp_path / "backup", tmp_path / "new"
    make_folder(data).close()
    made = make_backup(data, folder, lambda _: None)
    assert run(["restore", str(folder), "--data", str(target), "--only-verify"]) == 0
    path = folder / made.files[0].stored
    whole = path.read_bytes()
    path.write_bytes(whole[:-100] + b"?" * 100)
    assert run(["restore", str(folder), "--data", str(target), "--only-verify"]) == 1
    with pytest.raises(StorageProblem, match="checksum differs"):
        restore_backup(folder, target)
    path.unlink()
    with pytest.raises(StorageProblem, match="is missing"):
        restore_backup(folder, target)
    assert not any(target.iterdir())
    path.write_bytes(whole)
    assert restore_backup(folder, target).manifest.log_end == 40
    with pytest.raises(StorageProblem, match="is not empty"):
        restore_backup(folder, target)


def test_a_restore_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    data, folder, target = tmp_path / "data", tmp_path / "backup", tmp_path / "new"
    make_folder(data).close()
    made = make_backup(data, folder, lambda _: None)
    fresh = tmp_path / ".new.restoring"
    (fresh / "log").mkdir(parents=True)
    shutil.copy(folder / made.files[0].stored, fresh / made.files[0].path)
    (fresh / (made.files[1].path + ".part")).write_bytes(b"cut short")
    restore_backup(folder, target)
    assert not fresh.exists()
    with closing(bootstrap.open_log(target)) as log:
        assert log.end() == 40
    assert not list(target.rglob("*.part"))


def test_folders_that_cannot_be_right_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    make_folder(data).close()
    assert run(["backup", str(data / "copy"), "--data", str(data)]) == 3
    assert run(["backup", str(tmp_path / "x"), "--data", str(tmp_path / "nothing")]) == 3
    assert run(["restore", str(tmp_path / "x"), "--data", str(tmp_path / "y")]) == 3
    assert run(["restore", "x", "--data", "y", "--hold-until", "soon"]) == 2
    assert run(["release", "--data", str(tmp_path / "nothing")]) == 3
    assert run(["release", "--data", str(data), "--send", "--drop"]) == 2
    said = capsys.readouterr().err
    for word in ("another disk", "no data folder", "no finished backup", "no instant", "ledger"):
        assert word in said


def test_a_restored_folder_owns_no_lake_elsewhere(tmp_path: Path) -> None:
    """It may hold what the backup has not; see `bootstrap.lake_keeper`."""
    data, folder, target = tmp_path / "data", tmp_path / "backup", tmp_path / "new"
    make_folder(data).close()
    told = {"offset": 40, "place": "s3://history/shop", "problem": ""}
    with closing(bootstrap.open_control(data)) as control:
        control.set(LAKE_STATUS, json.dumps(told))
        control.set("lake_owner", "one")
    make_backup(data, folder, lambda _: None)
    restore_backup(folder, target)
    with closing(bootstrap.open_control(target)) as control:
        assert control.get("lake_owner") is None
        assert control.get(LAKE_STATUS) is None
