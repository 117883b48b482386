"""The public functions: what they take, what they give back, what they refuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tailorbird.language import ExpressionError, changes, evaluate, evaluate_streaming

START = datetime(2026, 3, 1, tzinfo=UTC)
ENGINES = [evaluate, evaluate_streaming]


def track(name: str, day: float, **more: Any) -> dict[str, Any]:
    return {"event": name, "timestamp": START + timedelta(days=day), **more}


@pytest.mark.parametrize("engine", ENGINES)
def test_values_come_back_as_plain_python(engine: Any) -> None:
    events = [track("a", 0, properties={"n": 0.1, "xs": ["x", 1], "big": 99999999999.123456789})]
    now = START + timedelta(days=1)
    assert engine("count(a) > 0", events, now) is True
    assert engine("count(a)", events, now) == 1
    assert engine("sum(a.n)", events, now) == 0.1
    assert engine("last(a.xs)", events, now) == ["x", 1]
    assert engine("since(a)", events, now) == timedelta(days=1)
    assert engine("now", events, now) == now
    assert engine("avg(b.n)", events, now) is None
    assert isinstance(engine("last(a.big) + 0.000000001", events, now), (float, Decimal))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("now", ["2026-03-02", "2026-03-02T00:00:00Z", "2026-03-02T01:00:00+01:00"])
def test_instants_come_in_many_forms(engine: Any, now: str) -> None:
    events = [{"event": "a", "timestamp": "2026-03-01T00:00:00.000Z"}]
    moment = datetime.fromisoformat("2026-03-02T00:00:00+00:00")
    micros = int(moment.timestamp()) * 1_000_000
    assert engine("since(a) = 1d", events, now)
    assert engine("since(a) = 1d", events, moment)
    assert engine("since(a) = 1d", events, moment.replace(tzinfo=None))
    assert engine("since(a) = 1d", events, micros)


@pytest.mark.parametrize("engine", ENGINES)
def test_calls_other_than_track_have_event_names(engine: Any) -> None:
    events = [
        {"type": "page", "timestamp": START, "properties": {"path": "/sale/x"}},
        {"type": "identify", "timestamp": START, "traits": {"city": "Oslo"}},
        {"type": "track", "event": "Product Viewed", "timestamp": START},
    ]
    now = START + timedelta(days=1)
    assert engine("last(page_viewed.path) like '/sale/%'", events, now)
    assert engine("count(identified) = 1 and count(product_viewed) = 1", events, now)
    assert engine("traits.city = 'Oslo'", events, now)


@pytest.mark.parametrize("engine", ENGINES)
def test_duplicates_count_once(engine: Any) -> None:
    events = [track("a", 0, messageId="m"), track("a", 0, messageId="m"), track("a", 0)]
    assert engine("count(a)", events, START) == 2


def test_streaming_takes_the_running_maximum_of_now() -> None:
    events = [track("a", 5), track("b", 1), track("c", 9)]
    now = START + timedelta(days=6)
    assert evaluate_streaming("count(a) + count(b) + count(c)", events, now) == 2
    assert evaluate_streaming("followed(b, a within 5d)", events, now)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([5], r"events\[0\] is of type int"),
        ([{"event": "a"}], r"events\[0\].timestamp is missing"),
        ([{"timestamp": START}], r"events\[0\].event is None"),
        ([{"event": "!!", "timestamp": START}], r"events\[0\].event is '!!'"),
        ([{"event": "a", "timestamp": "soon"}], r"events\[0\].timestamp is not an instant"),
        ([{"event": "a", "timestamp": 1.5}], r"events\[0\].timestamp is of type float"),
        ([{"event": "a", "timestamp": 10**30}], r"outside the years"),
        ([{"event": "a", "timestamp": START, "properties": []}], r"events\[0\].properties"),
        ([{"type": "buy", "timestamp": START}], r"events\[0\].type is 'buy'"),
    ],
)
def test_events_that_cannot_be_read(events: Any, message: str) -> None:
    for engine in ENGINES:
        with pytest.raises(ValueError, match=message):
            engine("count(a)", events, START)


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="unknown argument 'zone'"):
        evaluate("true", [], START, zone="UTC")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="no IANA name"):
        evaluate("true", [], START, timezone="Mars/Olympus")
    with pytest.raises(ValueError, match="now is not an instant"):
        evaluate("true", [], "soon")
    with pytest.raises(ValueError, match="half_life"):
        evaluate("true", [], START, scores={"s": {"points": [], "half_life": "1mo"}})


@pytest.mark.parametrize("text", ["count(a", "count(a) > 'x'", "in segment('nowhere')"])
def test_a_wrong_expression_tells_its_place(text: str) -> None:
    for call in (
        lambda: evaluate(text, [], START, segments={}),
        lambda: evaluate_streaming(text, [], START, segments={}),
        lambda: changes(text, [], until=START, segments={}),
    ):
        with pytest.raises(ExpressionError) as caught:
            call()
        assert caught.value.line == 1
        assert caught.value.column >= 1


def test_definitions_that_refer_to_each_other_are_refused() -> None:
    segments = {"a": "in segment('b')", "b": "not in segment('a')"}
    with pytest.raises(ExpressionError, match="refers to itself"):
        evaluate("in segment('a')", [], START, segments=segments)


def test_changes_lists_every_instant() -> None:
    events = [track("a", 0), track("a", 1)]
    until = START + timedelta(days=30)
    assert changes("count(a within 3d) >= 2", events, until=until) == [
        START + timedelta(days=1),
        START + timedelta(days=3),
    ]
    assert changes("count(a within 3d)", events, until=until) == [
        START + timedelta(days=day) for day in (0, 1, 3, 4)
    ]
    assert changes("since(a) > 2d", events, until=until) == [
        START + timedelta(days=3, microseconds=1)
    ]
    assert changes("since(a) >= 1d", events, until=until) == [START + timedelta(days=2)]
    assert changes("none(a)", events, until=until) == [START]
    assert changes("abandoned(a, b after 30m)", events, until=until) == [
        START + timedelta(minutes=30),
        START + timedelta(days=1),
        START + timedelta(days=1, minutes=30),
    ]


def test_changes_up_to_and_including_until_and_since() -> None:
    events = [track("a", 0)]
    text = "any(a within 3d)"
    last = START + timedelta(days=3)
    assert changes(text, events, until=last) == [START, last]
    assert changes(text, events, until=last - timedelta(microseconds=1)) == [START]
    assert changes(text, events, until=last, since=START + timedelta(days=1)) == [last]
    assert changes(text, [], until=last) == []


def test_changes_without_events_need_a_beginning() -> None:
    found = changes(
        "anniversary(traits.birthday)",
        [],
        since="2026-01-01",
        until="2027-12-31",
        traits={"birthday": "1990-05-04"},
        timezone="Europe/Berlin",
    )
    assert [moment.isoformat() for moment in found] == [
        "2026-05-03T22:00:00+00:00",
        "2026-05-04T22:00:00+00:00",
        "2027-05-03T22:00:00+00:00",
        "2027-05-04T22:00:00+00:00",
    ]


def test_a_late_event_changes_the_present_only() -> None:
    events = [track("a", 0), track("b", 1, receivedAt=START + timedelta(days=5))]
    until = START + timedelta(days=30)
    assert changes("abandoned(a, b after 2d)", events, until=until) == [
        START + timedelta(days=2),
        START + timedelta(days=5),
    ]


def test_a_value_that_glides_has_no_list_of_changes() -> None:
    with pytest.raises(ExpressionError, match="changes all the time"):
        changes("since(a)", [track("a", 0)], until=START + timedelta(days=1))


def test_definitions_may_be_constants_or_trees() -> None:
    given: dict[str, Any] = {"segments": {"vip": True}, "scores": {"s": 85.5}}
    for engine in ENGINES:
        assert engine("in segment('vip') and score('s') > 85", [], START, **given)
    with pytest.raises(ValueError, match="score 's' is of type list"):
        evaluate("true", [], START, scores={"s": []})


def test_a_group_call_tells_the_group_and_no_trait_of_the_person() -> None:
    events = [
        {"type": "group", "groupId": "acme", "traits": {"plan": "gold"}, "timestamp": "2026-01-01"},
    ]
    for ask in (evaluate, evaluate_streaming):
        assert ask("traits.group_id = 'acme'", events, "2026-01-02") is True
        assert ask("traits.plan is null", events, "2026-01-02") is True
