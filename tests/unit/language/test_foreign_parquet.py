"""Parquet that somebody else wrote: other types of columns, names as they were sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tailorbird.language import evaluate, evaluate_warehouse
from tailorbird.language.warehouse.errors import WarehouseError

NOW = "2026-03-01T12:00:00Z"
AT = [datetime(2026, *at, tzinfo=UTC).replace(tzinfo=None) for at in ((1, 10), (2, 20), (2, 25, 8))]
PROPERTIES: list[dict[str, Any]] = [
    {"revenue": 100.5, "coupon": "WELCOME", "tags": ["a", "b"], "is_paid": True},
    {"revenue": 40.0, "coupon": None, "tags": ["b"], "is_paid": False},
    {"revenue": None, "coupon": None, "tags": None, "is_paid": None},
]
QUESTIONS = (
    "count(order_completed)",
    "sum(order_completed.revenue)",
    "first(order_completed.coupon)",
    "any(order_completed where tags contains 'a' and is_paid = true)",
    "distinct(order_completed.tags)",
    "since(order_completed)",
)
STAMPS = pa.array(AT, pa.timestamp("us"))
TEXTS = pa.array([json.dumps(one) for one in PROPERTIES])


def write(folder: Path, **columns: Any) -> str:
    path = str(folder / "events.parquet")
    pq.write_table(
        pa.table({"profile_id": [1, 1, 2], "event": ["order_completed"] * 3} | columns), path
    )
    return path


def expected(question: str) -> dict[int, Any]:
    events = [
        {"event": "order_completed", "timestamp": at, "properties": properties}
        for at, properties in zip(AT, PROPERTIES, strict=True)
    ]
    return {1: evaluate(question, events[:2], NOW), 2: evaluate(question, events[2:], NOW)}


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_stamps_of_any_precision_and_zone_are_instants(
    unit: str, zone: str | None, tmp_path: Path
) -> None:
    utc = STAMPS.cast(pa.timestamp("us", "UTC"))
    stamps = STAMPS.cast(pa.timestamp(unit)) if zone is None else utc.cast(pa.timestamp(unit, zone))
    path = write(tmp_path, timestamp=stamps, known_at=stamps, properties=TEXTS)
    for question in QUESTIONS:
        assert evaluate_warehouse(question, path, NOW) == expected(question)


@pytest.mark.parametrize(
    "stamps",
    [
        pa.array([f"{at.isoformat()}Z" for at in AT]),
        pa.array([f"{at.isoformat()}+00:00" for at in AT]).dictionary_encode(),
        STAMPS.cast(pa.int64()),
    ],
    ids=["texts", "texts with an offset", "microseconds"],
)
def test_instants_may_be_texts_or_microseconds(stamps: pa.Array, tmp_path: Path) -> None:
    path = write(tmp_path, timestamp=stamps, properties=TEXTS)
    for question in QUESTIONS:
        assert evaluate_warehouse(question, path, NOW) == expected(question)


@pytest.mark.parametrize(
    "columns",
    [
        {"properties": TEXTS.cast(pa.large_string())},
        {"properties": TEXTS.dictionary_encode()},
        {"properties": TEXTS.cast(pa.binary())},
        {"properties": pa.array(PROPERTIES)},
        {name: pa.array([one[name] for one in PROPERTIES]) for name in PROPERTIES[0]},
    ],
    ids=["large texts", "words", "bytes", "structs", "columns of their own"],
)
def test_properties_may_have_any_form(columns: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path, timestamp=STAMPS, **columns)
    for question in QUESTIONS:
        assert evaluate_warehouse(question, path, NOW) == expected(question)


@pytest.mark.parametrize("column", ["event", "name"])
def test_names_of_events_are_compared_in_snake_case(column: str, tmp_path: Path) -> None:
    names = pa.array(["Order Completed", "orderCompleted", "ORDER COMPLETED"])
    table = pa.table({"profile_id": [1, 1, 2], "timestamp": STAMPS, "properties": TEXTS})
    path = str(tmp_path / "events.parquet")
    pq.write_table(table.append_column(column, names), path)
    for question in QUESTIONS:
        assert evaluate_warehouse(question, path, NOW) == expected(question)


def test_the_order_of_rows_breaks_ties(tmp_path: Path) -> None:
    stamps = pa.array([AT[0]] * 3, pa.timestamp("us"))
    path = write(tmp_path, timestamp=stamps, properties=TEXTS, profile_id=[1, 1, 1])
    assert evaluate_warehouse("first(order_completed.revenue)", path, NOW) == {1: 100.5}
    assert evaluate_warehouse("last(order_completed.revenue)", path, NOW) == {1: None}


def test_what_came_later_is_not_known_before(tmp_path: Path) -> None:
    received = pa.array([None, AT[1] + timedelta(days=60), None], pa.timestamp("ns", "UTC"))
    path = write(tmp_path, timestamp=STAMPS, received_at=received, properties=TEXTS)
    assert evaluate_warehouse("count(order_completed)", path, NOW) == {1: 1, 2: 1}


def test_a_row_of_nobody_is_nobodys(tmp_path: Path) -> None:
    path = write(tmp_path, timestamp=STAMPS, profile_id=pa.array([1, None, None], pa.int64()))
    assert evaluate_warehouse("count(order_completed)", path, NOW) == {1: 1}


def test_promoted_numbers_need_not_be_decimals(tmp_path: Path) -> None:
    path = write(tmp_path, timestamp=STAMPS, revenue__number=pa.array([100.5, 40.0, None]))
    assert evaluate_warehouse("sum(order_completed.revenue)", path, NOW) == {1: 140.5, 2: 0}


def test_given_profiles_may_be_structs(tmp_path: Path) -> None:
    path = write(tmp_path, timestamp=STAMPS)
    profiles = str(tmp_path / "profiles.parquet")
    pq.write_table(pa.table({"profile_id": [2], "traits": [{"city": "Rome"}]}), profiles)
    found = evaluate_warehouse("traits.city", path, NOW, profiles_parquet=profiles)
    assert found == {1: None, 2: "Rome"}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"timestamp": pa.array([1.5, 2.5, 3.5])}, "column timestamp is of type DOUBLE; write"),
        ({"timestamp": STAMPS, "event": pa.array([1, 2, 3])}, "column event is of type BIGINT"),
        (
            {"timestamp": STAMPS, "properties": pa.array([[1], [2], [3]])},
            r"column properties is of type BIGINT\[\]; write objects",
        ),
        (
            {"timestamp": STAMPS, "properties": pa.array(["{}", "{no", "{}"])},
            "Malformed JSON at byte 1.*as a JSON object",
        ),
        ({"timestamp": pa.array(["today"] * 3)}, "invalid timestamp.*write instants like 2026"),
    ],
)
def test_what_cannot_be_read_is_named(columns: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = write(tmp_path, **columns)
    with pytest.raises(WarehouseError, match=said):
        evaluate_warehouse("sum(order_completed.revenue)", path, NOW)


@pytest.mark.parametrize("content", [b"", b"profile_id,event\n1,a\n", b"PAR1" + b"\0" * 20])
def test_a_file_that_is_no_parquet_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    path.write_bytes(content)
    with pytest.raises(WarehouseError, match=r"cannot read .*events\.parquet: "):
        evaluate_warehouse("count(order_completed)", str(path), NOW)


def test_files_may_differ_in_their_columns(tmp_path: Path) -> None:
    for number, extra in enumerate(("", ", 'shoes' AS category__text")):
        with duckdb.connect() as connection:
            connection.execute(
                f"COPY (SELECT {number}::BIGINT AS profile_id, 'a' AS event,"
                f" TIMESTAMP '2026-01-01' AS timestamp{extra})"
                f" TO '{tmp_path}/{number}.parquet' (FORMAT parquet)"
            )
    found = evaluate_warehouse("count(a where category = 'shoes')", f"{tmp_path}/*.parquet", NOW)
    assert found == {0: 0, 1: 1}


def test_rows_without_a_timestamp_are_not_passed_over(tmp_path: Path) -> None:
    stamps = pa.array([AT[0], None, AT[2]], pa.timestamp("us"))
    path = write(tmp_path, timestamp=stamps, properties=TEXTS)
    with pytest.raises(WarehouseError, match="1 of its rows lack a timestamp"):
        evaluate_warehouse("count(order_completed)", path, NOW)
