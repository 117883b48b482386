"""No event, whatever its values are, breaks a profile: it is refused by rule, or it is counted.

What collect's decoding accepts goes through the reducer; the state still goes through its codec,
and each segment answers as the oracle does on the same history.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailorbird.base.time import EARLIEST, LATEST, Duration, parse_micros
from tailorbird.events.decode import ITEM_BYTES_MAX, Accepted, decode_item
from tailorbird.events.event import EVENT, Event, encode
from tailorbird.events.refusal import MENDS, Refusal, Rule
from tailorbird.language import oracle
from tailorbird.language.history import canonical
from tailorbird.language.oracle import Known
from tailorbird.profiles.state import decode as decode_state
from tailorbird.profiles.state import encode as encode_state
from tailorbird.reducer.reducer import Reducer
from tailorbird.testing.building import DAY, START, Person, workspace_of

SEGMENTS = {
    "counted": "count(thing_done where p > 1 within 7d) >= 2",
    "any": "any(thing_done where p = 'x' or q contains 'x' or p is null)",
    "summed": "sum(thing_done.p) > 100",
    "summed-lately": "sum(thing_done.p within 7d) between -5 and 100",
    "mean": "avg(thing_done.p) > 0.5 or avg(thing_done.p within 7d) < -0.5",
    "extremes": "min(thing_done.p) < 0 or max(thing_done.p) > 1000",
    "edges": "first(thing_done.p) = 'x' or last(thing_done.p) != last(thing_done.q)",
    "kinds": "distinct(thing_done.p within 30d) >= 2 and most(thing_done by p within 30d) < 5",
    "favourite": "favourite(thing_done.p within 30d) = true",
    "since": "since(thing_done) < 400y",
    "left": "abandoned(thing_done, other_done after 1d by p over 30d)",
    "chained": "followed(thing_done, other_done within 1d)",
    "items": "any(thing_done.items where k = 'x' and n > 1) or sum(thing_done.items.n) > 3",
    "deep": "any(thing_done where q.a.b.c = 1) or last(thing_done.q.a) is null",
    "traits": "traits.p > 1 or traits.p like 'x%' or traits.q contains 'x' or traits.born = 'x'",
    "arithmetic": "traits.p * traits.p + 1 > traits.q / traits.p",
    "lowered": "lower(traits.p) = 'x' or length(traits.q) > 2 or coalesce(traits.p, traits.q) = 1",
    "dates": "age(traits.born) > 18y or anniversary(traits.born)",
    "device": "context.device.type = 'mobile' or geo.region = 'x' or weather.a.b is null",
    "zone": "month(now) = 1 and traits.timezone is not null",
    "said": "last(thing_done.p) like '%x%' or lower(last(thing_done.q)) starts with 'x'",
}
REDUCER = Reducer(workspace_of(SEGMENTS))
CONDITIONS = {name: one.when for name, one in REDUCER.workspace.segments.items()}

NAMES = ("p", "q", "items", "born", "timezone", "email", "name")
STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2, 1.5, "", "x", "5", " ", [], {}, [[]], [None], [{}], {"": 1}),
    *(10**12, 10**12 + 1, -(10**12), 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, -(10**30)),
    *(1e12, 1e300, -1e300, 5e-324, 1e-9, 1e-10, -0.0, 0.1, 1.7976931348623157e308),
    *("x" * 5_000, "\x00", "\u202ex", "\u0130", "e\u0301", "\U0001f426", "nan", "Infinity"),
    *("0001-01-01", "9999-12-31T23:59:59.999999Z", "2024-02-29", "1900-02-29", "24:00"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-45", "1990-01-05"),
    *("Mars/Olympus", "Europe/Berlin", "../../etc/passwd", "Asia/Kathmandu"),
    [{"k": "x", "n": 2}, {"k": 1, "n": "x"}, "x", None, [1, [2]]],
    {"a": {"b": {"c": 1}}},
    [1, "1", 1.0, True, None],
    {"a": [{"b": [{"c": 1}, {"c": None}]}]},
)
# Parts that JSON knows and a value of Python does not write, or that are too much of a thing.
RAW: dict[str, bytes] = {
    "nan": b"NaN",
    "infinity": b"Infinity",
    "minus infinity": b"-Infinity",
    "1e400": b"1e400",
    "-1e400": b"-1e400",
    "1e-400": b"1e-400",
    "a huge exponent": b"1e99999999999999999999",
    "a huge integer": b"9" * 400,
    "a huge integer of 20,000 digits": b"9" * 20_000,
    "a decimal of 10,000 digits": b"0." + b"3" * 10_000,
    "10 MB of text": b'"' + b"x" * 10_000_000 + b'"',
    "a lone surrogate": rb'"\ud83d"',
    "a low surrogate": rb'"\udc00x"',
    "nul": rb'"\u0000"',
    "a raw nul": b'"\x00"',
    "broken utf-8": b'"\xff\xfe"',
    "surrogates in utf-8": b'"\xed\xa0\x80"',
    "lists 1,000 deep": b"[" * 1_000 + b"]" * 1_000,
    "objects 1,000 deep": b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
    "lists 15,000 deep": b"[" * 15_000 + b"]" * 15_000,
    "lists 31 deep": b"[" * 31 + b"]" * 31,
    "open lists": b"[" * 10_000,
    "a key given twice": b'{"a": 1, "a": {"b": {"c": 1}}}',
    "a key that is a lone surrogate": rb'{"\ud800": 1}',
    "many keys": b"{" + b",".join(b'"k%d":1' % n for n in range(2_500)) + b"}",
    "a long list": b"[" + b",".join([b"1"] * 1_500) + b"]",
}
STAMPS = (
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0000-01-01T00:00:00Z"),
    *("10000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
    *("2026-01-01", "2026-02-30T00:00:00Z", "", "now", "1767607200", "-0001-01-01T00:00:00Z"),
    *("2026-01-05T08:00:00.123456789Z", "2026-01-05T23:59:60Z", "\u0662\u0660\u0662\u0666-01-01"),
)


def item(properties: bytes, **more: Any) -> bytes:
    """The JSON of a track call with raw properties."""
    message = {"type": "track", "event": "Thing Done", "userId": "u1", **more}
    key = b"traits" if message["type"] == "identify" else b"properties"
    return json.dumps(message).encode()[:-1] + b', "' + key + b'": ' + properties + b"}"


def received(data: bytes, count: int = 0, *, now: int = START) -> Accepted | Refusal:
    """Decode as collect does; what is refused says which field, what it held, and the mend."""
    found = decode_item(data, call=None, now=now, sent_at=None, fresh_id=f"m{count}")
    if isinstance(found, Refusal):
        assert found.field
        assert found.rule in MENDS
        assert len(found.value) <= 100
        told = json.dumps(found.to_json()).encode()
        assert len(told) < 3_000
    else:
        assert EARLIEST <= found.event.timestamp <= now <= LATEST
    return found


class _Life:
    """One profile that takes what collect accepted, beside the oracle's plain history."""

    def __init__(self) -> None:
        self.person = Person(REDUCER, is_stored=True)
        self.history: list[Known] = []
        self.at = 0

    def takes(self, data: bytes) -> Refusal | None:
        self.at += 3_600_000_000
        found = received(data, len(self.history), now=START + self.at)
        if isinstance(found, Refusal):
            return found
        body = encode(found.event)
        self.person.feed(EVENT, body, self.at)
        # The oracle sees the event that the log carries.
        self.history.append(Known(START + self.at, msgspec.msgpack.decode(body, type=Event)))
        return None

    def agrees(self) -> None:
        self._agrees_now()
        self.at += 8 * DAY
        self.person.lives_until(self.at)
        self._agrees_now()

    def _agrees_now(self) -> None:
        state = self.person.state
        if state is None:
            assert not self.history
            return
        data = encode_state(state)
        assert encode_state(decode_state(data)) == data
        someone = oracle.Person(segments=CONDITIONS)
        for name, condition in CONDITIONS.items():
            expected = oracle.value_at(condition, self.history, START + self.at, someone)
            assert (name in self.person.segments) == expected, name


