"""`tailorbird backtest` on a data folder that engines have lived in."""

from __future__ import annotations

import json
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tailorbird import bootstrap
from tailorbird.adapters.files import create_workspace
from tailorbird.bootstrap.backtest import run_backtest
from tailorbird.cli.app import run
from tailorbird.cli.output import OK, OUTSIDE, USAGE, WRONG
from tailorbird.testing.building import DAY, START
from tailorbird.testing.folder import PEOPLE, live_in

SEGMENT = "segments/buyers.yaml"
PERIOD = ["--from", "2026-01-01", "--to", "2026-03-31"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    live_in(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    create_workspace(folder)
    (folder / SEGMENT).write_text("when: count(order_completed within 30d) >= 1\n")
    return folder


def test_json_tells_members_and_messages(
    data: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["backtest", *PERIOD, "--workspace", str(workspace), "--data", str(data), "--json"]
    assert run(words) == OK
    found = json.loads(capsys.readouterr().out)

    assert found["people"] == PEOPLE
    entered = found["segments"]["buyers"]["entered"]
    assert sum(entered.values()) >= PEOPLE
    assert next(iter(entered)) == "2026-01-05"


def test_processes_change_nothing(data: Path, workspace: Path) -> None:
    files = {SEGMENT: (workspace / SEGMENT).read_text()}
    alone, together = (
        run_backtest(data, files, START, START + 90 * DAY, processes=count) for count in (1, 2)
    )
    assert alone == together
    assert alone.people == PEOPLE


def test_the_page_needs_nothing_beside_itself(data: Path, workspace: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = ["backtest", *PERIOD, "--workspace", str(workspace), "--data", str(data)]
    assert run([*words, "--html", str(page)]) == OK

    seen: list[tuple[str, dict[str, str | None]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append((tag, dict(attrs)))

    Reader().feed(page.read_text())
    assert {tag for tag, _ in seen} >= {"svg", "table"}
    assert not [tag for tag, attrs in seen if {"src", "href"} & attrs.keys()]


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (["--from", "soon", "--to", "2026-01-02"], "--from soon is no date", USAGE),
        (["--from", "2026-02-02", "--to", "2026-01-02"], "is empty", USAGE),
        ([*PERIOD, "--data", "nowhere"], "nowhere is no data folder", OUTSIDE),
    ],
)
def test_complaints(
    words: list[str], says: str, code: int, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["backtest", "--workspace", str(workspace), *words]) == code
    assert says in capsys.readouterr().err


def test_a_broken_workspace_is_told(
    data: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / SEGMENT).write_text("when: count(order_completed within 30d) >=\n")
    words = ["backtest", *PERIOD, "--workspace", str(workspace), "--data", str(data)]
    assert run(words) == WRONG
    assert "is broken" in capsys.readouterr().err


def test_nothing_is_changed(data: Path, workspace: Path) -> None:
    with closing(bootstrap.open_log(data)) as log:
        before = log.end()
    run(["backtest", *PERIOD, "--workspace", str(workspace), "--data", str(data)])
    with closing(bootstrap.open_log(data)) as log:
        assert log.end() == before
