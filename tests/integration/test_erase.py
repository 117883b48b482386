"""A person is erased: nothing readable is left in any file, and for others nothing changes."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tailorbird import bootstrap
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.adapters.sqlite.connection import StorageProblem
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.base.time import DAY, MICROSECONDS, parse_micros
from tailorbird.bootstrap.backup import make_backup, restore_backup
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.bootstrap.erasures import read_register
from tailorbird.bootstrap.integrity import FolderContents
from tailorbird.cli.app import run
from tailorbird.delivery.suppression import address_hash
from tailorbird.events.event import ERASE, Record, profile_id_of
from tailorbird.events.refusal import Refusal, Rule
from tailorbird.ports.dead_letters import Refused
from tailorbird.ports.event_log import Draft
from tailorbird.services import erase
from tailorbird.services.integrity import compare
from tailorbird.services.publish import Publisher
from tailorbird.services.replay import differences, replay
from tailorbird.testing.embedded import event_draft
from tailorbird.testing.processes import Host, MailCatcher, until

pytestmark = pytest.mark.integration

NOON = parse_micros("2026-01-05T12:00:00Z")
ENGINES = 2
PEOPLE = 12
FILES = {
    "tailorbird.toml": 'name = "Shop"\n[sender]\naddress = "shop@shop.example"\n',
    "segments/buyers.yaml": "when: any(order_completed)\n",
    "templates/hello.html": (
        "---\nsubject: Hello {{ traits.first_name }}\n---\n<p>Hello {{ traits.first_name }}</p>\n"
    ),
    "journeys/receipt.yaml": (
        "enter: {event: order_completed}\n"
        "key: event.properties.order_id\n"
        "steps:\n"
        "  - {id: now, send: hello, kind: transactional}\n"
        "  - {id: pause, wait: 20h}\n"
        "  - {id: later, send: hello, kind: transactional}\n"
    ),
}
# What must not be found in any byte of the folder once u3 is erased.
SECRETS = [b"u3zebra", b"Zebra3", b"zebra3@shop", b"a3zebra"]


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[MailCatcher]:
    made = MailCatcher(tmp_path / "mails")
    yield made
    made.stop()


@pytest.fixture
def host(tmp_path: Path, catcher: MailCatcher) -> Iterator[Host]:
    made = Host(tmp_path, clock="simulated", engines=ENGINES, smtp_url=catcher.url)
    yield made
    made.stop()


def start(host: Host) -> None:
    host.start("writer")
    for index in range(ENGINES):
        host.start("engine", index)
    until(lambda: all((host.data / "state" / f"{one}.db").exists() for one in range(ENGINES)))
    host.start("deliver")
    until(lambda: (host.data / "ledger.db").exists())


def live(host: Host, catcher: MailCatcher) -> None:
    """Everybody is linked, merged, mailed; u3 unsubscribes, and something of theirs is refused."""
    with closing(bootstrap.open_control(host.data)) as control:
        host.call(lambda writer: writer.set_now(NOON - DAY))
        host.call(lambda writer: Publisher(control, writer).publish(FILES))
    drafts = []
    for one in range(PEOPLE):
        who, browser = f"u{one}zebra", f"a{one}zebra"
        mail = f"zebra{one}@shop.example"
        traits = {"email": mail, "first_name": f"Zebra{one}"}
        drafts += [
            event_draft("viewed", f"v{one}", NOON - DAY, None, browser),
            event_draft("identified", f"i{one}", NOON - DAY, who, None, traits),
            event_draft("viewed", f"w{one}", NOON - DAY, who, browser),
            event_draft(
                "order_completed", f"o{one}", NOON - DAY, who, None, {"order_id": f"{one}"}
            ),
        ]
    host.call(lambda writer: writer.write(drafts))
    host.call(lambda writer: writer.set_now(NOON - DAY + MICROSECONDS))
    with closing(bootstrap.open_dead_letters(host.data)) as letters:
        refusal = Refusal(Rule.MISSING, "event", "", "no name")
        for one in range(PEOPLE):
            letters.keep(NOON, "http", [Refused(refusal, b'{"userId": "u%dzebra"}' % one)])
    until(lambda: catcher.counts().total() >= PEOPLE)
    leaving = [
        event_draft(
            "unsubscribed",
            f"x{one}",
            NOON - DAY,
            f"u{one}zebra",
            None,
            {"email": f"zebra{one}@shop.example"},
        )
        for one in range(PEOPLE)
    ]
    host.call(lambda writer: writer.write(leaving))
    settle(host)


def settle(host: Host) -> None:
    def is_done() -> bool:
        with ExitStack() as things:
            states = bootstrap.open_states(host.data, ENGINES)
            log = bootstrap.open_log(host.data)
            ledger = bootstrap.open_ledger(host.data)
            for one in (*states, log, ledger):
                things.enter_context(closing(one))
            now = bootstrap.open_clock(host.data, "simulated").now()
            return not ledger.unfinished(now) and not any(
                log.read(store.offset(), 1, range(index, 64, ENGINES))
                or store.due_partitions(now)
                or store.outbox(ledger.cursor(index), 1)
                for index, store in enumerate(states)
            )

    until(is_done)


def holding(data: Path, secrets: list[bytes]) -> dict[str, list[bytes]]:
    """Which files of the folder hold which of these bytes, anywhere, in either case."""
    found = {}
    for path in data.rglob("*"):
        if path.is_file():
            content = path.read_bytes().lower()
            hits = [one for one in secrets if one.lower() in content]
            if hits:
                found[path.relative_to(data).as_posix()] = hits
    return found


def records(data: Path) -> dict[int, Record]:
    with closing(bootstrap.open_log(data)) as log:
        return {one.offset: one for one in log.read(0, 10**6)}


def profiles(data: Path) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for store in bootstrap.open_states(data, ENGINES):
        with closing(store):
            for partition in range(64):
                ids = store.profile_ids(partition, -1, 1_000)
                found.update(store.profiles(ids))
    return found


def check_replay(data: Path) -> None:
    with ExitStack() as things:
        log = things.enter_context(closing(bootstrap.open_log(data)))
        control = things.enter_context(closing(bootstrap.open_control(data)))
        lived = [things.enter_context(closing(one)) for one in bootstrap.open_states(data, ENGINES)]
        again = [MemoryStateStore() for _ in range(ENGINES)]
        replay(log, again, workspace_loader(control))
        assert list(differences(lived, again)) == []


def check_sound(data: Path) -> None:
    found = list(compare(FolderContents(data), str(data), is_quick=False))
    assert [one for one in found if one.status != "ok"] == []


def check_export(found: dict[str, Any]) -> None:
    """All of the person, of before the merge as well, and nothing of others."""
    names = [one["event"] for one in found["events"]]
    assert names[:4] == ["viewed", "identified", "viewed", "order_completed"]
    assert {"email_sent", "unsubscribed"} <= set(names)
    assert {"kind": "user_id", "value": "u3zebra"} in found["identifiers"]
    assert {"kind": "anonymous_id", "value": "a3zebra"} in found["identifiers"]
    assert found["traits"]["email"] == "zebra3@shop.example"
    assert found["consents"] == {"marketing": False}
    (message,) = found["messages"]
    assert message["status"] == "sent"
    assert "Hello Zebra3" in json.dumps(message["content"])
    assert "Zebra4" not in json.dumps(found)
    assert "u4zebra" not in json.dumps(found)


def test_nothing_of_a_person_is_left_and_nothing_of_others_is_changed(
    host: Host, catcher: MailCatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    start(host)
    live(host, catcher)
    for name in ("state.before", "lake"):
        (host.data / name).mkdir()
    (host.data / "lake" / "day.parquet").write_bytes(b"an old day of Zebra3")
    (host.data / "state.before" / "0.db").write_bytes(b"an old state of Zebra3")
    before, people = records(host.data), profiles(host.data)
    assert len(holding(host.data, SECRETS)) >= 5
    data = str(host.data)

    assert run(["export", "user_id:u3zebra", "--data", data]) == 0
    check_export(json.loads(capsys.readouterr().out))
    assert run(["export", "nobody", "--data", data]) == 1
    assert run(["erase", "user_id:u3zebra", "--data", data, "--dry-run"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert "email:zebra3@shop.example" in planned["identifiers"] or planned["addresses"]
    assert planned["messages"] == 1
    assert records(host.data) == before

    assert run(["erase", "user_id:u3zebra", "--data", data]) == 0
    done = json.loads(capsys.readouterr().out)
    assert holding(host.data, SECRETS) == {}

    # Offsets without a gap; all records of others byte for byte; the person's are stubs.
    after = records(host.data)
    assert sorted(after) == list(range(1, max(after) + 1))
    gone = {int(one[2:], 16) for one in done["profiles"]}
    assert len(gone) == 2, "the browser was somebody before it was merged"
    for offset, record in before.items():
        now = after[offset]
        if record.profile_id in gone:
            assert (now.kind, now.now, now.partition) == (
                record.kind,
                record.now,
                record.partition,
            )
            assert now.body == b""
        else:
            assert now == record
    settle(host)
    left = profiles(host.data)
    assert left == {one: state for one, state in people.items() if one not in gone}
    check_replay(host.data)
    check_sound(host.data)
    assert done["status"] == "done"
    assert done["log"]["records"] == sum(one.profile_id in gone for one in before.values())
    assert (done["messages"], done["dead_letters"]) == (1, 1)
    assert done["folders_removed"] == ["state.before", "lake"]

    # Who had left stays left, though nobody can read who it was.
    assert done["addresses_that_stay_suppressed"] == 1
    with closing(bootstrap.open_suppression(host.data)) as suppression:
        assert suppression.reason(address_hash("Zebra3@shop.example"), "marketing")
        assert suppression.reason(address_hash("nobody@shop.example"), "marketing") is None
    with closing(sqlite3.connect(host.data / "suppression.db")) as connection:
        plain = address_hash("zebra3@shop.example")
        sql = "SELECT count(*) FROM suppression WHERE address_hash = ?"
        assert connection.execute(sql, (plain,)).fetchone() == (0,)

    # Waits end, outcomes and clicks of old mails come: nothing comes back of itself.
    host.call(lambda writer: writer.set_now(NOON + 2 * DAY))
    settle(host)
    outcome = event_draft("email_opened", "late", NOON, None, None)
    outcome.identifiers = [("profile_id", str(min(gone)))]
    (answer,) = host.call(lambda writer: writer.write([outcome]))
    assert answer.status == "duplicate"
    settle(host)
    assert not gone & profiles(host.data).keys()
    assert run(["profile", "show", "user_id:u3zebra", "--data", data]) == 1

    # The person may come again, as somebody new.
    again = event_draft("viewed", "again", NOON + 2 * DAY, "u3zebra", None)
    host.call(lambda writer: writer.write([again]))
    settle(host)
    assert profile_id_of("user_id", "u3zebra") in profiles(host.data)
    check_replay(host.data)
    check_sound(host.data)


def test_a_crash_in_the_middle_is_mended_at_the_next_start(
    host: Host, catcher: MailCatcher
) -> None:
    start(host)
    live(host, catcher)
    host.stop_roles()
    # The record is in the log, and then the machine fails before anything else is done.
    with ExitStack() as things:
        control = things.enter_context(closing(bootstrap.open_control(host.data)))
        identity = things.enter_context(closing(bootstrap.open_identity(host.data)))
        suppression = things.enter_context(closing(bootstrap.open_suppression(host.data)))
        log = things.enter_context(closing(bootstrap.open_log(host.data)))
        salt = bootstrap.erasure_salt(control)
        found = identity.find("user_id", "u3zebra")
        assert found is not None
        planned = erase.plan(found, None, log, identity, suppression, salt, NOON)
    host.start("writer")
    host.call(lambda writer: erase.ask_for(planned, writer))
    for process in host.processes:
        process.send_signal(signal.SIGKILL)
        process.wait()
    host.processes.clear()
    for _ in range(3):
        # Killed again and again while it is at it.
        host.start("writer")
        host.processes[-1].send_signal(signal.SIGKILL)
        host.processes[-1].wait()
        host.processes.clear()
    start(host)

    def is_done() -> bool:
        with closing(bootstrap.open_control(host.data)) as control:
            done = erase.certificate(control, planned.erasure_id)
            return done is not None and done["status"] == "done"

    until(is_done)
    assert holding(host.data, SECRETS) == {}
    settle(host)
    check_replay(host.data)
    check_sound(host.data)


def test_an_erasure_is_found_again_where_what_is_derived_was_lost(
    host: Host, catcher: MailCatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a restore: identity is made from the log, and so is what remains to be done."""
    start(host)
    live(host, catcher)
    assert run(["erase", "user_id:u3zebra", "--data", str(host.data)]) == 0
    host.stop_roles()
    for name in ("identity.db", "suppression.db"):
        (host.data / name).unlink()
    start(host)
    settle(host)
    check_sound(host.data)
    with closing(bootstrap.open_suppression(host.data)) as suppression:
        assert suppression.reason(address_hash("zebra3@shop.example"), "marketing")


