"""`plan`, `apply`, `rollback` on a data folder whose server is stopped."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tailorbird import bootstrap
from tailorbird.base.problems import OperationalError
from tailorbird.bootstrap.apply import apply_plan
from tailorbird.cli.app import run
from tailorbird.cli.output import OK, OUTSIDE, WRONG
from tailorbird.testing.building import DAY
from tailorbird.testing.folder import FILES, PEOPLE, live_in

SETTINGS = 'name = "Shop"\n[sender]\naddress = "shop@shop.example"\npostal_address = "Bern"\n'
BUYERS = "segments/buyers.yaml"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    live_in(tmp_path / "data")
    # Time stands still: what is promised is what comes.
    with closing(bootstrap.open_log(tmp_path / "data")) as log:
        now = log.last_now() + DAY
    clock = bootstrap.open_clock(tmp_path / "data", "simulated", is_writer=True)
    clock.set_now(now)  # type: ignore[attr-defined]
    return tmp_path / "data"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    for path, text in {**FILES, "tailorbird.toml": SETTINGS}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def asked(capsys: pytest.CaptureFixture[str], *words: object, code: int = OK) -> Any:
    assert run([*map(str, words), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_what_was_promised_is_what_comes(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ("--workspace", shop, "--data", data)
    (shop / BUYERS).write_text("when: count(order_completed within 6d) >= 2\n")
    (shop / "segments" / "loyal.yaml").write_text("when: count(order_completed) >= 3\n")
    plan = asked(capsys, "plan", *folders)

    assert plan["reach"] == "rewrites"
    assert plan["segments"]["loyal"]["entering"] == PEOPLE
    buyers = plan["segments"]["buyers"]
    assert buyers["before"] == PEOPLE
    assert 0 < buyers["leaving"] < PEOPLE
    assert buyers["after"] == PEOPLE - buyers["leaving"]
    assert len(buyers["leaving_sample"]) == 5
    assert buyers["leaving_sample"][0]["known_as"][0].startswith("user_id:u")
    assert {(one["kind"], one["name"], one["what"]) for one in plan["changes"]} >= {
        ("segment", "buyers", "changed"),
        ("segment", "loyal", "added"),
    }
    assert "+when: count(order_completed within 6d) >= 2" in plan["text"]

    done = asked(capsys, "apply", plan["plan"], "--data", data)
    assert done["applied"] is True
    assert done["segments"] == {
        name: {"promised": one["after"], "now": one["after"]}
        for name, one in plan["segments"].items()
    }
    sizes = {one["name"]: one["size"] for one in asked(capsys, "segment", "list", "--data", data)}
    assert sizes == {name: one["after"] for name, one in plan["segments"].items()}
    assert asked(capsys, "plan", *folders)["changes"] == []
    assert run(["replay", "--data", str(data)]) == OK


def test_of_two_the_second_is_told_what_changed(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ("--workspace", shop, "--data", data)
    (shop / BUYERS).write_text("when: count(order_completed within 6d) >= 2\n")
    mine = asked(capsys, "plan", *folders, "--days", 0)
    (shop / BUYERS).write_text("when: count(order_completed within 6d) >= 1\n")
    theirs = asked(capsys, "plan", *folders, "--days", 0)
    assert asked(capsys, "apply", theirs["plan"], "--data", data)["applied"] is True

    told = asked(capsys, "apply", mine["plan"], "--data", data, code=WRONG)
    assert told["applied"] is False
    assert "went live since" in told["changed_since"][0]
    assert run(["apply", mine["plan"], "--data", str(data)]) == WRONG
    assert "Make it again with `tailorbird plan`" in capsys.readouterr().err


def test_who_applies_while_another_does_waits_for_their_turn(
    data: Path,
    shop: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (shop / BUYERS).write_text("when: count(order_completed within 6d) >= 2\n")
    folders = ("--workspace", shop, "--data", data)
    name = asked(capsys, "plan", *folders, "--days", 0)["plan"]
    other = bootstrap.own(data, bootstrap.PUBLISHER)
    looked = []

    def pause(seconds: float) -> None:
        looked.append(seconds)
        if len(looked) == 3:
            other.release()

    monkeypatch.setattr("tailorbird.bootstrap.apply.time.sleep", pause)
    assert asked(capsys, "apply", name, "--data", data)["applied"] is True
    assert len(looked) == 3


def test_who_waits_too_long_is_told_why(data: Path) -> None:
    with (
        closing(bootstrap.own(data, bootstrap.PUBLISHER)),
        pytest.raises(OperationalError, match="somebody else has been changing what is live"),
    ):
        apply_plan(data, {}, {}, seconds=0.1)


def test_a_plan_whose_numbers_have_moved_is_not_applied(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / BUYERS).write_text("when: count(order_completed within 6d) >= 2\n")
    plan = asked(capsys, "plan", "--workspace", shop, "--data", data, "--days", 0)
    clock = bootstrap.open_clock(data, "simulated", is_writer=True)
    clock.set_now(clock.now() + 3 * DAY)  # type: ignore[attr-defined]

    told = asked(capsys, "apply", plan["plan"], "--data", data, code=WRONG)
    assert any(one.startswith("segment buyers: leaving") for one in told["changed_since"])
    live = {one["name"]: one for one in asked(capsys, "segment", "list", "--data", data)}
    assert live["buyers"]["when"] == "count(order_completed within 30d) >= 1"


def test_without_a_name_the_folder_is_planned_and_applied(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / BUYERS).write_text("when: count(order_completed within 6d) >= 2\n")
    done = asked(capsys, "apply", "--workspace", shop, "--data", data)
    assert done["segments"]["buyers"]["promised"] == done["segments"]["buyers"]["now"]
    again = asked(capsys, "apply", "--workspace", shop, "--data", data)
    assert again["applied"] is False


def test_rollback_brings_the_version_before_back(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / BUYERS).write_text("when: count(order_completed within 6d) >= 2\n")
    asked(capsys, "apply", "--workspace", shop, "--data", data)
    done = asked(capsys, "rollback", "--workspace", shop, "--data", data)
    assert done["segments"]["buyers"] == {"promised": PEOPLE, "now": PEOPLE}

    assert run(["rollback", "nope", "--data", str(data)]) == WRONG
    assert "no version nope was live" in capsys.readouterr().err
    # And forth again: what was live before is now the other one.
    again = asked(capsys, "rollback", "--workspace", shop, "--data", data)
    assert again["segments"]["buyers"]["now"] < PEOPLE


def test_a_template_that_fails_for_real_people_is_found(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "templates" / "hello.liquid").write_text(
        "---\nsubject: Hello\n---\n<p>{{ traits.first_name }}"
        "<a href='/shop'>shop</a> {{ unsubscribe_url }}</p>\n"
    )
    plan = asked(capsys, "plan", "--workspace", shop, "--data", data, "--days", 0)
    # Nobody in this folder has an address, so there is nobody to try it on.
    assert plan["templates"] == [
        {"template": "hello", "people": 0, "largest_bytes": 0, "missing": {}, "faults": {}}
    ]
    assert plan["reach"] == "forward"


def test_complaints(data: Path, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--workspace", str(shop), "--data", "nowhere"]) == OUTSIDE
    assert run(["apply", "abc", "--data", str(data)]) == WRONG
    assert "no plan abc is kept" in capsys.readouterr().err
    (shop / BUYERS).write_text("when: count(\n")
    assert run(["plan", "--workspace", str(shop), "--data", str(data)]) == WRONG
    assert "cannot go live" in capsys.readouterr().err


def test_faults_are_told_as_json_too(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / BUYERS).write_text("when: coutn(order_completed) > 3\n")
    told = asked(capsys, "plan", "--workspace", shop, "--data", data, code=WRONG)
    assert told["plan"] is None
    (problem,) = [one for one in told["problems"] if one["severity"] == "error"]
    assert (problem["file"], problem["line"], problem["column"]) == (BUYERS, 1, 7)
    assert "Did you mean `count`?" in problem["mend"]
    words = ["--workspace", str(shop), "--data", str(data), "--json"]
    assert run(["segment", "count", "true", *words]) == WRONG
    printed = capsys.readouterr()
    assert (printed.out, "coutn" in printed.err) == ("", True)


def test_the_page_names_effects_first(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / BUYERS).write_text("when: count(order_completed within 6d) >= 2\n")
    assert run(["plan", "--workspace", str(shop), "--data", str(data), "--text"]) == OK
    said = capsys.readouterr().out
    assert said.index("enter") < said.index("Definitions") < said.index("+when: count(")
    assert "tailorbird apply" in said