values = st.recursive(
    st.sampled_from(STRANGE)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
contents = st.dictionaries(st.sampled_from(NAMES), values, max_size=5)
calls = st.tuples(st.sampled_from(["thing_done", "other_done", "identify"]), contents, contents)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(calls, min_size=1, max_size=6))
def test_any_values_count_as_the_oracle_says(
    steps: list[tuple[str, dict[str, Any], dict[str, Any]]],
) -> None:
    life = _Life()
    for name, content, context in steps:
        call = "identify" if name == "identify" else "track"
        raw = json.dumps(content).encode("utf-8", "surrogatepass")
        life.takes(item(raw, type=call, event=name, context={"device": context, "geo": context}))
    life.agrees()


@pytest.mark.parametrize("call", ["track", "identify"])
@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value)[:40])
def test_each_strange_value(value: Any, call: str) -> None:
    life = _Life()
    everywhere = dict.fromkeys(NAMES, value)
    for content in ({"p": 2, "q": "x"}, everywhere, {"p": value}, {"q": value, "p": 1}):
        life.takes(item(json.dumps(content).encode(), type=call))
    life.takes(item(b'{"p": 2}', event="other_done", context=everywhere))
    life.agrees()


@pytest.mark.parametrize("call", ["track", "identify"])
@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
def test_what_json_should_not_hold(raw: bytes, call: str) -> None:
    life = _Life()
    for content in (b'{"p": 2}', b'{"p": ' + raw + b"}", raw, b'{"q": [' + raw + b"]}"):
        life.takes(item(content, type=call))
    data = b'{"type": "track", "event": "a", "userId": "u1", "context": {"device": ' + raw + b"}}"
    life.takes(data)
    life.takes(b'{"type": "track", "event": ' + raw + b', "userId": ' + raw + b"}")
    life.takes(raw)
    assert life.history, "the sound item before it counts"
    life.agrees()


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("nan", Rule.BAD_NUMBER),
        ("infinity", Rule.BAD_NUMBER),
        ("10 MB of text", Rule.TOO_LARGE),
        ("lists 1,000 deep", Rule.TOO_DEEP),
        ("objects 1,000 deep", Rule.TOO_DEEP),
        ("lists 15,000 deep", Rule.TOO_DEEP),
        ("1e400", Rule.BAD_NUMBER),
    ],
)
def test_what_is_refused_says_by_which_rule(name: str, rule: Rule) -> None:
    found = received(item(b'{"p": ' + RAW[name] + b"}"))
    assert isinstance(found, Refusal)
    assert found.rule is rule