def test_stubs_are_made_in_every_file_of_the_log(tmp_path: Path) -> None:
    with closing(SqliteEventLog(tmp_path, is_writer=True, file_bytes_max=2_000)) as log:
        for number in range(30):
            log.append([Draft(1, "event", 7 + number % 2, b"secret%d" % (number % 2) * 30)], number)
        assert len(log.files()) > 3
        found = [SqliteEventLog.make_stubs(path, [7], 20) for path in log.files()]
        assert sum(count for count, _ in found) == 10
        assert [one.body == b"" for one in log.read(0, 100)] == [
            number % 2 == 0 and number < 20 for number in range(30)
        ]
        # A second time there is nothing to do; new records go on as ever.
        log.append([Draft(1, ERASE, 7, b"x")], 99)
        assert log.end() == 31


def test_a_restore_of_an_older_backup_erases_again(
    host: Host, catcher: MailCatcher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start(host)
    live(host, catcher)
    backup, register = tmp_path / "backup", tmp_path / "erasures.json"
    make_backup(host.data, backup, lambda _: None)
    data = str(host.data)
    assert run(["erase", "user_id:u3zebra", "--data", data]) == 0
    done = json.loads(capsys.readouterr().out)
    for _ in range(2):  # what the file has stays, and is not there twice
        assert run(["erasures", "--data", data, "--to", str(register)]) == 0
        assert "holds 1 erasure(s)" in capsys.readouterr().out
    assert register.stat().st_mode & 0o077 == 0
    assert not any(secret in register.read_bytes() for secret in SECRETS)
    host.stop()
    for number, erasures in enumerate([register, host.data]):
        place = tmp_path / f"again{number}"
        place.mkdir()
        again = Host(place, clock="simulated", engines=ENGINES, smtp_url=catcher.url)
        restored = restore_backup(backup, again.data, erasures=erasures)
        assert restored.erased_again == 1
        assert holding(again.data, SECRETS) != {}
        try:
            start(again)
            with closing(bootstrap.open_control(again.data)) as control:
                until(
                    lambda: (
                        (erase.certificate(control, done["erasure_id"]) or {}).get("status")
                        == "done"
                    ),
                    60,
                )
            assert holding(again.data, SECRETS) == {}
            with closing(bootstrap.open_suppression(again.data)) as suppression:
                assert suppression.reason(address_hash("zebra3@shop.example"), "marketing")
        finally:
            again.stop()


def test_a_restore_says_what_is_no_register(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("[1]")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StorageProblem, match="no register of erasures"):
        read_register(tmp_path / "other.json")
    with pytest.raises(StorageProblem, match="no data folder"):
        read_register(tmp_path / "empty")
