"""Live segments, scores and interests reckoned anew: nobody differs, until somebody is made to."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tailorbird import bootstrap
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.cli.app import run
from tailorbird.cli.output import OK, WRONG
from tailorbird.events.event import PARTITIONS
from tailorbird.ports.state_store import Commit, ProfileRow
from tailorbird.profiles.state import decode, encode
from tailorbird.reducer.reading import StateReader
from tailorbird.services.equality import EQUALITY
from tailorbird.testing.building import DAY
from tailorbird.testing.folder import FILES, live_in

pytest.importorskip("duckdb")

MORE = {
    **FILES,
    "tailorbird.toml": 'name = "Shop"\n',
    "segments/often.yaml": "when: count(order_completed within 12d) >= 2\n",
    "segments/lately.yaml": "when: since(order_completed) < 2d\n",
    "segments/warm.yaml": "when: score('heat') > 1.2\n",
    "scores/heat.yaml": "points: [{event: order_completed, points: 1}]\nhalf_life: 3d\n",
    "scores/paid.yaml": "value: sum(order_completed.revenue)\n",
    "interests/kinds.yaml": "by: category\npoints: [{event: order_completed, points: 1}]\n"
    "half_life: 60d\n",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    start = time.time_ns() // 1000 - 10 * DAY
    live_in(folder, start, {"category": "hats", "revenue": 12.5})
    workspace = tmp_path / "shop"
    for name, text in MORE.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(text)
    words = ["--workspace", str(workspace), "--data", str(folder)]
    assert run(["apply", *words, "--yes", "--json"]) == OK
    return folder


def verify(data: Path, capsys: pytest.CaptureFixture[str], *, code: int) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["segment", "verify", "--data", str(data), "--people", "0", "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_nobody_differs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = verify(data, capsys, code=OK)
    assert (report["people"], report["mismatch"]) == (30, 0)
    by_name = {one["segment"]: one for one in report["segments"]}
    assert set(by_name) == {"buyers", "often", "lately", "warm"}
    assert all(one["people"] == 30 for one in by_name.values())
    assert 0 < by_name["lately"]["members"] < 30
    assert 0 < by_name["warm"]["members"] < 30
    values = {(one["kind"], one["name"]): one for one in report["values"]}
    assert set(values) == {("score", "heat"), ("score", "paid"), ("interest", "kinds")}
    assert all(one["people"] == 30 and not one["unequal"] for one in values.values())
    assert all(one["judge"] == "warehouse" for one in values.values())
    with closing(bootstrap.open_control(data)) as control:
        assert json.loads(control.get(EQUALITY) or "{}") == report
    assert verify(data, capsys, code=OK)["turn"] == 2


def test_who_is_missing_or_too_many_is_named_and_counted(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost, won = spoil(data)
    report = verify(data, capsys, code=WRONG)
    by_name = {one["segment"]: one for one in report["segments"]}
    assert (report["missing"], report["extra"], report["mismatch"]) == (1, 1, 2)
    assert by_name["buyers"]["missing"] == 1
    assert by_name["buyers"]["examples"] == [f"p_{lost:016x}"]
    assert by_name["lately"]["extra"] == 1
    assert by_name["lately"]["examples"] == [f"p_{won:016x}"]


@pytest.mark.parametrize(
    ("kind", "name"), [("score", "heat"), ("score", "paid"), ("interest", "kinds")]
)
def test_who_has_another_value_is_named_and_counted(
    data: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str
) -> None:
    robbed = rob(data, f"{kind}s", name)
    report = verify(data, capsys, code=WRONG)
    values = {one["name"]: one for one in report["values"]}
    assert (report["missing"], report["extra"], report["unequal"]) == (0, 0, 1)
    assert report["mismatch"] == 1
    assert {one: values[one]["unequal"] for one in values} == {
        **dict.fromkeys(values, 0),
        name: 1,
    }
    assert values[name]["examples"] == [f"p_{robbed:016x}"]
    assert run(["segment", "verify", "--data", str(data), "--people", "0"]) == WRONG
    assert f"{kind} {name}: look at p_{robbed:016x}" in capsys.readouterr().err


def rob(data: Path, kinds: str, name: str) -> int:
    """Take from somebody what one value alone is made of."""
    with closing(bootstrap.open_control(data)) as control:
        version = control.get("live_version")
        assert version is not None
        reader = StateReader(workspace_loader(control)(version))
    with closing(bootstrap.open_state(data, 0, is_writer=True)) as state:
        for partition in range(PARTITIONS):
            for data_of in state.profiles(state.profile_ids(partition, -1, 100)).values():
                one = decode(data_of)
                before = _values(reader.snapshot(one, one.updated_at))
                for cell in list(one.cells):
                    kept = one.cells.pop(cell)
                    after = _values(reader.snapshot(one, one.updated_at))
                    if {key for key in before if before[key] != after[key]} == {(kinds, name)}:
                        row = ProfileRow(one.profile_id, partition, encode(one), one.deadline)
                        state.commit(Commit(state.offset(), [row], [], []))
                        return one.profile_id
                    one.cells[cell] = kept
    raise AssertionError(f"nobody has {name}")


def _values(snapshot: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {
        (kinds, name): value
        for kinds in ("scores", "interests")
        for name, value in snapshot[kinds].items()
    }


def spoil(data: Path) -> tuple[int, int]:
    """Take somebody out of a segment, and put another one in."""
    lost = won = 0
    for index in range(2):
        with closing(bootstrap.open_state(data, index, is_writer=True)) as state:
            for partition in range(PARTITIONS):
                for data_of in state.profiles(state.profile_ids(partition, -1, 100)).values():
                    one = decode(data_of)
                    if not lost:
                        lost = one.profile_id
                        del one.segments["buyers"]
                    elif not won and "lately" not in one.segments:
                        won = one.profile_id
                        one.segments["lately"] = one.updated_at
                    else:
                        continue
                    row = ProfileRow(one.profile_id, partition, encode(one), one.deadline)
                    state.commit(Commit(state.offset(), [row], [], []))
    assert lost
    assert won
    return lost, won
