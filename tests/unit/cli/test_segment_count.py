"""`segment count` and `preview`: the history answers as the live segments do."""

from __future__ import annotations

import json
import random
import shutil
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tailorbird.base.time import parse_micros
from tailorbird.bootstrap.lake import LakeAsker
from tailorbird.cli.app import run
from tailorbird.cli.output import OK, OUTSIDE, WRONG
from tailorbird.language.warehouse.errors import TooMuchError
from tailorbird.services.question import estimate
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
        # Who was not known yet belongs nowhere.
        ("count(order_completed) < 3", "2026-01-01T00:00:00Z", 0),
        ("none(order_refunded)", "2026-01-05T11:24:00.000001Z", 1),
        ("not any(order_refunded)", "2026-02-01T00:00:00Z", PEOPLE),
    ],
)
def test_a_condition_is_counted_as_known_then(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str], text: str, at: str, size: int
) -> None:
    found = asked(capsys, "count", text, shop, data, "--at", at)
    assert set(found) == {"size", "seconds", "estimate"}
    assert (found["size"], found["estimate"]) == (size, False)
    assert found["seconds"] > 0


def test_days_count_those_who_were_known_then(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = asked(capsys, "preview", "none(order_refunded)", shop, data, "--at", "2026-01-14")
    assert found["size"] == found["people"] == PEOPLE
    sizes = dict(found["days"])
    assert sizes["2026-01-04"] == 0 < sizes["2026-01-06"] < sizes["2026-01-14"] == PEOPLE


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
    assert found["days"][-1] == ["2026-01-14", found["size"]]
    first = found["members"][0]["conditions"]
    assert [(one["text"], one["holds"]) for one in first] == [
        ("any(order_completed)", True),
        ("count(order_completed within 6d) >= 2", True),
    ]
    # The last to have ordered twice within six days are the first who do so no more.
    for one in found["near_misses"]:
        assert one["fails"] == "count(order_completed within 6d) >= 2"
        values = [value for asked in one["conditions"] for value in asked["values"]]
        assert values == [
            {"text": "any(order_completed)", "value": True},
            {"text": "count(order_completed within 6d)", "value": 1},
        ]
    assert len(found["near_misses"]) == min(10, PEOPLE - found["size"])


@pytest.mark.parametrize(
    ("text", "value", "nearest"),
    [
        # The last order of u0 is at 11:24 on 11 January, of each next one 2.4 hours later.
        ("since(order_completed) > 5d", "since(order_completed)", ["u2", "u3", "u4"]),
        ("not since(order_completed) < 5d", "since(order_completed)", ["u2", "u3", "u4"]),
        ("none(order_completed within 5d)", "none(order_completed within 5d)", ["u29", "u28"]),
        ("any(order_completed within 3d)", "any(order_completed within 3d)", ["u21", "u20"]),
        ("count(order_completed within 8d) = 2", "count(order_completed within 8d)", []),
    ],
)
def test_who_nearly_belongs_comes_first(
    data: Path,
    shop: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    value: str,
    nearest: list[str],
) -> None:
    found = asked(capsys, "preview", text, shop, data, "--at", "2026-01-16T15:00:00Z")
    assert 0 < found["size"] < PEOPLE
    misses = [one["known_as"][0] for one in found["near_misses"]]
    assert misses[: len(nearest)] == [f"user_id:{one}" for one in nearest]
    assert all(one["fails"] == found["funnel"][0][0] for one in found["near_misses"])
    assert all(one["conditions"][0]["values"][0]["text"] == value for one in found["near_misses"])


@pytest.mark.parametrize("word", ["count", "preview"])
def test_a_condition_that_contradicts_itself_is_told(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    text = "count(order_completed) > 5 and count(order_completed) < 3"
    words = ["segment", word, text, "--workspace", str(shop), "--data", str(data)]
    assert run(words) == OK
    assert "this can never hold together with `count(order_completed) > 5`" in (
        capsys.readouterr().err
    )


def test_what_takes_too_long_is_asked_of_a_sample(
    data: Path,
    shop: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampled = [1]

    class Slow(LakeAsker):
        def sample(self, one_in: int) -> None:
            sampled[0] = one_in
            super().sample(min(one_in, 2))

        def members(self, node: Any, question: Any) -> list[int]:
            if sampled[0] == 1:
                raise TooMuchError("the answer takes longer than was allowed")
            return super().members(node, question)

    monkeypatch.setattr("tailorbird.bootstrap.preview.LakeAsker", Slow)
    monkeypatch.setattr("tailorbird.bootstrap.preview.SAMPLES", (1, 2))
    words = ["--at", "2026-02-01T00:00:00Z", "--at-most", "5"]
    found = asked(capsys, "count", "count(order_completed) >= 3", shop, data, *words)
    assert found["estimate"] is True
    # All belong: half of the people, taken twice, with the error that a sample of all has.
    assert found["size"] % 2 == 0
    assert 0 < found["size"] < 2 * PEOPLE
    assert 0 < found["error"] < 2 * PEOPLE
    found = asked(capsys, "preview", "count(order_completed) >= 3", shop, data, *words)
    assert found["estimate"] is True
    assert found["funnel"][0][1] == found["size"] == found["people"]
    assert "counts are estimates from a sample" in found["warnings"][0]


@pytest.mark.parametrize("damage", ["cut short", "garbage inside", "missing"])
def test_a_damaged_file_is_made_again_and_told(
    data: Path, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    asked(capsys, "count", "any(order_completed)", shop, copy)
    file = sorted((copy / "lake").glob("date=*/*.parquet"))[0]
    whole = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "cut short":
        file.write_bytes(whole[:-20])
    else:
        file.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    text = "count(order_completed) >= 3"
    words = ["--workspace", str(shop), "--data", str(copy), "--at", "2026-02-01T00:00:00Z"]
    assert run(["segment", "count", text, *words, "--json"]) == OK
    printed = capsys.readouterr()
    assert json.loads(printed.out)["size"] == PEOPLE
    assert "set aside in quarantine/, and made again from the log" in printed.err
    found = asked(capsys, "preview", text, shop, copy, "--at", "2026-02-01T00:00:00Z")
    assert found["size"] == PEOPLE
    assert not any("quarantine" in one for one in found["warnings"])


def test_a_question_is_stopped_when_its_time_is_over(data: Path) -> None:
    with closing(LakeAsker(data, parse_micros("2026-02-01T00:00:00Z"))) as asker:
        assert asker._warehouse is not None
        begun = time.monotonic()
        with pytest.raises(TooMuchError, match="longer than was allowed"), asker.within(0.2):
            asker._warehouse.rows("SELECT count(*) FROM range(100000000000) WHERE hash(range) = 7")
        assert time.monotonic() - begun < 10
        assert asker.people() == PEOPLE


def test_not_even_a_sample_in_time_is_told(
    data: Path, shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def members(*_: Any) -> list[int]:
        raise TooMuchError("the answer takes longer than was allowed")

    monkeypatch.setattr(LakeAsker, "members", members)
    words = ["--workspace", str(shop), "--data", str(data)]
    assert run(["segment", "count", "any(order_completed)", *words]) == OUTSIDE
    assert "give it longer" in capsys.readouterr().err


def test_estimates_are_right_as_often_as_they_say() -> None:
    chance = random.Random(3)
    for one_in, truth in ((32, 9_000), (32, 39_900), (8, 200)):
        right = 0
        for _ in range(200):
            hits = sum(chance.random() < 1 / one_in for _ in range(truth))
            size, error = estimate(hits, one_in)
            right += abs(size - truth) <= error
        assert right >= 180
    assert estimate(7, 1) == (7, 0)
    assert estimate(0, 32) == (0, 96)


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
