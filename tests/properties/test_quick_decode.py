"""The quick way from bytes to an event says the very same as the careful one: its slow twin.

Whatever the quick way takes, and whatever it hands over, record and refusal are equal to the byte.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailorbird.base.hashing import hash64, hash64_both
from tailorbird.events.decode import CALLS, Accepted, decode_item, decode_items
from tailorbird.events.event import encode
from tailorbird.events.refusal import Refusal

NOW = 1_772_366_400_000_000
# Stand for JSON that Python does not write, or writes in one way only.
RAW = {
    "raw-0": "1e400",
    "raw-1": "-1e400",
    "raw-2": "NaN",
    "raw-3": "12345678901234567890.5",
    "raw-4": "0.1000000000000000055511151231257827",
    "raw-5": "9" * 400,
    "raw-6": "-0",
    "raw-7": "1E5",
    "raw-8": "2.50",
    "raw-9": "[" * 7 + "1" + "]" * 7,
    "raw-10": "[" * 31 + "1" + "]" * 31,
    "raw-11": "[" * 33 + "1" + "]" * 33,
    "raw-12": "[" * 1_500 + "]" * 1_500,
    "raw-13": '{"a":1,"a":{"b":2}}',
    "raw-14": '"\\ud800"',
    "raw-15": '"e\\u0301"',
    "raw-16": '"\\/\\b\u0301"',
    "raw-17": "9" * 5_000,
    "raw-18": "01",
}
TEXTS = (
    *(
        "",
        "u",
        " u ",
        "null",
        "Order Completed",
        "e\u0301",
        "\u00e9",
        "\u0301",
        "\u1112\u1161\u11ab",
    ),
    *("\u212b", "\ud83d\udc26".encode("utf-16", "surrogatepass").decode("utf-16"), "a\\b", '"'),
    *("a@b.example", "+41791234567", "2026-02-01T10:00:00.123Z", "2026-02-01t10:00:00z", "x" * 600),
)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([1 << 63, (1 << 63) - 1, -(1 << 63), -(1 << 63) - 1, 1 << 64])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(TEXTS)
    | st.text(max_size=8)
    | st.sampled_from(sorted(RAW))
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(TEXTS) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)
FIELDS = {
    "type": st.sampled_from([*sorted(CALLS), "dance"]),
    "event": st.sampled_from(TEXTS),
    "name": st.sampled_from(TEXTS),
    "category": st.sampled_from(TEXTS),
    "userId": st.sampled_from(TEXTS) | st.integers(),
    "anonymousId": st.sampled_from(TEXTS),
    "previousId": st.sampled_from(TEXTS),
    "groupId": st.sampled_from(TEXTS),
    "messageId": st.sampled_from(TEXTS),
    "timestamp": st.sampled_from(TEXTS),
    "originalTimestamp": st.sampled_from(TEXTS),
    "properties": st.dictionaries(st.sampled_from(TEXTS), VALUES, max_size=4),
    "traits": st.dictionaries(st.sampled_from(("email", "phone", "x")), VALUES, max_size=3),
    "context": st.dictionaries(
        st.sampled_from(("traits", "device", "externalIds", "x")), VALUES, max_size=3
    ),
    "unknown": VALUES,
}


@st.composite
def items(draw: st.DrawFn) -> bytes:
    """Calls as clients send them, and with anything in any place."""
    message: dict[str, Any] = {"type": "track", "event": "x", "userId": "u"}
    for name in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=5, unique=True)):
        message[name] = draw(FIELDS[name] if draw(st.integers(0, 5)) else VALUES)
    text = json.dumps(
        message, ensure_ascii=draw(st.booleans()), indent=draw(st.none() | st.just(1))
    )
    for name, raw in sorted(RAW.items(), reverse=True):
        text = text.replace(f'"{name}"', raw)
    return text.encode("utf-8", "surrogatepass")


def told(found: Accepted | Refusal) -> object:
    """Return all that an outcome says; bytes, since 1, 1.0 and True are equal in Python."""
    if isinstance(found, Refusal):
        return found
    return encode(found.event), found.identifiers, found.dedup, found.previous


def slowly(data: bytes, call: str | None) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tailorbird.events.decode.read_quickly", lambda data: None)
        return told(decode_item(data, call=call, now=NOW, sent_at=None, fresh_id="fresh"))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(items(), st.sampled_from([None, "track", "identify"]))
def test_quick_and_careful_say_the_same(data: bytes, call: str | None) -> None:
    quick = told(decode_item(data, call=call, now=NOW, sent_at=None, fresh_id="fresh"))
    assert quick == slowly(data, call)


@pytest.mark.parametrize("raw", sorted(RAW.values()))
@pytest.mark.parametrize("field", ["properties", "context", "unknown"])
def test_strange_values_are_told_the_same_either_way(raw: str, field: str) -> None:
    for value in (raw, f'{{"a":{raw}}}', f'{{"a":[{raw},{{"b":{raw}}}]}}'):
        data = f'{{"type":"track","event":"x","userId":"u","{field}":{value}}}'.encode()
        quick = told(decode_item(data, call=None, now=NOW, sent_at=None, fresh_id="fresh"))
        assert quick == slowly(data, None)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(items(), max_size=4))
def test_items_come_out_of_a_request_as_they_do_alone(batch: list[bytes]) -> None:
    alone = [
        told(decode_item(one, call=None, now=NOW, sent_at=None, fresh_id=f"f-{index}"))
        for index, one in enumerate(batch)
    ]
    together = decode_items(
        batch, call=None, now=NOW, sent_at=None, fresh_id=lambda index: f"f-{index}"
    )
    assert [told(one) for one in together] == alone


@given(st.text() | st.text(min_size=250, max_size=260), st.text())
def test_quick_hashes_equal_the_general_one(first: str, second: str) -> None:
    assert hash64_both(first, second) == (hash64(second), hash64(first, second))
    assert hash64_both(second, first) == (hash64(first), hash64(second, first))
