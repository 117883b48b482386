"""`replay` compares, `rebuild` mends: on a data folder that engines have lived in."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tailorbird import bootstrap
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.cli.app import run
from tailorbird.cli.output import OK, OUTSIDE, WRONG
from tailorbird.delivery.suppression import changes_of
from tailorbird.events.event import ACTIVATE, PARTITIONS, Activate, encode
from tailorbird.ports.event_log import Draft
from tailorbird.services.advance import Engine
from tailorbird.services.append import Appender
from tailorbird.testing.building import DAY, START
from tailorbird.testing.embedded import MovedClock, event_draft

FILES = {
    "segments/buyers.yaml": "when: count(order_completed within 30d) >= 1\n",
    "templates/hello.liquid": "---\nsubject: Hello\n---\n<p>{{ unsubscribe_url }}</p>\n",
    "journeys/w.yaml": "enter: {segment: buyers}\nsteps: [{id: mail, send: hello}]\n",
}
PEOPLE = 30


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    bootstrap.prepare_data_folder(folder)
    with (
        closing(bootstrap.open_control(folder)) as control,
        closing(bootstrap.open_log(folder, is_writer=True)) as log,
        closing(bootstrap.open_identity(folder, is_writer=True)) as identity,
        closing(bootstrap.open_suppression(folder, is_writer=True)) as suppression,
        closing(bootstrap.open_ledger(folder, is_writer=True)),
    ):
        control.set("engines", "2")
        control.save_version("v1", FILES, START)
        control.set("live_version", "v1")
        clock = MovedClock()
        appender = Appender(log, identity, suppression, clock, changes_of)
        body = encode(Activate("v1", "test"))
        appender.write([], [Draft(one, ACTIVATE, 0, body) for one in range(PARTITIONS)])
        for index in range(PEOPLE * 3):
            clock.at += DAY // 10
            user = f"u{index % PEOPLE}"
            appender.write([event_draft("order_completed", f"m{index}", clock.at, user)])
        for index in range(2):
            with closing(bootstrap.open_state(folder, index, is_writer=True)) as state:
                load = workspace_loader(control)
                engine = Engine(log, state, load, index=index, engines=2)
                while engine.step(7):
                    pass
    return folder


def test_the_log_gives_the_same_profiles_again(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", "--data", str(data), "--batch", "5"]) == OK
    assert "the same 30 profiles again" in capsys.readouterr().out


def test_a_damaged_state_is_found_and_made_anew(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outbox = [
        row for index in range(2) for row in rows(data, index, "SELECT effect_id FROM outbox")
    ]
    with closing(sqlite3.connect(data / "state" / "1.db")) as connection, connection:
        connection.execute("DELETE FROM membership WHERE profile_id % 3 = 0")
        connection.execute(
            "DELETE FROM profile WHERE id IN (SELECT id FROM profile ORDER BY id LIMIT 1)"
        )
    assert run(["replay", "--data", str(data), "--json"]) == WRONG
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert {one["what"] for one in answer["differences"]} == {"profile", "segment"}
    assert run(["rebuild", "--data", str(data)]) == OK
    assert "30 profiles made anew" in capsys.readouterr().out
    assert run(["replay", "--data", str(data)]) == OK
    assert (data / "state.before" / "1.db").exists()
    again = [row for index in range(2) for row in rows(data, index, "SELECT effect_id FROM outbox")]
    assert sorted(again) == sorted(outbox) != []


def test_what_is_no_data_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", "--data", str(tmp_path)]) == OUTSIDE
    assert "no data folder of a server" in capsys.readouterr().err


def rows(data: Path, index: int, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(data / "state" / f"{index}.db")) as connection:
        return connection.execute(query).fetchall()
