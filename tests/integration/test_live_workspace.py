"""A running server takes over valid changes, keeps the old version while a file is broken."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tailorbird import bootstrap
from tailorbird.adapters.files import create_workspace
from tailorbird.base.hashing import hash64
from tailorbird.cli.app import run
from tailorbird.cli.output import OK, OUTSIDE, USAGE, WRONG
from tailorbird.events.event import Event, order_of
from tailorbird.ports.log_writer import ACCEPTED, DUPLICATE, EventDraft
from tailorbird.testing.processes import until

pytestmark = pytest.mark.integration

# The roles that this needs; there is no mail server, and no mail is due.
SERVER = """
import sys
from pathlib import Path
from tailorbird.worker.publisher import keep_published
from tailorbird.worker.settings import RoleSettings
from tailorbird.worker.supervisor import serve

workspace, data = Path(sys.argv[1]), Path(sys.argv[2])
settings = RoleSettings(
    data=data, workspace=workspace, engines=2, smtp_url="smtp://127.0.0.1:1"
)
roles = ("writer", "engine", "deliver")
sys.exit(serve(settings, roles=roles, background=(keep_published(workspace, data),)))
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("live")
    create_workspace(base / "shop")
    return base / "shop", base / "data"


@pytest.fixture(scope="module")
def server(folders: tuple[Path, Path]) -> Iterator[tuple[Path, Path]]:
    workspace, data = folders
    data.mkdir()
    with (data.parent / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(workspace), str(data)], stderr=log
        )
    until(lambda: control_value(data, "live_version") and (data / "ledger.db").exists(), 60)
    yield workspace, data
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0


def control_value(data: Path, name: str) -> str | None:
    if not (data / "control.db").exists():
        return None
    with closing(bootstrap.open_control(data)) as control:
        return control.get(name)


def order(data: Path, user: str, number: int) -> None:
    now = time.time_ns() // 1_000
    event = Event(
        type="track",
        name="order_completed",
        message_id=f"{user}-{number}",
        timestamp=now,
        order=order_of(f"{user}-{number}"),
        properties={"revenue": 10, "order_id": str(number)},
        user_id=user,
    )
    draft = EventDraft(
        identifiers=[("user_id", user)],
        dedup=hash64(event.message_id, user),
        body=msgspec.msgpack.encode(event),
    )

    async def send() -> str:
        writer = bootstrap.open_writer_client(data)
        try:
            return (await writer.write([draft]))[0].status
        finally:
            await writer.close()

    until(lambda: asyncio.run(send()) in (ACCEPTED, DUPLICATE))


