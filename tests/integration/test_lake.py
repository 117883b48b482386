"""The role that keeps the lake: beside those who append, whatever is killed, erased or dropped."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tailorbird import bootstrap
from tailorbird.base.time import DAY, parse_micros
from tailorbird.bootstrap.lake_keeper import (
    KEEPER,
    bring_up_lake,
    has_lake_passed,
    lake_beside,
    open_lake,
    remove_lake,
)
from tailorbird.bootstrap.preview import count
from tailorbird.cli.app import run
from tailorbird.events.event import ERASE, EVENT, Record
from tailorbird.ports.control_store import LAKE_STATUS
from tailorbird.services.publish import Publisher
from tailorbird.services.question import question_of
from tailorbird.testing.embedded import event_draft
from tailorbird.testing.lake import records_in
from tailorbird.testing.processes import Host, MailCatcher, until
from tailorbird.workspace.definitions import Workspace

pytestmark = pytest.mark.integration

NOON = parse_micros("2026-01-05T12:00:00Z")
SETTINGS = 'name = "Shop"\n[sender]\naddress = "shop@shop.example"\n[lake]\ninterval_seconds = 1\n'


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[MailCatcher]:
    made = MailCatcher(tmp_path / "mails")
    yield made
    made.stop()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path, clock="simulated", engines=1)
    yield made
    made.stop()


def publish(host: Host, settings: str = SETTINGS) -> None:
    with closing(bootstrap.open_control(host.data)) as control:
        files = {"tailorbird.toml": settings}
        host.call(lambda writer: Publisher(control, writer).publish(files))


def write(host: Host, first: int, events: int, at: int = NOON) -> None:
    drafts = [
        event_draft("viewed", f"m{one}", at - one % 50 * DAY, f"u{one % 7}zebra", None, {"n": one})
        for one in range(first, first + events)
    ]
    host.call(lambda writer: writer.write(drafts))


def log_of(host: Host) -> list[Record]:
    with closing(bootstrap.open_log(host.data)) as log:
        return log.read(0, 10**6)


def status(host: Host) -> dict[str, Any]:
    with (
        closing(bootstrap.open_control(host.data)) as control,
        closing(bootstrap.open_log(host.data)) as log,
    ):
        return lake_beside(control, log) or {"records_behind": -1}


def test_it_follows_the_log_and_tells_how_far_it_is(host: Host) -> None:
    host.start("writer")
    host.call(lambda writer: writer.set_now(NOON))
    publish(host)
    write(host, 0, 200)
    role = host.start("lake")
    until(lambda: status(host)["records_behind"] == 0)
    write(host, 200, 100)
    until(lambda: status(host)["records_behind"] == 0)
    lake = open_lake(host.data)
    assert records_in(lake) == log_of(host)
    told = status(host)
    assert told["events"] == 300
    assert told["offset"] == len(log_of(host))
    assert told["bytes"] > 0
    assert told["problem"] == ""
    host.stop_roles()
    assert role.returncode == 0


def test_killed_again_and_again_each_record_is_there_once(host: Host) -> None:
    rng = random.Random(5)
    host.start("writer")
    host.call(lambda writer: writer.set_now(NOON))
    publish(host)
    for turn in range(6):
        role = host.start("lake_round")
        before = status(host).get("offset", 0)
        write(host, turn * 400, 400)
        # In the middle of an addition, or soon after one.
        until(lambda before=before: any_file(host) or status(host).get("offset", 0) > before)
        if rng.random() < 0.5:
            write(host, 10_000 + turn * 50, 50)
        role.send_signal(signal.SIGKILL)
        role.wait()
        host.processes.remove(role)
    # A question brings up the rest.
    assert records_in(bring_up_lake(host.data)) == log_of(host)


def any_file(host: Host) -> bool:
    """Whether a file is there that no manifest names yet."""
    named = {one.path for one in open_lake(host.data).manifest().files}
    return any(name not in named for name in open_lake(host.data).place.names())


def test_an_erasure_waits_for_the_lake_to_let_go(
    tmp_path: Path, catcher: MailCatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    host = Host(tmp_path, clock="simulated", engines=1, smtp_url=catcher.url)
    try:
        for role in ("writer", "engine", "deliver"):
            host.start(role)
        until(lambda: (host.data / "ledger.db").exists())
        host.call(lambda writer: writer.set_now(NOON))
        publish(host)
        write(host, 0, 300)
        host.start("lake")
        until(lambda: status(host)["records_behind"] == 0)
        assert "u3zebra" in json.dumps(texts(host))

        assert run(["erase", "user_id:u3zebra", "--data", str(host.data)]) == 0
        done = json.loads(capsys.readouterr().out)
        assert done["status"] == "done"
        assert done["folders_removed"] == []
        gone = {int(one[2:], 16) for one in done["profiles"]}
        kept = [one for one in log_of(host) if one.profile_id not in gone or one.kind == ERASE]
        lake = open_lake(host.data)
        offset = lake.offset()
        assert [one for one in records_in(lake) if one.offset <= offset] == [
            one for one in kept if one.offset <= offset
        ]
        # Nor is there anything in files that no manifest names.
        assert "u3zebra" not in json.dumps(texts(host))
        assert "u4zebra" in json.dumps(texts(host))
        named = {one.path for one in lake.manifest().files}
        assert set(lake.place.names()) == named
    finally:
        host.stop()


def texts(host: Host) -> list[str]:
    lake = open_lake(host.data)
    return [repr(one.body) for one in records_in(lake)]


def test_days_past_keeping_are_dropped_and_a_question_says_so(host: Host) -> None:
    host.start("writer")
    host.call(lambda writer: writer.set_now(NOON))
    publish(host, SETTINGS + "keep_days = 10\n")
    write(host, 0, 300)
    host.start("lake")
    until(lambda: status(host).get("since") == "2025-12-26")
    start = parse_micros("2025-12-26T00:00:00Z")
    days = [one for one in range(300) if NOON - one % 50 * DAY >= start]
    until(lambda: status(host)["events"] == len(days))
    question = question_of("count(viewed) > 0", Workspace(version="v1"))
    now = NOON + 60_000_000
    found = count(host.data, question, now)
    assert found.size == 7
    assert any("2025-12-26" in one for one in found.warnings)
    short = question_of("count(viewed within 9d) > 0", Workspace(version="v1"))
    assert not any("2025-12-26" in one for one in count(host.data, short, now).warnings)
    # Time goes on, and history goes with it; the log keeps all.
    host.call(lambda writer: writer.set_now(NOON + 3 * DAY))
    until(lambda: status(host)["since"] == "2025-12-29")
    assert sum(one.kind == EVENT for one in log_of(host)) == 300


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("count(vieved) > 0", ["no event vieved ever came; did you mean viewed?"]),
        ("sum(viewed.numbr) > 0", ["no viewed ever had numbr; did you mean number?"]),
        (
            "any(viewed.items where properties.skuu = 'a')",
            ["no viewed ever had items.skuu; did you mean items.sku?"],
        ),
        ("most(viewed by colour) > 3", ["no viewed ever had colour"]),
        (
            "traits.citi = 'Rome' and context.device.type = 'mobile'",
            [
                "nobody ever had traits.citi; did you mean city?",
                "nobody ever had context.device.type",
            ],
        ),
        ("any(viewed where properties.number > 1 and context.ip = '::1')", []),
        # It is on none of the events that are read for names.
        ("sum(viewed.late) > 0 and traits.city = 'Rome'", []),
    ],
)
def test_names_that_never_came_are_told_with_the_nearest(
    condition: str, said: list[str], host: Host
) -> None:
    host.start("writer")
    host.call(lambda writer: writer.set_now(NOON))
    seen = {"number": 3, "items": [{"sku": "a"}], "nothing": None}
    drafts = [
        event_draft("viewed", f"m{one}", NOON - DAY + one, "u", None, seen) for one in range(600)
    ]
    drafts.append(event_draft("viewed", "last", NOON - 1, "u", None, {"late": 1}))
    drafts.append(event_draft("identified", "who", NOON - 1, "u", None, {"city": "Rome"}))
    host.call(lambda writer: writer.write(drafts))
    question = question_of(condition, Workspace(version="v1"))
    assert count(host.data, question, NOON + 60_000_000).warnings == said


def test_a_folder_left_behind_is_removed_though_the_lake_is_kept_elsewhere(tmp_path: Path) -> None:
    with closing(bootstrap.open_control(tmp_path)) as control:
        (tmp_path / "lake").mkdir()
        with closing(bootstrap.own(tmp_path, KEEPER)):
            assert not has_lake_passed(tmp_path, control, 5)
            assert not remove_lake(tmp_path), "it is kept, and lets go by itself"
            control.set(LAKE_STATUS, json.dumps({"offset": 4, "place": "s3://history/shop"}))
            assert remove_lake(tmp_path)
            assert not (tmp_path / "lake").exists()
            assert not has_lake_passed(tmp_path, control, 5)
            assert has_lake_passed(tmp_path, control, 4)
        control.remove(LAKE_STATUS)
        (tmp_path / "lake").mkdir()
        assert remove_lake(tmp_path)
        assert has_lake_passed(tmp_path, control, 5)
        assert not remove_lake(tmp_path)
