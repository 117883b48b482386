"""From the bytes of a Segment call to events: decode, validate, standardise. Pure.

One bad item never spoils the others: each comes out as an `Accepted` or a `Refusal`. What is not
ours to judge (unknown fields of a call) is ignored; properties, traits and context are kept.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from tailorbird.base.hashing import hash64
from tailorbird.base.names import nearest, snake_case
from tailorbird.base.time import EARLIEST, LATEST, parse_micros
from tailorbird.events.documents import start_of, text_of
from tailorbird.events.event import NAME_OF_CALL, Event, order_of
from tailorbird.events.identifiers import DEFAULT_RULES, IdentityRules, context_identifiers
from tailorbird.events.refusal import Refusal, Rule, excerpt

ITEM_BYTES_MAX = 32 * 1024
REQUEST_BYTES_MAX = 500 * 1024
BATCH_ITEMS_MAX = 2_500
DEPTH_MAX = 32
IDENTIFIER_LENGTH_MAX = 512
CALLS = frozenset({"identify", "track", "page", "screen", "group", "alias"})


class Accepted(msgspec.Struct, gc=False):
    """An event with the identifiers that it names, strongest first, and an alias call's elders."""

    event: Event
    identifiers: list[tuple[str, str]]
    dedup: int
    previous: list[tuple[str, str]] = []


class _Failed(Exception):
    def __init__(self, rule: Rule, place: str, value: Any, detail: str = "") -> None:
        super().__init__(detail)
        self.refusal = Refusal(rule, place, excerpt(value), detail)


