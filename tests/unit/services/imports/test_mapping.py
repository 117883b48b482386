"""A mapping says what rows mean; what is wrong with it is told with its place and mend."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from tailorbird.base.problems import ProblemsError
from tailorbird.events.refusal import Refusal, Rule
from tailorbird.ports.table import Row
from tailorbird.services.imports.calls import Call, calls_of
from tailorbird.services.imports.mapping import read_mapping

ORDERS = """
kind: events
types:
  Quantity: number
  Price: {number: ","}
  Date: {timestamp: "%d/%m/%Y %H:%M", zone: Europe/London}
event: Action
names: {bought: Order Completed}
user_id: Customer No
timestamp: Date
message_id: [Order, Article]
properties:
  order_id: Order
  total: quantity * price
  channel: "'shop'"
when: action != 'test'
"""
COLUMNS = ("Action", "Customer No", "Date", "Order", "Article", "Quantity", "Price")
BOUGHT = dict(
    zip(COLUMNS, ("bought", "7", "30/06/2026 12:30", "o1", "a", "3", "1.250,50"), strict=True)
)


def calls(text: str, columns: tuple[str, ...], row: dict[str, Any], number: int = 1) -> list[Call]:
    found = calls_of(read_mapping("m.yaml", text, columns), Row(number, row))
    assert not isinstance(found, Refusal), found
    return found


def refused(text: str, row: dict[str, Any]) -> Refusal:
    found = calls_of(read_mapping("m.yaml", text, tuple(row)), Row(3, row))
    assert isinstance(found, Refusal)
    return found


def problems(text: str, columns: tuple[str, ...] = COLUMNS) -> str:
    with pytest.raises(ProblemsError) as caught:
        read_mapping("m.yaml", text, columns)
    return str(caught.value)


def test_columns_and_expressions_become_an_event() -> None:
    (call,) = calls(ORDERS, COLUMNS, BOUGHT)
    message_id = call.pop("messageId")
    assert call == {
        "type": "track",
        "userId": "7",
        "timestamp": "2026-06-30T11:30:00Z",
        "event": "Order Completed",
        "properties": {"order_id": "o1", "total": 3751.5, "channel": "shop"},
    }
    # The key columns make the id: another quantity is the same row, another article is not.
    (changed,) = calls(ORDERS, COLUMNS, {**BOUGHT, "Quantity": "4"})
    assert changed["messageId"] == message_id
    (other,) = calls(ORDERS, COLUMNS, {**BOUGHT, "Article": "b"})
    assert other["messageId"] != message_id


def test_rows_can_be_left_out_and_cells_be_empty() -> None:
    assert calls(ORDERS, COLUMNS, {**BOUGHT, "Action": "test"}) == []
    (call,) = calls(ORDERS, COLUMNS, {**BOUGHT, "Price": " ", "Customer No": ""})
    assert call["properties"] == {"order_id": "o1", "channel": "shop"}
    assert "userId" not in call


def test_a_value_that_is_not_of_its_type_is_refused_without_showing_it() -> None:
    found = refused(ORDERS, {**BOUGHT, "Quantity": "secret"})
    assert found.field == "Quantity"
    assert "secret" not in str(found)
    assert refused(ORDERS, {**BOUGHT, "Date": "31/02/2026 12:00"}).field == "Date"
    assert refused(ORDERS, {**BOUGHT, "Date": ""}).field == "timestamp"


def test_equal_rows_are_one_event_or_each_counts() -> None:
    text = "kind: events\nevent: \"'x'\"\nuser_id: u\ntimestamp: t\n"
    row = {"u": "1", "t": "2026-01-01"}

    def ids(more: str) -> set[str]:
        return {calls(text + more, ("u", "t"), row, n)[0]["messageId"] for n in (1, 2)}

    assert len(ids("")) == 1
    assert len(ids("same_rows: each\n")) == 2


def test_objects_keep_what_nobody_named() -> None:
    text = (
        "kind: events\ncall: type\nevent: event\nuser_id: who.id\ntimestamp: at\n"
        "context: context\nproperties: properties\nothers: keep\n"
    )
    row = {
        "type": "track",
        "event": "a",
        "who": {"id": 17850},
        "at": "2026-01-01",
        "properties": {"x": 1},
        "properties.y": 2,
        "Some Thing": 3,
        "context": {"ip": "::1"},
    }
    (call,) = calls(text, (), row)
    assert call["userId"] == "17850"
    assert call["properties"] == {"x": 1, "y": 2, "some_thing": 3}
    assert call["context"] == {"ip": "::1"}


def test_what_tables_hold_becomes_json() -> None:
    text = "kind: events\nevent: \"'x'\"\nuser_id: u\ntimestamp: t\nothers: keep\n"
    row = {
        "u": 17850.0,
        "t": datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        "total": Decimal("15.30"),
        "day": date(2026, 1, 1),
        "none": None,
        "list": [{"id": Decimal(3)}],
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "gap": float("nan"),
        "gap_too": Decimal("NaN"),
    }
    (call,) = calls(text, tuple(row), row)
    assert call["userId"] == "17850"
    assert call["timestamp"] == "2026-01-01T00:00:00Z"
    assert call["properties"] == {
        "total": 15.3,
        "day": "2026-01-01",
        "list": [{"id": 3}],
        "at": "2026-01-01T00:00:00Z",
    }


@pytest.mark.parametrize("value", [float("inf"), Decimal("-Infinity"), [float("inf")]])
def test_an_infinite_number_is_refused_and_not_kept_as_nothing(value: Any) -> None:
    text = "kind: people\nuser_id: u\ntraits: {v: v}\n"
    mapping = read_mapping("m.yaml", text, ("u", "v"))
    found = calls_of(mapping, Row(1, {"u": "1", "v": value}))
    assert isinstance(found, Refusal)
    assert (found.rule, found.field) == (Rule.WRONG_TYPE, "v")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("number", "1,234.50", 1234.5),
        ("number", "$ 12", 12),
        ("number", "-0.5", -0.5),
        ("boolean", "Yes", True),
        ("boolean", "maybe", None),
        ("{yes: [SUBSCRIBED], no: [UNSUBSCRIBED]}", "UNSUBSCRIBED", False),
        ("{yes: [SUBSCRIBED], no: [UNSUBSCRIBED]}", "NEVER_SUBSCRIBED", None),
        ("list", '"big, spender",new', ["big, spender", "new"]),
        ("{list: '|'}", "a|b", ["a", "b"]),
        ("list", 'vip,uk\n"new, old"', ["vip", "uk", "new, old"]),
        ("list", "vip\ruk", ["vip", "uk"]),
        ("json", '{"a": 1}', {"a": 1}),
        ("timestamp", "2019-10-01 00:00:00 UTC", "2019-10-01T00:00:00Z"),
        ("{timestamp: unix}", "964982703", "2000-07-30T18:45:03Z"),
        ("{timestamp: unix_ms}", "964982703500", "2000-07-30T18:45:03.500000Z"),
        ("{timestamp: iso, zone: America/New_York}", "20260101", "2026-01-01T05:00:00Z"),
    ],
)
def test_types(kind: str, value: str, expected: Any) -> None:
    text = f"kind: people\ntypes:\n  v: {kind}\nuser_id: u\ntraits: {{v: v}}\n"
    (call,) = calls(text, ("u", "v"), {"u": "1", "v": value})
    assert call["traits"].get("v") == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: evens\n", "Did you mean `events`"),
        ("kind: events\nevent: Acton\nuser_id: Customer No\ntimestamp: Date\n", "`Action`"),
        ("kind: events\nevent: Action\ntimestamp: Date\n", "whose row"),
        ("kind: events\nevent: Action\nuser_id: Customer No\n", "when it happened"),
        ("kind: events\nuser_id: Customer No\ntimestamp: Date\n", "what happened"),
        ("kind: people\nuser_id: Order\nevent: Action\n", "people have no `event`"),
        ("kind: people\nuser_id: Order\ntypes: {Gone: number}\n", "no column `Gone`"),
        ("kind: people\nuser_id: Order\ntypes: {Date: day}\n", "no type `day`"),
        ("kind: people\nuser_id: Order\ntypes: {Date: {timestamp: x}}\n", "no form of a time"),
        ("kind: people\nuser_id: Order\ntypes: {Date: {zone: Moon}}\n", "no zone `Moon`"),
        ("kind: people\nuser_id: Order\nconsent: {news: {at: Date}}\n", "whether it was given"),
        ("kind: people\nuser_id: Order\ntraits: {a: quantity *}\n", "m.yaml:3"),
        ("kind: people\nuser_id: Order\nmesage_id: Order\n", "Did you mean `message_id`"),
    ],
)
def test_what_is_wrong_is_told(text: str, said: str) -> None:
    assert said in problems(text)
