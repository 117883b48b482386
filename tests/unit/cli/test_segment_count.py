"""`segment count` and `preview`: the history answers as the live segments do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tailorbird.cli.app import run
from tailorbird.cli.output import OK, OUTSIDE, WRONG
from tailorbird.testing.folder import FILES, PEOPLE, live_in

SETTINGS = 'name = "Shop"\n[sender]\naddress = "shop@shop.example"\npostal_address = "Bern"\n'


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("counted") / "data"
    live_in(folder)
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("counted") / "shop"
    for path, text in {**FILES, "tailorbird.toml": SETTINGS}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def asked(
    capsys: pytest.CaptureFixture[str], word: str, text: str, shop: Path, data: Path, *more: str
) -> Any:
    words = ["segment", word, text, "--workspace", str(shop), "--data", str(data), *more, "--json"]
    assert run(words) == OK
    return json.loads(capsys.readouterr().out)


# Each orders three times from 5 January 2026, 11:24 on, one order after the other each 2.4 hours.
@pytest.mark.parametrize(
    ("text", "at", "size"),
    [
        ("count(order_completed) >= 3", "2026-02-01T00:00:00Z", PEOPLE),
        ("count(order_completed) >= 3", "2026-01-11T12:00:00Z", 1),
        ("in segment('buyers')", "2026-01-20T00:00:00Z", PEOPLE),
        ("in segment('buyers')", "2026-02-10T12:00:00Z", 29),
        ("none(order_completed within 30d)", "2026-02-10T12:00:00Z", 1),
        ("count(order_completed) > 3", "2026-02-01T00:00:00Z", 0),
        ("any(order_completed)", "2026-01-05T11:24:00.000001Z", 1),
        # It happened, and was not known yet: its link came before it.
        ("any(order_completed)", "2026-01-05T11:24:00Z", 0),
    ],
)
def test_a_condition_is_counted_as_known_then(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str], text: str, at: str, size: int
) -> None:
    found = asked(capsys, "count", text, shop, data, "--at", at)
    assert set(found) == {"size", "seconds", "estimate"}
    assert (found["size"], found["estimate"]) == (size, False)
    assert found["seconds"] > 0


def test_a_preview_tells_who_where_and_how(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "any(order_completed) and count(order_completed within 6d) >= 2"
    found = asked(capsys, "preview", text, shop, data, "--at", "2026-01-14T12:00:00Z")
    assert found["people"] == PEOPLE
    assert [size for _, size in found["funnel"]] == [PEOPLE, found["size"]]
    assert found["size"] < PEOPLE
    assert found["without_address"] == found["size"]
    assert found["reachable"] == 0
    assert found["overlaps"] == [["buyers", found["size"], PEOPLE]]
    assert found["members"][0]["known_as"][0].startswith("user_id:u")
    assert len(found["days"]) == 30
    assert found["days"][-1][0] == "2026-01-14"


def test_a_name_that_never_came_is_told_with_the_nearest(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--workspace", str(shop), "--data", str(data)]
    assert run(["segment", "count", "any(order_complete)", *words]) == OK
    told = capsys.readouterr().err
    assert "no event order_complete ever came; did you mean order_completed?" in told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("count(order_completed", "the text ends here"),
        ("count(order_completed)", "not a condition"),
        ("in segment('nobody')", "nobody"),
    ],
)
def test_what_cannot_be_asked_is_told(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    words = ["--workspace", str(shop), "--data", str(data)]
    assert run(["segment", "count", text, *words]) == WRONG
    told = capsys.readouterr()
    assert says in told.out + told.err


def test_bad_folders_and_instants(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["segment", "count", "any(a)", "--workspace", str(shop)]
    assert run([*words, "--data", "nowhere"]) == OUTSIDE
    assert run([*words, "--data", str(data), "--at", "soon"]) == 2
    assert "--at soon is no instant" in capsys.readouterr().err