class _Message(
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
    """A call as it should be. What does not fit is read the careful way, by `_read_carefully`."""

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
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None


class _Named(msgspec.Struct):
    messageId: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815


_decode_named = msgspec.json.Decoder(_Named).decode
_decode_message = msgspec.json.Decoder(_Message).decode
_decode_anything = msgspec.json.Decoder(float_hook=Decimal).decode
# Digits and points to zeros, all else to blanks: shows long numbers without parsing.
_DIGITS = bytes(48 if 48 <= code <= 57 or code == 46 else 32 for code in range(256))
_LONG = b"0" * 17
_NO_BRACKETS = bytes(code for code in range(256) if code not in b"[{")
_LONG_NUMBER = re.compile(rb"[:,\[\s](-?[0-9.]{17,}[eE]?)")


def decode_item(
    data: bytes | msgspec.Raw,
    *,
    call: str | None,
    now: int,
    sent_at: int | None,
    fresh_id: str,
    source: str = "api",
    is_historical: bool = False,
    rules: IdentityRules = DEFAULT_RULES,
) -> Accepted | Refusal:
    """Turn one call's JSON into an event.

    Args:
        data: The JSON of one message.
        call: The call that the path names; None in a batch, where `type` does.
        now: When it was received, microseconds UTC.
        sent_at: When the client says that it sent the request, to correct its clock.
        fresh_id: The message id to use where the client gave none.
        source: Where the event comes from.
        is_historical: Imported history: counts, but starts nothing.
        rules: Which identifiers count.
    """
    raw = bytes(data)
    if len(raw) > ITEM_BYTES_MAX:
        detail = f"the event has {len(raw):,} bytes; at most {ITEM_BYTES_MAX:,} are taken"
        return Refusal(Rule.TOO_LARGE, "event", f"{len(raw)} bytes", detail)
    try:
        message = _read_quickly(raw) or _read_carefully(raw)
        return _accept(message, call, now, sent_at, fresh_id, source, is_historical, rules)
    except _Failed as failed:
        return failed.refusal


def message_id_of(data: bytes | msgspec.Raw) -> str | None:
    """Return the message id of an item that was refused, where it has one that can be read."""
    try:
        text = text_of(_decode_named(data).messageId)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return text if text is not None and len(text) <= IDENTIFIER_LENGTH_MAX else None


def spread(items: list[Accepted]) -> None:
    """Give items of one person with equal timestamps a microsecond each, so that order is kept."""
    latest: dict[tuple[tuple[str, str], int], int] = {}
    for item in items:
        person, at = item.identifiers[0], item.event.timestamp
        free = at
        while (person, free) in latest:
            free = latest[person, free] + 1
        latest[person, at] = latest[person, free] = item.event.timestamp = free


def _read_quickly(raw: bytes) -> _Message | None:
    """Read a call that needs no standardising, as most; None where it has to be looked at closely.

    ASCII without escapes is NFC, few brackets cannot nest deep, and a number of at most 16 digits
    and points, or as a double is written, is a double that names it exactly.
    """
    if (
        not raw.isascii()
        or (b"\\" in raw and b"\\u" in raw)
        or len(raw.translate(None, _NO_BRACKETS)) > DEPTH_MAX
        or (_LONG in raw.translate(_DIGITS) and not all(map(_is_double, _LONG_NUMBER.findall(raw))))
    ):
        return None
    try:
        return _decode_message(raw)
    except msgspec.DecodeError:
        return None


def _is_double(text: bytes) -> bool:
    try:
        return repr(float(text)).encode() == text
    except ValueError:
        return False  # it may stand inside a text


def _read_carefully(raw: bytes) -> _Message:
    """Read any bytes: clean what can be cleaned, and say of the rest what is wrong with it."""
    try:
        found = _decode_anything(raw)
    except RecursionError as problem:
        raise _Failed(Rule.TOO_DEEP, "event", start_of(raw), str(problem)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, InvalidOperation) as problem:
        raise _Failed(Rule.NOT_JSON, "event", start_of(raw), str(problem)) from None
    if not isinstance(found, dict):
        raise _Failed(Rule.NOT_AN_OBJECT, "event", found)
    return _Message(
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


def _accept(
    message: _Message,
    call: str | None,
    now: int,
    sent_at: int | None,
    fresh_id: str,
    source: str,
    is_historical: bool,
    rules: IdentityRules,
) -> Accepted:
    call = call or message.type or ""
    if call not in CALLS:
        close = nearest(call, CALLS)
        meant = f"; did you mean {close}?" if close else ""
        detail = f"type {excerpt(call)!r} is none of {', '.join(sorted(CALLS))}{meant}"
        raise _Failed(Rule.UNKNOWN_CALL if call else Rule.MISSING, "type", call, detail)
    user_id = _judged(message.user_id, "userId", rules)
    anonymous_id = _judged(message.anonymous_id, "anonymousId", rules)
    context = message.context or {}
    properties = _properties(message, call, context)
    context.pop("traits", None)
    message_id = message.message_id or fresh_id
    if len(message_id) > IDENTIFIER_LENGTH_MAX:
        raise _Failed(Rule.TOO_LARGE, "messageId", message_id)
    as_sent = _timestamp(message)
    stamp = _corrected(as_sent, now, sent_at)
    if call == "track":
        name_as_sent = message.event or ""
        name = _track_name(name_as_sent)
    else:
        name_as_sent = message.name or ""
        name = NAME_OF_CALL[call]
    event = Event(
        type=call,
        name=name,
        message_id=message_id,
        timestamp=stamp,
        order=order_of(message_id),
        properties=properties,
        context=context,
        user_id=user_id,
        anonymous_id=anonymous_id,
        name_as_sent=name_as_sent or None,
        original_timestamp=None if as_sent is None or as_sent == stamp else as_sent,
        source=source,
        is_historical=is_historical,
    )
    identifiers = identifiers_of(event, rules)
    if not identifiers:
        both = {"userId": message.user_id, "anonymousId": message.anonymous_id}
        detail = "userId and anonymousId are missing or stand for nobody"
        raise _Failed(Rule.NOBODY, "userId", both, detail)
    previous = _previous(message, rules) if call == "alias" else []
    dedup = hash64(anonymous_id or user_id or "", message_id)
    return Accepted(event, identifiers, dedup, previous)


def _track_name(as_sent: str) -> str:
    name = snake_case(as_sent)
    if not name:
        raise _Failed(Rule.MISSING, "event", as_sent, "a track call needs the event's name")
    if len(as_sent) > IDENTIFIER_LENGTH_MAX:
        raise _Failed(Rule.TOO_LARGE, "event", as_sent)
    return name


def _properties(message: _Message, call: str, context: Mapping[str, Any]) -> dict[str, Any]:
    if call in ("identify", "group"):
        traits = message.traits or {}
        # RudderStack's libraries put the traits into the context.
        inner = context.get("traits")
        if call == "identify" and isinstance(inner, dict):
            traits = {**inner, **traits}
        if call == "group" and message.group_id is not None:
            group_id = _judged(message.group_id, "groupId", DEFAULT_RULES)
            traits = {**traits, "group_id": group_id}
        return traits
    properties = message.properties or {}
    if call in ("page", "screen"):
        if message.name:
            properties.setdefault("name", message.name)
        if message.category:
            properties.setdefault("category", message.category)
    return properties


def identifiers_of(event: Event, rules: IdentityRules = DEFAULT_RULES) -> list[tuple[str, str]]:
    """Return the identifiers that an event names, strongest first."""
    user_id, anonymous_id = event.user_id, event.anonymous_id
    found: list[tuple[str, str]] = []
    if user_id is not None:
        found.append(("user_id", user_id))
    if anonymous_id is not None:
        found.append(("anonymous_id", anonymous_id))
    if found and event.type == "identify":
        address = event.properties.get("email")
        if isinstance(address, str) and _is_address(address):
            found.append(("email", address.strip().lower()))
        phone = event.properties.get("phone")
        if isinstance(phone, str) and phone.startswith("+") and phone[1:].isdigit():
            found.append(("phone", phone))
    context = event.context
    if found and ("externalIds" in context or "device" in context):
        found += context_identifiers(context)
    # Without a context or an identify there is nothing to put in order: most events.
    return found if len(found) < 2 or found[-1][0] == "anonymous_id" else rules.sorted(found)


def _previous(message: _Message, rules: IdentityRules) -> list[tuple[str, str]]:
    previous = _judged(message.previous_id, "previousId", rules)
    if previous is None:
        raise _Failed(Rule.MISSING, "previousId", message.previous_id)
    # The previous id is whatever the person was known by: an anonymous id, or a user id.
    return [("anonymous_id", previous), ("user_id", previous)]


def _is_address(text: str) -> bool:
    local, at, domain = text.strip().rpartition("@")
    is_plain = all(c.isprintable() and c != " " for c in text.strip())
    return bool(at and local and "." in domain and is_plain and len(text) <= 320)


def _judged(value: str | None, key: str, rules: IdentityRules) -> str | None:
    if value is None:
        return None
    value = value.strip()
    if len(value) > IDENTIFIER_LENGTH_MAX:
        raise _Failed(Rule.TOO_LARGE, key, value)
    return None if rules.is_blocked(key, value) else value


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
        raise _Failed(Rule.WRONG_TYPE, key, value, f"{key} has to be text")
    return _clean_text(value, key)


def _stamp(message: Mapping[str, Any], key: str) -> str | None:
    value = message.get(key)
    if value is not None and not isinstance(value, str):
        raise _Failed(Rule.BAD_TIMESTAMP, key, value, f"{key} has to be text")
    return value


def _object(message: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    value = message.get(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _Failed(Rule.WRONG_TYPE, key, value, f"{key} has to be an object")
    cleaned: dict[str, Any] = _clean(value, key, 0)
    return cleaned


def _clean(value: Any, place: str, depth: int) -> Any:
    """Standardise a JSON value: NFC text, finite numbers, bounded depth."""
    kind = type(value)
    if kind is str:
        return _clean_text(value, place)
    if kind is dict:
        if depth >= DEPTH_MAX:
            raise _Failed(Rule.TOO_DEEP, place, "{…}")
        return {
            _clean_text(key, place): _clean(item, f"{place}.{key}", depth + 1)
            for key, item in value.items()
        }
    if kind is list:
        if depth >= DEPTH_MAX:
            raise _Failed(Rule.TOO_DEEP, place, "[…]")
        return [_clean(item, place, depth + 1) for item in value]
    if kind is int and not -(1 << 63) <= value < (1 << 63):
        # Beyond what the log's codec carries and far beyond 1e12, where numbers end: kept as text.
        return str(value)
    if kind is Decimal:
        # More digits than a double names: the nearest double is kept. Amounts of up to 15 digits,
        # which is all of the language's range at three places, never come here.
        close = float(value)
        if math.isinf(close):
            raise _Failed(Rule.BAD_NUMBER, place, value)
        return close
    return value


def _clean_text(text: str, place: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Failed(Rule.NOT_TEXT, place, "?", f"{place} holds half a character") from None
    return unicodedata.normalize("NFC", text)


def _timestamp(message: _Message) -> int | None:
    text, key = message.timestamp, "timestamp"
    if text is None:
        text, key = message.original_timestamp, "originalTimestamp"
        if text is None:
            return None
    return min(max(instant(text, key), EARLIEST), LATEST)


def _corrected(as_sent: int | None, now: int, sent_at: int | None) -> int:
    """Return when it happened by our clock; never later than now."""
    if as_sent is None:
        return now
    if sent_at is None:
        return min(as_sent, now)
    # The client's clock is off by the difference between its sending and our receiving.
    return min(max(now - (sent_at - as_sent), EARLIEST), now)


def instant(given: Any, place: str) -> int:
    """Read a timestamp field: RFC 3339 text; plain numbers are refused as ambiguous."""
    if not isinstance(given, str):
        raise _Failed(Rule.BAD_TIMESTAMP, place, given, f"{place} has to be text")
    try:
        return parse_micros(given if given.isupper() else given.upper())
    except (ValueError, OverflowError):
        detail = f"{place} {excerpt(given)!r} is not an instant"
        raise _Failed(Rule.BAD_TIMESTAMP, place, given, detail) from None
