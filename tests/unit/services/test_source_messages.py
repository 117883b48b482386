"""Messages of queues and webhooks become calls; whatever they hold, nothing breaks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorbird.events.refusal import Rule
from tailorbird.services.source_messages import Bad, Item, items_of
from tailorbird.workspace.definitions import SourceDefinition
from tailorbird.workspace.loader import parse_workspace

NOW = 1_700_000_000_000_000
PLAIN = "kind: redis\nurl: redis://h\nstream: s\n"
MAPPED = PLAIN + (
    "when: a is null or not a = 'skip'\nmap:\n  type: kind\n  event: \"'Order Paid'\"\n"
    "  user_id: id\n  message_id: lines.0.id\n"
    "  properties: {a: a, twice: a * 2, one: 'coalesce(a.b, a)', n: length(a), when: a.0}\n"
    "  traits: {email: lower(mail)}\n  context: client\n"
)


def source(text: str) -> SourceDefinition:
    workspace, problems = parse_workspace({"sources/orders.yaml": text})
    assert workspace is not None, problems
    return workspace.sources["orders"]


def call_of(text: str, message: object) -> dict[str, object]:
    (item,) = items_of(source(text), json.dumps(message).encode(), "1", None, NOW)
    assert isinstance(item, Item)
    found: dict[str, object] = json.loads(item.raw)
    return found


def test_a_map_reads_paths_as_they_are_and_computes_the_rest() -> None:
    message = {"id": 7, "kind": "identify", "a": 1.5, "mail": "A@B.C", "lines": [{"id": "x"}]}
    assert call_of(MAPPED, {**message, "client": {"ip": "203.0.113.7"}}) == {
        "type": "identify",
        "event": "Order Paid",
        "userId": "7",
        "messageId": "x",
        "properties": {"a": 1.5, "twice": 3, "one": 1.5},
        "traits": {"email": "a@b.c"},
        "context": {"ip": "203.0.113.7"},
    }


@pytest.mark.parametrize(
    ("at", "instant"),
    [
        (1769853600, "2026-01-31T10:00:00Z"),
        ("1769853600123", "2026-01-31T10:00:00.123000Z"),
        ("2026-01-31T11:00:00+01:00", "2026-01-31T10:00:00Z"),
        ("soon", "soon"),
        (True, True),
    ],
)
def test_a_map_reads_instants_however_they_are_written(at: object, instant: object) -> None:
    text = f"{PLAIN}map: {{event: \"'a'\", user_id: id, timestamp: at}}\n"
    assert call_of(text, {"id": "u", "at": at})["timestamp"] == instant


def test_when_leaves_messages_out() -> None:
    assert items_of(source(MAPPED), b'{"a": "skip"}', "1", None, NOW) == []
    assert len(items_of(source(MAPPED), b'{"a": "keep"}', "1", None, NOW)) == 1


def test_positions_name_what_has_no_name() -> None:
    def ids(body: bytes, position: str) -> list[str]:
        found = items_of(source(PLAIN), body, position, None, NOW)
        return [one.fresh_id for one in found if isinstance(one, Item)]

    batch = b'{"batch": [{}, {}, {}]}'
    assert ids(b"{}", "1-0") == ids(b"{}", "1-0") != ids(b"{}", "1-1")
    assert len(set(ids(batch, "1-0"))) == 3
    assert ids(batch, "1-0") == ids(batch, "1-0")


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", Rule.NOT_JSON),
        (b"\xff", Rule.NOT_JSON),
        (b"[]", Rule.NOT_AN_OBJECT),
        (b'{"a": ' + b"[" * 500 + b"]" * 500 + b"}", Rule.TOO_DEEP),
        (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", Rule.TOO_DEEP),
        (b" " * 600_000, Rule.TOO_LARGE),
        (b'{"batch": [' + b"{}," * 2_500 + b"{}]}", Rule.TOO_MANY),
    ],
)
def test_what_is_no_message_is_told(body: bytes, rule: Rule) -> None:
    text = PLAIN if rule is Rule.TOO_MANY else MAPPED
    (found,) = items_of(source(text), body, "1", None, NOW)
    assert isinstance(found, Bad)
    assert found.refusal.rule is rule


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)
READ = source(MAPPED)


@given(
    message=st.fixed_dictionaries({}, optional=dict.fromkeys(("a", "id", "mail", "lines"), JSON))
)
def test_any_json_becomes_calls_or_refusals(message: dict[str, object]) -> None:
    for found in items_of(READ, json.dumps(message).encode(), "1", None, NOW):
        assert isinstance(found, (Item, Bad))


@given(body=st.binary(max_size=200))
def test_any_bytes_become_calls_or_refusals(body: bytes) -> None:
    for found in items_of(READ, body, "1", None, NOW):
        assert isinstance(found, (Item, Bad))