@pytest.mark.parametrize("stamp", STAMPS)
def test_years_at_the_ends_of_time(stamp: str) -> None:
    life = _Life()
    life.takes(item(b'{"p": 2, "q": "x"}', timestamp=stamp))
    life.takes(item(b'{"born": "2000-01-01"}', type="identify", timestamp=stamp))
    life.takes(item(json.dumps({"born": stamp, "p": stamp}).encode(), type="identify"))
    life.takes(item(b'{"p": 3, "items": [{"k": "x", "n": 2}]}', timestamp=stamp))
    assert life.history
    life.agrees()


def test_months_are_added_to_instants_outside_the_years() -> None:
    month = Duration(months=1)
    assert month.after(parse_micros("9999-12-31T23:59:59-14:00")) == LATEST
    early = parse_micros("0001-01-01T00:00:00+14:00")
    assert month.after(early) == parse_micros("0001-02-01T00:00:00Z")


@pytest.mark.parametrize(
    "name", ["", " ", "___", "\u202e", "!", None, 5, [], {}, "x" * 600, "\x00"]
)
def test_names_that_name_nothing_are_refused(name: Any) -> None:
    found = received(item(b"{}", event=name))
    assert isinstance(found, Refusal)
    assert found.field == "event"


@pytest.mark.parametrize("key", ["userId", "anonymousId", "messageId", "timestamp", "context"])
@pytest.mark.parametrize("value", [True, 1.5, [], [1], {"a": 1}, "x" * 600, "\x00", -(2**70), ""])
def test_fields_of_the_wrong_type_spoil_nothing(key: str, value: Any) -> None:
    life = _Life()
    life.takes(item(b'{"p": 2}'))
    refusal = life.takes(item(b'{"p": 2}', **{key: value}))
    assert refusal is None or refusal.field.startswith(key)
    life.agrees()


def test_an_event_at_the_limit_of_its_size_is_taken() -> None:
    life = _Life()
    room = ITEM_BYTES_MAX - len(item(b'{"p": ""}'))
    assert life.takes(item(b'{"p": "' + b"x" * room + b'"}')) is None
    refusal = life.takes(item(b'{"p": "' + b"x" * (room + 1) + b'"}'))
    assert refusal is not None
    assert refusal.rule is Rule.TOO_LARGE
    life.agrees()


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value)[:40])
def test_a_record_that_did_not_come_by_collect(value: Any) -> None:
    # An import or an older version may have written it: the log's codec is the only limit.
    life = _Life()
    event = Event(
        type="track",
        name="thing_done",
        message_id="m",
        timestamp=START,
        order=1,
        properties={name: canonical(value) for name in NAMES},
    )
    try:
        body = encode(event)
    except OverflowError:
        return  # beyond 64 bits: the log cannot hold it
    for at in (1, 2):
        life.at = at
        life.person.feed(EVENT, body, at)
        known = msgspec.msgpack.decode(body, type=Event)
        life.history.append(Known(START + at, known))
    life.agrees()


def test_the_history_of_the_test_moves_segments() -> None:
    # The laws above would hold for a reducer that did nothing, were there no members.
    life = _Life()
    for _ in range(2):
        life.takes(item(b'{"p": 200, "q": "x", "items": [{"k": "x", "n": 2}]}'))
    life.agrees()
    assert len(life.person.changes) >= 8
    assert replace(life.history[0], known_at=0) != life.history[0]
