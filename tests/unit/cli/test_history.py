"""`replay` compares, `rebuild` mends: on a data folder that engines have lived in."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tailorbird.bootstrap.lake_keeper import bring_up_lake, open_lake
from tailorbird.bootstrap.stores import open_log
from tailorbird.cli.app import run
from tailorbird.cli.output import OK, OUTSIDE, WRONG
from tailorbird.ports.lake import LakeEvent, LakeRecord
from tailorbird.services.lake import row_of
from tailorbird.testing.folder import live_in


@pytest.fixture
def data(tmp_path: Path) -> Path:
    live_in(tmp_path / "data")
    return tmp_path / "data"


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


def test_the_lake_gives_the_same_profiles_and_mends_a_damaged_log(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    end = bring_up_lake(data).offset()
    with closing(sqlite3.connect(data / "log" / f"{1:012d}.db")) as log, log:
        # As far as the lake has come the log is not read: what it holds there is lost.
        log.execute("DELETE FROM record WHERE offset < ? AND offset % 3 = 0", (end,))
    assert run(["replay", "--data", str(data)]) == WRONG
    capsys.readouterr()
    assert run(["replay", "--data", str(data), "--from", "lake"]) == OK
    assert "The lake gives the same 30 profiles again" in capsys.readouterr().out
    with closing(sqlite3.connect(data / "state" / "1.db")) as connection, connection:
        connection.execute("DELETE FROM profile")
    assert run(["rebuild", "--data", str(data), "--from", "lake"]) == OK
    assert "30 profiles made anew from the lake" in capsys.readouterr().out
    assert run(["replay", "--data", str(data), "--from", "lake"]) == OK
    assert not list(data.glob(".log-of-lake-*"))


def test_what_the_lake_has_not_yet_comes_from_the_log(data: Path) -> None:
    with closing(open_log(data)) as log:
        lake = open_lake(data)
        events = [one for one in map(row_of, log.read(0, 100)) if isinstance(one, LakeEvent)]
        others = [one for one in map(row_of, log.read(0, 100)) if isinstance(one, LakeRecord)]
        lake.add(events, others, 100)
        assert log.end() > 100
    assert run(["replay", "--data", str(data), "--from", "lake"]) == OK


def test_a_lake_of_some_days_is_no_source(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bring_up_lake(data).drop_days("2001-01-01")
    assert run(["rebuild", "--data", str(data), "--from", "lake"]) == OUTSIDE
    assert "holds the days from 2001-01-01 on" in capsys.readouterr().err


def test_what_is_no_data_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", "--data", str(tmp_path)]) == OUTSIDE
    assert "no data folder of a server" in capsys.readouterr().err


def rows(data: Path, index: int, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(data / "state" / f"{index}.db")) as connection:
        return connection.execute(query).fetchall()
