"""`schema learned` shows what came, and prints the YAML that the tracking plan lacks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tailorbird import bootstrap
from tailorbird.cli.app import run
from tailorbird.cli.output import OK, OUTSIDE
from tailorbird.events.event import Event
from tailorbird.services.learned import Learned
from tailorbird.workspace.additions import plan_additions
from tailorbird.workspace.kinds.schema import read_schema
from tailorbird.workspace.source import Source

SCHEMA = """\
events:
  order_completed:
    properties:
      order_id: {type: string, rule: demand}
      card: {rule: forbid}
"""
CAME: Sequence[tuple[str, str, dict[str, Any]]] = (
    ("track", "order_completed", {"order_id": "o", "revenue": 1}),
    ("track", "hat_tried_on", {"size": 7, "odd: key": True}),
    ("track", "hat_tried_on", {"size": "L"}),
    ("track", "shop_left", {}),
    ("identify", "identified", {"nickname": "Ada", "email": "a@b.example"}),
    ("page", "page_viewed", {"path": "/"}),
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with closing(bootstrap.open_control(tmp_path)) as control:
        control.save_version("v", {"schema.yaml": SCHEMA}, 1)
        control.set("live_version", "v")
        learned = Learned(control)
        for number, (call, name, properties) in enumerate(CAME):
            learned.look(
                Event(
                    type=call,
                    name=name,
                    message_id="m",
                    timestamp=number,
                    order=1,
                    properties=properties,
                )
            )
            learned.add(name, 1, number, number)
        learned.flush()
    return tmp_path


def asked(capsys: pytest.CaptureFixture[str], data: Path, *words: str) -> str:
    assert run(["schema", "learned", "--data", str(data), *words]) == OK
    return capsys.readouterr().out


def test_it_says_of_each_what_the_plan_says(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = {one["event"]: one for one in json.loads(asked(capsys, data, "--json"))["events"]}
    assert (events["hat_tried_on"]["plan"], events["hat_tried_on"]["count"]) == ("unknown", 2)
    assert events["order_completed"]["plan"] == "planned"
    plans = {one["name"]: one["plan"] for one in events["order_completed"]["properties"]}
    assert plans == {"order_id": "demand", "revenue": "unknown"}
    table = asked(capsys, data)
    assert table.index("hat_tried_on") < table.index("order_completed")


def test_what_the_plan_lacks_can_be_added_to_it(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = asked(capsys, data, "--yaml")
    source = Source("schema.yaml", text)
    found = read_schema(source)
    assert source.problems == []
    assert {name: one["properties"] for name, one in found["events"].items()} == {
        "hat_tried_on": {"odd: key": "boolean", "size": "any"},
        "order_completed": {"revenue": "number"},
        "shop_left": {},
    }
    assert found["traits"] == {"nickname": "string"}


def test_a_whole_plan_lacks_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan_additions([]) == ""
    with closing(bootstrap.open_control(data)) as control:
        control.set("learned", "{}")
    assert "lists all that came" in asked(capsys, data, "--yaml")


def test_another_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "learned", "--data", str(tmp_path)]) == OUTSIDE
    assert "no data folder of a server" in capsys.readouterr().err
