"""From bytes to events: what is accepted, what is refused, and what the refusal says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorbird.base.time import format_micros, parse_micros
from tailorbird.events.decode import CALLS, Accepted, decode_item, message_id_of, spread
from tailorbird.events.documents import Batch, decode_batch, decode_body, sent_at_of
from tailorbird.events.event import Event
from tailorbird.events.refusal import MENDS, Refusal, Rule

NOW = parse_micros("2026-03-01T12:00:00Z")
PAYLOADS = json.loads(
    (Path(__file__).parents[2] / "data" / "segment-spec" / "payloads.json").read_text()
)


def decode(message: Any, call: str | None = None, sent_at: int | None = None) -> Accepted | Refusal:
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    return decode_item(data, call=call, now=NOW, sent_at=sent_at, fresh_id="fresh")


def accepted(message: Any, call: str | None = None, sent_at: int | None = None) -> Event:
    found = decode(message, call, sent_at)
    assert isinstance(found, Accepted), found
    return found.event


def refused(message: Any, call: str | None = None) -> Refusal:
    found = decode(message, call)
    assert isinstance(found, Refusal), found
    return found


def full_calls() -> list[dict[str, Any]]:
    found = []
    for one in PAYLOADS:
        payload = one["payload"]
        if isinstance(payload, dict) and payload.get("type") in CALLS:
            found.append(payload)
    return found


def test_every_full_call_of_segments_specification_is_accepted_and_kept_whole() -> None:
    calls = full_calls()
    assert len(calls) > 10
    for payload in calls:
        if not payload.get("userId") and not payload.get("anonymousId"):
            continue
        event = accepted(payload)
        sent = payload.get("traits" if payload["type"] in ("identify", "group") else "properties")
        for key, value in (sent or {}).items():
            assert event.properties[key] == value


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Order Completed", "order_completed"),
        ("orderCompleted", "order_completed"),
        ("ORDER-completed", "order_completed"),
        ("Größe Geändert", "größe_geändert"),
    ],
)
def test_event_names_are_compared_in_snake_case_and_kept_as_sent(given: str, name: str) -> None:
    event = accepted({"event": given, "userId": "u"}, "track")
    assert (event.name, event.name_as_sent) == (name, given)


def test_the_clients_wrong_clock_is_corrected_by_when_it_says_it_sent() -> None:
    # The client's clock is an hour fast: it did it ten seconds before it sent it.
    sent_at = parse_micros("2026-03-01T13:00:00Z")
    message = {"event": "x", "userId": "u", "timestamp": "2026-03-01T12:59:50Z"}
    assert accepted(message, "track", sent_at).timestamp == NOW - 10_000_000


def test_nothing_lies_in_the_future() -> None:
    event = accepted({"event": "x", "userId": "u", "timestamp": "2030-01-01T00:00:00Z"}, "track")
    assert event.timestamp == NOW
    assert event.original_timestamp == parse_micros("2030-01-01T00:00:00Z")


def test_a_batch_keeps_its_order_where_timestamps_are_equal() -> None:
    items = [decode({"event": name, "userId": "u", "messageId": name}, "track") for name in "cab"]
    good = [one for one in items if isinstance(one, Accepted)]
    spread(good)
    assert [one.event.timestamp - NOW for one in good] == [0, 1, 2]


def test_equal_timestamps_keep_their_order_where_the_next_microsecond_is_taken() -> None:
    stamps = ("2026-01-01T00:00:00Z",) * 2 + ("2026-01-01T00:00:00.000001Z",) * 2
    items = [
        decode({"event": "x", "userId": "u", "messageId": str(i), "timestamp": stamp}, "track")
        for i, stamp in enumerate(stamps)
    ]
    good = [one for one in items if isinstance(one, Accepted)]
    spread(good)
    found = [one.event.timestamp for one in good]
    assert found == sorted(set(found))


def test_the_timestamp_as_sent_is_kept_where_it_was_corrected() -> None:
    sent_at = parse_micros("2026-03-01T13:00:00Z")
    message = {"event": "x", "userId": "u", "timestamp": "2026-03-01T12:59:50Z"}
    event = accepted(message, "track", sent_at)
    assert event.original_timestamp == parse_micros("2026-03-01T12:59:50Z")
    assert accepted(message | {"timestamp": "2026-01-01t00:00:00z"}, "track").timestamp == (
        parse_micros("2026-01-01T00:00:00Z")
    )


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize("sent", [None, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_instants_stay_within_the_years_that_can_be_shown(stamp: str, sent: str | None) -> None:
    sent_at = None if sent is None else parse_micros(sent)
    event = accepted({"event": "x", "userId": "u", "timestamp": stamp}, "track", sent_at)
    for at in (event.timestamp, event.original_timestamp):
        assert at is None or format_micros(at)
    assert event.timestamp <= NOW


def test_a_batch_keeps_the_names_of_refused_messages() -> None:
    assert message_id_of(b'{"messageId":"m","type":[{}]}') == "m"
    for data in (b"7", b"{", b'{"messageId":5}', b'{"messageId":"' + b"m" * 600 + b'"}'):
        assert message_id_of(data) is None


def test_traits_come_from_the_context_where_rudderstack_puts_them() -> None:
    event = accepted(
        {"type": "identify", "userId": "u", "context": {"traits": {"email": "a@b.example"}}}
    )
    assert event.properties == {"email": "a@b.example"}
    assert event.context == {}


def test_identify_names_the_person_by_every_identifier_strongest_first() -> None:
    found = decode(
        {
            "type": "identify",
            "userId": "u",
            "anonymousId": "a",
            "traits": {"email": "Ada@Shop.example ", "phone": "+41791234567"},
        }
    )
    assert isinstance(found, Accepted)
    assert found.identifiers == [
        ("user_id", "u"),
        ("anonymous_id", "a"),
        ("email", "ada@shop.example"),
        ("phone", "+41791234567"),
    ]


def test_text_is_normalised_and_numbers_stay_numbers() -> None:
    event = accepted(
        b'{"event":"x","userId":"u","properties":{"t":"Cafe\\u0301","n":2.55,"i":7}}', "track"
    )
    assert event.properties == {"t": "Caf\u00e9", "n": 2.55, "i": 7}


@pytest.mark.parametrize("value", ["", "null", "undefined", "Anonymous", "0", None])
def test_values_that_stand_for_nobody_do_not_identify(value: str | None) -> None:
    refusal = refused({"event": "x", "userId": value}, "track")
    assert (refusal.rule, refusal.field) == (Rule.NOBODY, "userId")


@pytest.mark.parametrize(
    ("message", "rule", "field"),
    [
        (b"{", Rule.NOT_JSON, "event"),
        (b"\xff\xfe", Rule.NOT_JSON, "event"),
        (b"[1]", Rule.NOT_AN_OBJECT, "event"),
        (b"[" * 100_000, Rule.TOO_LARGE, "event"),
        (b'{"event":"x","userId":"u","properties":' + b"[" * 2_000 + b"]" * 2_000 + b"}", None, ""),
        ({"type": "dance", "userId": "u"}, Rule.UNKNOWN_CALL, "type"),
        ({"userId": "u"}, Rule.MISSING, "type"),
        ({"type": "track", "userId": "u"}, Rule.MISSING, "event"),
        ({"type": "track", "event": "??", "userId": "u"}, Rule.MISSING, "event"),
        ({"type": "track", "event": 5, "userId": "u"}, Rule.WRONG_TYPE, "event"),
        ({"type": "track", "event": "x", "userId": ["u"]}, Rule.WRONG_TYPE, "userId"),
        ({"type": "track", "event": "x", "userId": "u" * 600}, Rule.TOO_LARGE, "userId"),
        (
            {"type": "track", "event": "x", "userId": "u", "properties": 3},
            Rule.WRONG_TYPE,
            "properties",
        ),
        (
            {"type": "track", "event": "x", "userId": "u", "timestamp": "soon"},
            Rule.BAD_TIMESTAMP,
            "timestamp",
        ),
        (
            {"type": "track", "event": "x", "userId": "u", "timestamp": 5},
            Rule.BAD_TIMESTAMP,
            "timestamp",
        ),
        ({"type": "alias", "userId": "u"}, Rule.MISSING, "previousId"),
        (
            b'{"event":"x","type":"track","userId":"u","properties":{"n":1e999}}',
            Rule.BAD_NUMBER,
            "properties.n",
        ),
        (
            (
                b'{"event":"x","type":"track","userId":"u","traits":1,"properties":{"a":'
                b'[{"n":1.0000000000000000001e999}]}}'
            ),
            Rule.BAD_NUMBER,
            "properties.a.n",
        ),
        (
            b'{"event":"x","type":"track","userId":"u","timestamp":0}',
            Rule.BAD_TIMESTAMP,
            "timestamp",
        ),
        (
            b'{"event":"x","type":"track","userId":"u","context":'
            + b'{"a":' * 40
            + b"1"
            + b"}" * 41,
            Rule.TOO_DEEP,
            "context" + ".a" * 32,
        ),
    ],
)
def test_refusals_name_the_rule_the_field_and_the_mend(
    message: Any, rule: Rule | None, field: str
) -> None:
    refusal = refused(message)
    if rule is not None:
        assert (refusal.rule, refusal.field) == (rule, field)
    told = refusal.to_json()
    assert told["mend"] == MENDS[refusal.rule]
    assert told["message"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"event": "!?"}, "event '!?' has no letter or digit"),
        ({"event": " "}, "needs the event's name"),
        ({"event": "x" * 600}, "event has 600 characters; at most 512 are taken"),
        ({"event": "x", "messageId": "x" * 600}, "messageId has 600 characters; at most 512"),
        ({"event": "x", "anonymousId": "x" * 600}, "anonymousId has 600 characters; at most 512"),
    ],
)
def test_what_is_wrong_with_a_name_is_told(message: dict[str, str], said: str) -> None:
    assert said in refused({"type": "track", "userId": "u", **message}).detail


def test_every_rule_has_a_mend() -> None:
    assert set(MENDS) == set(Rule)


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "e\u0301"]),
        st.recursive(
            st.none()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.integers()
            | st.sampled_from([2.55, 1 << 62, 1 << 63, -(1 << 63), "e\u0301", "\\", 1e300]),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=8,
        ),
        max_size=3,
    )
)
def test_the_quick_way_equals_its_slow_twin(properties: dict[str, Any]) -> None:
    data = json.dumps({"event": "x", "userId": "u", "properties": properties}).encode()
    quick = accepted(data, "track")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tailorbird.events.decode.read_quickly", lambda data: None)
        slow = accepted(data, "track")
    assert repr(quick.properties) == repr(slow.properties)


@given(st.binary(max_size=300))
def test_any_bytes_are_accepted_or_refused_but_never_break(data: bytes) -> None:
    assert isinstance(decode(data), (Accepted, Refusal))
    decode_body(data)
    decode_batch(data)
    message_id_of(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_any_json_in_any_field_is_accepted_or_refused(value: Any) -> None:
    for field in ("type", "event", "userId", "properties", "context", "timestamp", "messageId"):
        message = {"type": "track", "event": "x", "userId": "u", field: value}
        try:
            data = json.dumps(message).encode()
        except (ValueError, UnicodeEncodeError):
            continue
        found = decode(data)
        if isinstance(found, Accepted):
            assert len(found.event.name) > 0


@pytest.mark.parametrize("bad", ['"\\ud800"', "NaN", "1e999", "[" * 900 + "]" * 900])
def test_an_item_that_is_no_json_spoils_no_other_of_its_batch(bad: str) -> None:
    good = '{"type":"track","event":"x","userId":"u"}'
    data = f'{{"sentAt":"2026-01-05T09:00:00Z","batch":[{good},{{"type":{bad}}},{good}]}}'
    body = decode_batch(data.encode())
    assert isinstance(body, Batch)
    assert body.batch is not None
    found = [
        decode_item(item, call=None, now=NOW, sent_at=None, fresh_id="f") for item in body.batch
    ]
    assert [isinstance(one, Accepted) for one in found] == [True, False, True]
    assert sent_at_of(body) == parse_micros("2026-01-05T09:00:00Z")
