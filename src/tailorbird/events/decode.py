"""From the bytes of a Segment call to events: decode, validate, standardise. Pure.

One bad item never spoils the others: each comes out as an `Accepted` or a `Refusal`. What is not
ours to judge (unknown fields of a call) is ignored; properties, traits and context are kept.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from tailorbird.base.hashing import hash64
from tailorbird.base.names import nearest, snake_case
from tailorbird.base.time import EARLIEST, LATEST, parse_micros
from tailorbird.events.event import NAME_OF_CALL, Event, order_of
from tailorbird.events.identifiers import DEFAULT_RULES, IdentityRules, context_identifiers
from tailorbird.events.refusal import Refusal, Rule, excerpt

ITEM_BYTES_MAX = 32 * 1024
REQUEST_BYTES_MAX = 500 * 1024
BATCH_ITEMS_MAX = 2_500
DEPTH_MAX = 32
IDENTIFIER_LENGTH_MAX = 512
CALLS = frozenset({"identify", "track", "page", "screen", "group", "alias"})


@dataclass(slots=True)
class Accepted:
    """An event with the identifiers that it names, strongest first, and an alias call's elders."""

    event: Event
    identifiers: list[tuple[str, str]]
    dedup: int
    previous: list[tuple[str, str]] = field(default_factory=list)


_Document = TypeVar("_Document", bound="Body")


class _Failed(Exception):
    def __init__(self, rule: Rule, place: str, value: Any, detail: str = "") -> None:
        super().__init__(detail)
        self.refusal = Refusal(rule, place, excerpt(value), detail)


def _float(text: str) -> float | Decimal:
    # A double names decimals of up to 15 digits exactly; longer ones stay decimal.
    if len(text) <= 16:
        return float(text)
    try:
        exact = Decimal(text)
    except InvalidOperation:
        return float(text)
    close = float(text)
    return close if Decimal(repr(close)) == exact else exact


class Body(msgspec.Struct):
    """The parts of a single call's document that we look at before the call itself."""

    sentAt: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815  # Segment's spelling
    writeKey: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815


class Batch(Body):
    """The parts of a batch call's document."""

    batch: list[msgspec.Raw] | None = None


class _Unusual(Exception):
    """A number that the quick way does not judge."""


def _quick_float(text: str) -> float:
    number = float(text)
    if (len(text) > 16 and repr(number) != text) or math.isinf(number):
        raise _Unusual
    return number


class _Named(msgspec.Struct):
    messageId: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815


_decode_named = msgspec.json.Decoder(_Named).decode
_decode_body = msgspec.json.Decoder(Body).decode
_decode_batch = msgspec.json.Decoder(Batch).decode
_decode_item = msgspec.json.Decoder(float_hook=_float).decode
_decode_plain = msgspec.json.Decoder(float_hook=_quick_float).decode
# Digits to zeros, all else to blanks: shows numbers too long for 63 bits without parsing.
_DIGITS = bytes(48 if 48 <= code <= 57 else 32 for code in range(256))
_LONG = b"0" * 19
_decode_text = msgspec.json.Decoder(str | None).decode


def decode_body(data: bytes) -> Body | Refusal:
    """Read what a single call's document says besides the call."""
    return _decode_document(data, _decode_body)


def decode_batch(data: bytes) -> Batch | Refusal:
    """Read a batch call's document; its items stay raw."""
    return _decode_document(data, _decode_batch)


def _decode_document(data: bytes, decode: Callable[[bytes], _Document]) -> _Document | Refusal:
    try:
        return decode(data)
    except msgspec.ValidationError as problem:
        place = str(problem).rpartition("`$")[2].strip(".`") or "body"
        if data.lstrip()[:1] != b"{":
            return Refusal(Rule.NOT_AN_OBJECT, "body", excerpt(_start(data)), str(problem))
        return Refusal(Rule.WRONG_TYPE, place, excerpt(_start(data)), str(problem))
    except RecursionError:
        return Refusal(Rule.TOO_DEEP, "body", excerpt(_start(data)))
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        return Refusal(Rule.NOT_JSON, "body", excerpt(_start(data)), str(problem))


def text_of(raw: msgspec.Raw) -> str | None:
    """Return a raw JSON value that is a text, else None."""
    try:
        found: str | None = _decode_text(raw)
        return found
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


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
    is_plain = _is_plain(raw)
    try:
        if is_plain:
            try:
                message = _decode_plain(raw)
            except _Unusual:
                is_plain = False
        if not is_plain:
            message = _decode_item(raw)
    except RecursionError as problem:
        return Refusal(Rule.TOO_DEEP, "event", excerpt(_start(raw)), str(problem))
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as problem:
        return Refusal(Rule.NOT_JSON, "event", excerpt(_start(raw)), str(problem))
    try:
        return _accept(
            message, call, now, sent_at, fresh_id, source, is_historical, is_plain, rules
        )
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


