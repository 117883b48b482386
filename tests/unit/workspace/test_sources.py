"""Sources as files: what is read, and what is said of mistakes."""

from __future__ import annotations

import pytest

from tailorbird.language import tree
from tailorbird.workspace.definitions import FieldPath, SourceDefinition
from tailorbird.workspace.loader import parse_workspace


def read(text: str) -> SourceDefinition:
    workspace, problems = parse_workspace({"sources/orders.yaml": text})
    assert workspace is not None, [one.render() for one in problems]
    assert problems == []
    return workspace.sources["orders"]


def test_a_queue_needs_little() -> None:
    found = read("kind: redis\nurl: redis://:${PASSWORD}@redis:6379/0\nstream: events\n")
    assert (found.kind, found.place, found.group, found.format) == (
        "redis",
        "events",
        "tailorbird",
        "segment-json",
    )
    assert found.redeliver_seconds == 30
    assert not found.is_historical


def test_a_map_holds_paths_and_expressions() -> None:
    found = read(
        "kind: kafka\nurl: kafka://a:9092,b:9092\ntopic: orders\nhistorical: true\n"
        "when: test = false\nmap:\n  event: \"'Order Completed'\"\n  user_id: customer.id\n"
        "  properties: {total: total_price * 2, items: line_items}\n  context: event.client\n"
    )
    assert found.map is not None
    assert found.is_historical
    assert found.format == "map"
    assert found.map.fields["user_id"] == FieldPath(parts=("customer", "id"))
    assert isinstance(found.map.fields["event"], tree.Text)
    assert found.map.parts["context"] == FieldPath(parts=("event", "client"))
    assert isinstance(found.when, tree.Compare)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: redes\n", "Did you mean `redis`?"),
        ("kind: nats\nurl: nats://h\n", "a source needs `stream`"),
        ("kind: nats\nurl: http://h\nstream: s\n", "`url` is no URL of nats"),
        ("kind: redis\nurl: 'redis://${A'\nstream: s\n", "this one does not end"),
        ("kind: rabbitmq\nurl: amqp://h\nqueue: q\ntopic: t\n", "a rabbitmq source has no `topic`"),
        ("kind: webhook\nsender: shopify\n", "a source needs `secret`"),
        ("kind: webhook\nsecret: ${A}\nformat: ready-made\n", "there is no ready-made reading"),
        ("kind: webhook\nsecret: ${A}\nformat: map\n", "`format: map` needs `map`"),
        ("kind: webhook\nsecret: ${A}\nmap: {event: a}\n", "nothing says whose event it is"),
        ("kind: webhook\nsecret: ${A}\nmap: {user_id: a}\n", "nothing says what happened"),
        ("kind: webhook\nsecret: ${A}\nwhen: a + 1\n", "this is no condition"),
        ("kind: webhook\nsecret: ${A}\nmap: {user_id: a, event: 'count(x)'}\n", "does not see"),
        ("kind: webhook\nsecret: ${A}\ntolerance: 2h\n", "must lie between 1s and 1h"),
        (
            "kind: webhook\nsecret: ${A}\nmap: {user_id: a, event: b}\nformat: segment-json\n",
            "excl",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, said: str) -> None:
    workspace, problems = parse_workspace({"sources/orders.yaml": text})
    assert workspace is None
    told = "\n".join(one.render() for one in problems)
    assert said in told
    assert all(one.file == "sources/orders.yaml" for one in problems)


@pytest.mark.parametrize(
    "text",
    [
        "kind: redis\nurl: redis://:hunter2@h\nstream: s\n",
        "kind: webhook\nsecret: hunter2\n",
    ],
)
def test_a_secret_in_the_file_is_warned_of(text: str) -> None:
    workspace, problems = parse_workspace({"sources/orders.yaml": text})
    assert workspace is not None
    assert [one.severity for one in problems] == ["warning"]
    assert "hunter2" not in problems[0].render()
