"""Asking Parquet files: each construct, merged identities, given profiles, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tailorbird.base.hashing import hash64
from tailorbird.base.time import Duration, add_months, parse_micros
from tailorbird.language import constructs, evaluate, evaluate_warehouse
from tailorbird.language.api import read_question
from tailorbird.language.history import read_history
from tailorbird.language.warehouse.embedded import Warehouse
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.language.warehouse.frame import Frame, earliest_inside
from tailorbird.language.warehouse.lake import to_text, write_events
from tailorbird.language.warehouse.query import members_query
from tailorbird.language.warehouse.reference import warehouse_page
from tailorbird.language.warehouse.refusals import REFUSED

EVENTS = [
    {"event": name, "timestamp": at, "properties": properties}
    for at, name, properties in constructs.EVENTS
]
PERSONAL = ("traits", "context", "predictions", "clusters")
GIVEN = {name: one for name, one in constructs.GIVEN.items() if name not in PERSONAL}
GIVEN["scores"] = {
    **GIVEN["scores"],
    "fading": {"points": [{"event": "email_opened", "points": 5}], "half_life": "3d"},
}
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "warehouse.md"


@pytest.fixture
def events(tmp_path: Path) -> str:
    path = str(tmp_path / "events.parquet")
    write_events({1: read_history(EVENTS)}, path, promoted=("category", "price", "revenue"))
    return path


@pytest.fixture
def profiles(tmp_path: Path) -> str:
    path = str(tmp_path / "profiles.parquet")
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE profiles AS SELECT 1::BIGINT AS profile_id, ? AS traits, ? AS context,"
            " ? AS predictions, ? AS clusters",
            [to_text(constructs.GIVEN[name]) for name in PERSONAL],
        )
        connection.execute(f"COPY profiles TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize(
    "one",
    constructs.constructs(),
    ids=lambda one: one.words,
)
def test_each_construct_answers_as_the_oracle(
    one: constructs.Construct, events: str, profiles: str
) -> None:
    expected = evaluate(one.example, EVENTS, constructs.NOW, **constructs.GIVEN)
    found = evaluate_warehouse(
        one.example, events, constructs.NOW, profiles_parquet=profiles, **GIVEN
    )
    assert found == {1: expected}
    assert type(found[1]) is type(expected)


def test_rows_of_people_and_instants_are_answered_as_known_then(events: str) -> None:
    asked = [(1, "2026-01-10"), (1, "2026-01-11"), (1, "2026-03-01"), (2, "2026-03-01")]
    found = evaluate_warehouse("count(order_completed)", events, asked)
    at = [parse_micros(when) for _, when in asked]
    assert found == {(1, at[0]): 0, (1, at[1]): 1, (1, at[2]): 2, (2, at[3]): 0}


def test_who_was_merged_is_asked_as_the_survivor(tmp_path: Path) -> None:
    events, merges = str(tmp_path / "events.parquet"), str(tmp_path / "merges.parquet")
    view = {"event": "product_viewed", "timestamp": "2026-02-01"}
    histories = {one: read_history([view]) for one in (1, 2, 3)}
    write_events(histories, events)
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT 2 AS profile_id, 1 AS survivor_id) TO '{merges}' (FORMAT parquet)"
        )
    found = evaluate_warehouse("count(product_viewed)", events, "2026-03-01", merges_parquet=merges)
    assert found == {1: 2, 3: 1}


def test_members_are_those_for_whom_the_condition_holds(tmp_path: Path) -> None:
    events = str(tmp_path / "events.parquet")
    views = [{"event": "a", "timestamp": f"2026-02-0{day}"} for day in range(1, 5)]
    write_events({n: read_history(views[:n]) for n in (1, 2, 3, 4)}, events)
    warehouse = Warehouse(events)
    warehouse.ask_everybody()
    now = parse_micros("2026-02-05")
    for text in (
        "count(a) > 2",
        "count(a) < 3",
        "none(b) and count(a) between 2 and 3",
        "any(b) or since(a) < 2d",
        "not any(a within 2d)",
    ):
        node, person = read_question(text, {})
        query = members_query(node, Frame(now=now), person)
        found = {row[0] for row in warehouse.connection.execute(query.text()).fetchall()}
        assert found == {n for n in (1, 2, 3, 4) if evaluate(text, views[:n], now)}, text
    warehouse.close()


@pytest.mark.parametrize("one_in", [1, 4, 32])
def test_a_sample_is_of_some_people_with_all_their_events(tmp_path: Path, one_in: int) -> None:
    people = [hash64("profile", "user_id", f"u{number}") for number in range(2_000)]
    lost = {hash64("anonymous", f"a{number}"): people[number] for number in range(50)}
    connection = duckdb.connect()
    connection.execute("CREATE TABLE e (profile_id BIGINT, timestamp TIMESTAMP, event VARCHAR)")
    for ids in (people, people, list(lost)):
        insert = "INSERT INTO e SELECT unnest(?), TIMESTAMP '2026-01-01', 'seen'"
        connection.execute(insert, [ids])
    connection.execute("CREATE TABLE m AS SELECT unnest(?) AS profile_id, unnest(?) AS survivor_id",
                       [list(lost), list(lost.values())])  # fmt: skip
    for name in ("e", "m"):
        connection.execute(f"COPY {name} TO '{tmp_path / name}.parquet'")
    warehouse = Warehouse(f"{tmp_path}/e.parquet", merges=f"{tmp_path}/m.parquet")
    warehouse.sample(one_in)
    rows = dict(warehouse.rows("SELECT profile_id, count(*) FROM events GROUP BY ALL"))
    warehouse.close()
    assert set(rows) <= set(people)
    assert all(rows[one] == 2 + (one in lost.values()) for one in rows)
    assert abs(len(rows) - len(people) / one_in) <= 4 * (len(people) / one_in) ** 0.5 * (one_in > 1)


def test_columns_alone_are_enough(tmp_path: Path) -> None:
    path = str(tmp_path / "plain.parquet")
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'ann' AS profile_id, TIMESTAMP '2026-01-01' AS timestamp, 'a' AS event)"
            f" TO '{path}' (FORMAT parquet)"
        )
    found = evaluate_warehouse("since(a)", path, "2026-01-02")
    assert found == {"ann": timedelta(days=1)}


def test_a_file_without_a_needed_column_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "poor.parquet")
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 1 AS profile_id) TO '{path}' (FORMAT parquet)")
    with pytest.raises(WarehouseError, match="has no column timestamp"):
        evaluate_warehouse("count(a)", path, "2026-01-01")


@pytest.mark.parametrize(("what", "example", "why"), REFUSED)
def test_what_is_refused_is_refused_by_name(what: str, example: str, why: str, events: str) -> None:
    trigger = {"event": "a", "timestamp": "2026-01-01", "properties": {"products": ["a"]}}
    with pytest.raises(WarehouseError):
        evaluate_warehouse(example, events, constructs.NOW, **{**GIVEN, "event": trigger})


@pytest.mark.parametrize("promoted", [(), ("p", "q")])
def test_promoted_properties_answer_as_json_does(tmp_path: Path, promoted: tuple[str, ...]) -> None:
    path = str(tmp_path / "events.parquet")
    values: list[Any] = [1, "1", True, None, 0.1, 5e-10, 1.5e-9, 1e15, {}, "é", 2]
    history = [
        {"event": "a", "timestamp": f"2026-01-{day:02d}", "properties": {"p": one, "q": "x"}}
        for day, one in enumerate(values, 1)
    ]
    write_events({1: read_history(history)}, path, promoted=promoted)
    for text in (
        "sum(a.p)", "avg(a.p within 1y)", "min(a.p)", "max(a.p)", "distinct(a.p)",
        "favourite(a.p)", "most(a by p)", "first(a.p)", "last(a.p)", "count(a where p = 1)",
        "count(a where p != 1)", "count(a where p is null)", "count(a where p = '1')",
        "favourite(a.q)", "sum(a.q)", "first(a.p within 1y)", "followed(a, a by p)",
        "any(a where p)", "count(a where p contains 'é')",
    ):  # fmt: skip
        expected = evaluate(text, history, "2026-02-01")
        assert evaluate_warehouse(text, path, "2026-02-01") == {1: expected}, text


@pytest.mark.parametrize("op", ["<", "<=", ">", ">=", "=", "!="])
@pytest.mark.parametrize(
    "question", ["since(b) {} 1mo", "age(traits.born) {} 1y", "since(b) {} 1d"]
)
def test_what_is_missing_is_of_no_age(tmp_path: Path, question: str, op: str) -> None:
    path = str(tmp_path / "events.parquet")
    write_events({1: read_history([{"event": "a", "timestamp": "2026-01-01"}])}, path)
    text = question.format(op)
    for now in ("2026-02-01", [(1, "2026-02-01")]):
        assert list(evaluate_warehouse(text, path, now).values()) == [False], text
        assert list(evaluate_warehouse(f"not {text}", path, now).values()) == [True], text


@pytest.mark.parametrize("now", ["2026-03-01", "2026-02-28T23:59:59Z", "2024-02-29", "2026-05-31"])
@pytest.mark.parametrize("months", [1, 2, 12])
def test_a_window_of_months_begins_at_the_first_instant_that_is_inside(
    now: str, months: int
) -> None:
    at, window = parse_micros(now), Duration(months=months)
    first = earliest_inside(window, at)
    assert add_months(first, months) > at >= add_months(first - 1, months)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-31", "2024-01-31T10:00", "2024-01-31 10:00:00.5Z", "2024-01-31T10:00:00+05:30",
        "2024-01-31T10", "2024-13-31", "2024-02-30", "soon enough", " 2024-01-31 ",
        "2024-01-31T25:00", "2024-01-31T10:00:00.1234567", "2024-01-31T10:00:00-0330",
    ],
)  # fmt: skip
def test_instants_in_texts_are_read_as_the_oracle_does(tmp_path: Path, text: str) -> None:
    path = str(tmp_path / "events.parquet")
    history = [{"type": "identify", "timestamp": "2026-01-01", "traits": {"born": text}}]
    write_events({1: read_history(history)}, path)
    for question in ("age(traits.born)", "anniversary(traits.born)", "age(traits.born) > 1y"):
        expected = evaluate(question, history, "2026-01-31")
        assert evaluate_warehouse(question, path, "2026-01-31") == {1: expected}, question


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland", "UTC", "nowhere"])
def test_the_calendar_is_the_persons_own_over_a_change_of_the_clock(
    tmp_path: Path, zone: str
) -> None:
    path = str(tmp_path / "events.parquet")
    history = [{"type": "identify", "timestamp": "2026-01-01", "traits": {"timezone": zone}}]
    write_events({1: read_history(history)}, path)
    hours = [f"2026-{day}T{hour:02d}:59:59Z" for day in ("03-08", "04-04", "11-01")
             for hour in range(24)]  # fmt: skip
    for question in ("hour(now)", "weekday(now)", "date(now)", "month(now)"):
        found = evaluate_warehouse(question, path, [(1, at) for at in hours])
        expected = {(1, parse_micros(at)): evaluate(question, history, at) for at in hours}
        assert found == expected, question


def test_nobody_loads_the_warehouse_who_does_not_ask_it() -> None:
    code = (
        "import sys, tailorbird.language as language; assert language.evaluate_warehouse;"
        " sys.exit(bool({'sqlglot', 'duckdb'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_page_is_fresh() -> None:
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(warehouse_page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == warehouse_page(), (
        "renew it: UPDATE_DOCS=1 .venv/bin/pytest tests/unit/language/test_warehouse.py"
    )