def sizes(data: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    capsys.readouterr()
    assert run(["segment", "list", "--data", str(data), "--json"]) == OK
    return {one["name"]: one["size"] for one in json.loads(capsys.readouterr().out)}


def test_an_edited_segment_changes_its_members_while_the_server_runs(
    server: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, data = server
    segment = workspace / "segments" / "frequent.yaml"
    first = until(lambda: control_value(data, "live_version"))
    for number in range(2):
        order(data, "ada", number)
    until(lambda: sizes(data, capsys)["frequent"] == 0)

    good = segment.read_text(encoding="utf-8")
    segment.write_text(good.replace(">= 3", ">= 2"), encoding="utf-8")
    second = until(lambda: (v := control_value(data, "live_version")) != first and v)
    until(lambda: sizes(data, capsys)["frequent"] == 1)

    segment.write_text("when: count(\n", encoding="utf-8")
    problems = until(lambda: json.loads(control_value(data, "workspace_problems") or "[]"))
    assert problems[0]["file"] == "segments/frequent.yaml"
    assert control_value(data, "live_version") == second
    order(data, "bob", 1)
    order(data, "bob", 2)
    until(lambda: sizes(data, capsys)["frequent"] == 2)

    segment.write_text(good, encoding="utf-8")
    until(lambda: control_value(data, "workspace_problems") == "[]")
    assert control_value(data, "live_version") == first
    until(lambda: sizes(data, capsys)["frequent"] == 0)


def test_people_and_members_are_shown(
    server: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, data = server
    for number in range(3):
        order(data, "eve", number)
    place = ["--data", str(data)]
    until(lambda: sizes(data, capsys)["frequent"] >= 1)

    assert run(["profile", "show", "user_id:eve", "--json", *place]) == OK
    profile = json.loads(capsys.readouterr().out)
    assert profile["identifiers"] == [{"kind": "user_id", "value": "eve"}]
    assert profile["segments"] == ["frequent"]
    assert profile["next_changes"][0]["at"] > profile["memberships"][0]["since"]
    assert profile["scores"]["engagement"] == pytest.approx(30, abs=0.1)

    for name in ("eve", profile["id"]):
        assert run(["profile", "show", name, *place]) == OK
        assert "frequent" in capsys.readouterr().out
    assert run(["profile", "show", "user_id:nobody", *place]) == WRONG
    assert "nobody is known" in capsys.readouterr().err

    assert run(["segment", "members", "frequent", "--json", *place]) == OK
    members = json.loads(capsys.readouterr().out)["members"]
    assert [one["identifiers"][0]["value"] for one in members] == ["eve"]
    assert run(["segment", "show", "frequent", *place]) == OK
    assert "1 members" in capsys.readouterr().out
    assert run(["segment", "show", "frequnt", *place]) == WRONG
    assert "Did you mean `frequent`?" in capsys.readouterr().err


def test_a_file_is_imported_once_and_starts_nothing(
    server: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, data = server
    file = tmp_path / "orders.jsonl"
    rows = [
        {
            "event": "Order Completed",
            "user_id": "old",
            "timestamp": "2020-01-01",
            "order_id": str(n),
        }
        for n in range(3)
    ]
    file.write_text("\n".join(map(json.dumps, [*rows, {"event": "x"}])), encoding="utf-8")
    arguments = ["import", str(file), "--type", "events", "--data", str(data), "--json"]
    assert run(arguments) == WRONG
    report = json.loads(capsys.readouterr().out)
    assert report["counts"] == {"new": 3, "refused": 1}
    assert report["refusals"][0]["row"] == 4
    assert run(arguments) == OK
    again = json.loads(capsys.readouterr().out)
    assert again["counts"] == {}
    assert again["tables"][0]["was_finished"]

    place = ["--data", str(data)]
    until(lambda: run(["profile", "show", "old", *place]) == OK)
    capsys.readouterr()
    assert run(["profile", "show", "old", "--json", *place]) == OK
    assert json.loads(capsys.readouterr().out)["segments"] == ["lapsed"]
    assert run(["explain", "--why-not", "old", "win-back", "--json", *place]) == OK
    asked = json.loads(capsys.readouterr().out)
    assert asked["conditions"][0]["step"] == "trigger"
    assert run(["explain", "--why-not", "old", "winback", *place]) == WRONG
    assert "Did you mean `win-back`?" in capsys.readouterr().err
    assert run(["explain", "0" * 32, *place]) == WRONG
    assert "there is no message" in capsys.readouterr().err
    assert run(["explain", *place]) == USAGE


def test_what_is_no_data_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["segment", "list", "--data", str(tmp_path)]) == OUTSIDE
    assert "is no data folder" in capsys.readouterr().err
    (tmp_path / "a.csv").write_text("a\n1\n", encoding="utf-8")
    arguments = ["import", str(tmp_path / "a.csv"), "--type", "events", "--data", str(tmp_path)]
    assert run(arguments) == OUTSIDE
    assert "is no data folder" in capsys.readouterr().err


def test_a_broken_workspace_is_not_served_from_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create_workspace(tmp_path / "shop")
    (tmp_path / "shop/segments/frequent.yaml").write_text("when: count(\n", encoding="utf-8")
    place = ["--workspace", str(tmp_path / "shop"), "--data", str(tmp_path / "data")]
    assert run(["serve", *place]) == WRONG
    printed = capsys.readouterr()
    assert "segments/frequent.yaml:1:" in printed.err
    assert "no earlier version" in printed.err