def _accept(
    message: Any,
    call: str | None,
    now: int,
    sent_at: int | None,
    fresh_id: str,
    source: str,
    is_historical: bool,
    is_plain: bool,
    rules: IdentityRules,
) -> Accepted:
    if not isinstance(message, dict):
        raise _Failed(Rule.NOT_AN_OBJECT, "event", message)
    call = call or _text(message, "type") or ""
    if call not in CALLS:
        close = nearest(call, CALLS)
        meant = f"; did you mean {close}?" if close else ""
        detail = f"type {excerpt(call)!r} is none of {', '.join(sorted(CALLS))}{meant}"
        raise _Failed(Rule.UNKNOWN_CALL if call else Rule.MISSING, "type", call, detail)
    user_id = _identifier(message, "userId", rules)
    anonymous_id = _identifier(message, "anonymousId", rules)
    context = _object(message, "context", is_plain)
    properties = _properties(message, call, context, is_plain)
    context.pop("traits", None)
    name_as_sent = _name(message, call)
    message_id = _text(message, "messageId") or fresh_id
    if len(message_id) > IDENTIFIER_LENGTH_MAX:
        raise _Failed(Rule.TOO_LARGE, "messageId", message_id)
    as_sent = _timestamp(message)
    stamp = _corrected(as_sent, now, sent_at)
    event = Event(
        type=call,
        name=snake_case(name_as_sent) if call == "track" else NAME_OF_CALL[call],
        message_id=message_id,
        timestamp=stamp,
        order=order_of(message_id),
        properties=properties,
        context=context,
        user_id=user_id,
        anonymous_id=anonymous_id,
        name_as_sent=name_as_sent or None,
        original_timestamp=None if as_sent in (None, stamp) else as_sent,
        source=source,
        is_historical=is_historical,
    )
    identifiers = identifiers_of(event, rules)
    if not identifiers:
        both = {"userId": message.get("userId"), "anonymousId": message.get("anonymousId")}
        detail = "userId and anonymousId are missing or stand for nobody"
        raise _Failed(Rule.NOBODY, "userId", both, detail)
    return Accepted(
        event=event,
        identifiers=identifiers,
        dedup=hash64(anonymous_id or user_id or "", message_id),
        previous=_previous(message, call, rules),
    )


def _is_plain(raw: bytes) -> bool:
    """Say whether nothing in the JSON needs standardising: most events, at a tenth of the cost.

    `_clean` is the slow twin: ASCII without escapes is NFC, few brackets cannot nest deep, and
    without 19 digits in a row no integer is too long. Long decimals show while decoding.
    """
    return (
        raw.isascii()
        and (b"\\" not in raw or b"\\u" not in raw)
        and raw.count(b"{") + raw.count(b"[") <= DEPTH_MAX
        and _LONG not in raw.translate(_DIGITS)
    )


def _name(message: Mapping[str, Any], call: str) -> str:
    if call != "track":
        return _text(message, "name") or ""
    name = _text(message, "event")
    if not name or not snake_case(name):
        raise _Failed(
            Rule.MISSING, "event", message.get("event"), "a track call needs the event's name"
        )
    if len(name) > IDENTIFIER_LENGTH_MAX:
        raise _Failed(Rule.TOO_LARGE, "event", name)
    return name


def _properties(
    message: Mapping[str, Any], call: str, context: Mapping[str, Any], is_plain: bool
) -> dict[str, Any]:
    if call in ("identify", "group"):
        traits = _object(message, "traits", is_plain)
        # RudderStack's libraries put the traits into the context.
        inner = context.get("traits")
        if call == "identify" and isinstance(inner, dict):
            traits = {**inner, **traits}
        if call == "group" and message.get("groupId") is not None:
            traits = {**traits, "group_id": _identifier(message, "groupId", DEFAULT_RULES)}
        return traits
    properties = _object(message, "properties", is_plain)
    if call in ("page", "screen"):
        for key in ("name", "category"):
            value = _text(message, key)
            if value:
                properties.setdefault(key, value)
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
    if found and event.context:
        found += context_identifiers(event.context)
    # Without a context or an identify there is nothing to put in order: most events.
    return found if len(found) < 2 or found[-1][0] == "anonymous_id" else rules.sorted(found)


def _previous(message: Mapping[str, Any], call: str, rules: IdentityRules) -> list[tuple[str, str]]:
    if call != "alias":
        return []
    previous = _identifier(message, "previousId", rules)
    if previous is None:
        raise _Failed(Rule.MISSING, "previousId", message.get("previousId"))
    # The previous id is whatever the person was known by: an anonymous id, or a user id.
    return [("anonymous_id", previous), ("user_id", previous)]


def _is_address(text: str) -> bool:
    local, at, domain = text.strip().rpartition("@")
    is_plain = all(c.isprintable() and c != " " for c in text.strip())
    return bool(at and local and "." in domain and is_plain and len(text) <= 320)


def _identifier(message: Mapping[str, Any], key: str, rules: IdentityRules) -> str | None:
    value = message.get(key)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _Failed(Rule.WRONG_TYPE, key, value, f"{key} has to be text")
    value = _clean_text(value.strip(), key)
    if len(value) > IDENTIFIER_LENGTH_MAX:
        raise _Failed(Rule.TOO_LARGE, key, value)
    return None if rules.is_blocked(key, value) else value


def _text(message: Mapping[str, Any], key: str) -> str | None:
    value = message.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Failed(Rule.WRONG_TYPE, key, value, f"{key} has to be text")
    return _clean_text(value, key)


def _object(message: Mapping[str, Any], key: str, is_plain: bool) -> dict[str, Any]:
    value = message.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _Failed(Rule.WRONG_TYPE, key, value, f"{key} has to be an object")
    cleaned: dict[str, Any] = value if is_plain else _clean(value, key, 0)
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
    if kind is float and not math.isfinite(value):
        raise _Failed(Rule.BAD_NUMBER, place, value)
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


def _timestamp(message: Mapping[str, Any]) -> int | None:
    for key in ("timestamp", "originalTimestamp"):
        if message.get(key) is not None:
            return min(max(instant(message[key], key), EARLIEST), LATEST)
    return None


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


def sent_at_of(body: Body) -> int | None:
    """Return a request's `sentAt`, None where it has none that can be read."""
    text = text_of(body.sentAt)
    try:
        return parse_micros(text) if text else None
    except (ValueError, OverflowError):
        return None


def _start(data: bytes) -> str:
    return data[:60].decode("utf-8", "replace")
