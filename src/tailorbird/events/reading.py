"""From the bytes of one call to its fields: a quick way for what needs no mending, a careful one.

Both say the same of whatever both can read; the careful one also says what is wrong with the rest.
What the fields mean is told by `decode`.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from tailorbird.events.documents import start_of
from tailorbird.events.refusal import Refusal, Rule, excerpt

DEPTH_MAX = 32
# Values that are looked into quickly nest so deep, as nearly all do.
_QUICK_DEPTH = 6


class Failed(Exception):
    """A call that breaks a rule."""

    def __init__(self, rule: Rule, place: str, value: Any, detail: str = "") -> None:
        super().__init__(detail)
        self.refusal = Refusal(rule, place, excerpt(value), detail)


def _values(depth: int) -> Any:
    """Return the type of values that are kept as they come: integers of 64 bits, bounded depth.

    So the decoder looks at each value while it makes it, which costs nothing.
    """
    number = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | float
    plain: Any = number | str | bool | None
    found = plain
    for _ in range(depth):
        found = plain | list[found] | dict[str, found]  # type: ignore[valid-type]  # made here
    return found


if TYPE_CHECKING:
    _Object = dict[str, Any]
else:
    _Object = dict[str, _values(_QUICK_DEPTH)]


class Message(
    msgspec.Struct,
    gc=False,
    rename={
        "user_id": "userId",
        "anonymous_id": "anonymousId",
        "message_id": "messageId",
        "original_timestamp": "originalTimestamp",
        "previous_id": "previousId",
        "group_id": "groupId",
    },
):
    """A call as it should be. What does not fit is read the careful way, by `read_carefully`."""

    type: str | None = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    group_id: str | None = None
    message_id: str | None = None
    timestamp: str | None = None
    original_timestamp: str | None = None
    properties: _Object | None = None
    traits: _Object | None = None
    context: _Object | None = None


# Longer integers are not read.
_DIGITS_MAX = 4_300
_HUGE = b"0" * _DIGITS_MAX
# Digits to zeros, all else to blanks: shows long numbers without parsing.
_DIGITS = bytes(48 if 48 <= code <= 57 else 32 for code in range(256))
_decode_message = msgspec.json.Decoder(Message).decode
_decode_anything = msgspec.json.Decoder(float_hook=Decimal).decode


def is_plain(data: bytes) -> bool:
    """Say whether all texts in JSON are in standard form, whatever else it holds.

    That is NFC, whose parts are NFC as well (UAX 15, 1.3), without escapes that could make
    something else of it. A request is asked as a whole: its items are plain if it is.
    """
    if b"\\" in data and b"\\u" in data:  # one byte is sought much faster than two
        return False
    if data.isascii():
        return True
    try:
        return unicodedata.is_normalized("NFC", data.decode())
    except UnicodeDecodeError:
        return False


def read_quickly(data: bytes | msgspec.Raw) -> Message | None:
    """Read a call of plain texts; None where it has to be looked at closely."""
    if len(data) > _DIGITS_MAX and _HUGE in bytes(data).translate(_DIGITS):
        return None  # no number, even in a field that is passed over here
    try:
        return _decode_message(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def read_carefully(raw: bytes) -> Message:
    """Read any bytes: clean what can be cleaned, and say of the rest what is wrong with it."""
    try:
        found = _decode_anything(raw)
    except RecursionError as problem:
        raise Failed(Rule.TOO_DEEP, "event", start_of(raw), str(problem)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, InvalidOperation) as problem:
        found = read_loosely(raw)
        if found is None:
            raise Failed(Rule.NOT_JSON, "event", start_of(raw), str(problem)) from None
    if not isinstance(found, dict):
        raise Failed(Rule.NOT_AN_OBJECT, "event", found)
    return Message(
        type=_text(found, "type"),
        event=_text(found, "event"),
        name=_text(found, "name"),
        category=_text(found, "category"),
        user_id=_identifier(found, "userId"),
        anonymous_id=_identifier(found, "anonymousId"),
        previous_id=_identifier(found, "previousId"),
        group_id=_identifier(found, "groupId"),
        message_id=_text(found, "messageId"),
        timestamp=_stamp(found, "timestamp"),
        original_timestamp=_stamp(found, "originalTimestamp"),
        properties=_object(found, "properties"),
        traits=_object(found, "traits"),
        context=_object(found, "context"),
    )


def read_loosely(raw: bytes) -> Any:
    """Read what is no JSON for NaN or half a character alone, so that its place can be told."""
    try:
        return json.loads(raw.decode(), parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation):
        return None


def _identifier(message: Mapping[str, Any], key: str) -> str | None:
    value = message.get(key)
    # Databases number their rows, and not all clients quote the number.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(message, key)


def _text(message: Mapping[str, Any], key: str) -> str | None:
    value = message.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Failed(Rule.WRONG_TYPE, key, value, f"{key} has to be text")
    return _clean_text(value, key)


def _stamp(message: Mapping[str, Any], key: str) -> str | None:
    value = message.get(key)
    if value is not None and not isinstance(value, str):
        raise Failed(Rule.BAD_TIMESTAMP, key, value, f"{key} has to be text")
    return value


def _object(message: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    value = message.get(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Failed(Rule.WRONG_TYPE, key, value, f"{key} has to be an object")
    cleaned: dict[str, Any] = _clean(value, key, 0)
    return cleaned


def _clean(value: Any, place: str, depth: int) -> Any:
    """Standardise a JSON value: NFC text, finite numbers, bounded depth."""
    kind = type(value)
    if kind is str:
        return _clean_text(value, place)
    if kind is dict:
        if depth >= DEPTH_MAX:
            raise Failed(Rule.TOO_DEEP, place, "{…}")
        return {
            _clean_text(key, place): _clean(item, f"{place}.{key}", depth + 1)
            for key, item in value.items()
        }
    if kind is list:
        if depth >= DEPTH_MAX:
            raise Failed(Rule.TOO_DEEP, place, "[…]")
        return [_clean(item, place, depth + 1) for item in value]
    if kind is int and not -(1 << 63) <= value < (1 << 63):
        # Beyond what the log's codec carries and far beyond 1e12, where numbers end: kept as text.
        return str(value)
    if kind is float and not math.isfinite(value):
        raise Failed(Rule.BAD_NUMBER, place, value, f"{place} is no finite number")
    if kind is Decimal:
        # More digits than a double names: the nearest double is kept. Amounts of up to 15 digits,
        # which is all of the language's range at three places, never come here.
        close = float(value)
        if math.isinf(close):
            raise Failed(Rule.BAD_NUMBER, place, value, f"{place} is no finite number")
        return close
    return value


def _clean_text(text: str, place: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Failed(Rule.NOT_TEXT, place, "?", f"{place} holds half a character") from None
    return unicodedata.normalize("NFC", text)
