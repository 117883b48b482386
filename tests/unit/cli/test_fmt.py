"""`tailorbird fmt` as it is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailorbird.cli.app import run
from tailorbird.cli.output import OK, WRONG

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    file = tmp_path / "segments" / "a.yaml"
    file.parent.mkdir()
    file.write_bytes(b"when: ANY(a)\r\n")
    return file


def test_check_changes_nothing_and_says_so(
    segment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(segment.parents[1])
    assert run(["fmt", folder, "--check"]) == WRONG
    assert f"would change {segment}" in capsys.readouterr().out
    assert segment.read_bytes() == b"when: ANY(a)\r\n"
    assert run(["fmt", folder]) == OK
    assert segment.read_bytes() == b"when: any(a)\r\n"
    assert [one.name for one in segment.parent.iterdir()] == ["a.yaml"]
    assert run(["fmt", str(segment), "--check"]) == OK


def test_a_fault_exits_with_1(segment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segment.write_text("when: count(\n")
    assert run(["fmt", str(segment)]) == WRONG
    assert "segments/a.yaml:1:" in capsys.readouterr().out


def test_one_expression(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fmt", "--expression", "COUNT('Order Completed' within 48h)>3"]) == OK
    assert capsys.readouterr().out == "count(order_completed within 48h) > 3\n"
    assert run(["fmt", "--expression", "any(a) -- why"]) == WRONG
    assert run(["fmt", "--expression", "any(a"]) == WRONG


def test_units_stay_as_they_were_chosen(segment: Path) -> None:
    segment.write_text(
        "when: RATE(a, b within 2w)>50% and count(a within 48h)+COUNT(b within 2d)>=01\n"
    )
    assert run(["fmt", str(segment)]) == OK
    assert segment.read_text() == (
        "when: rate(a, b within 2w) > 50% and count(a within 48h) + count(b within 2d) >= 1\n"
    )


@pytest.mark.parametrize("folder", ["examples", "src/tailorbird/workspace/scaffold"])
def test_our_own_definitions_are_in_canonical_form(folder: str) -> None:
    assert run(["fmt", str(ROOT / folder), "--check"]) == OK


def test_other_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "schema.yaml"
    file.write_text("events: {}\n")
    assert run(["fmt", str(file)]) == WRONG
    assert "is no definition with expressions" in capsys.readouterr().err
    assert run(["fmt", str(tmp_path / "none")]) == WRONG


def test_what_only_has_the_name_of_a_file_is_left_alone(segment: Path) -> None:
    (segment.parent / "folder.yaml").mkdir()
    (segment.parent / "round.yaml").symlink_to("round.yaml")
    (segment.parent / "lost.yaml").symlink_to("nowhere.yaml")
    assert run(["fmt", str(segment.parents[1])]) == OK
    assert segment.read_bytes() == b"when: any(a)\r\n"
