"""From the bytes of a Segment call to events: decode, validate, standardise. Pure.

One bad item never spoils the others: each comes out as an `Accepted` or a `Refusal`. What is not
ours to judge (unknown fields of a call) is ignored; properties, traits and context are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tailorbird.base.hashing import hash64_both
from tailorbird.base.names import nearest, snake_case
from tailorbird.base.time import EARLIEST, LATEST, parse_micros
from tailorbird.events.documents import text_of
from tailorbird.events.event import NAME_OF_CALL, Event
from tailorbird.events.identifiers import DEFAULT_RULES, IdentityRules, context_identifiers
from tailorbird.events.reading import Failed, Message, is_plain, read_carefully, read_quickly
from tailorbird.events.refusal import Refusal, Rule, excerpt

ITEM_BYTES_MAX = 32 * 1024
REQUEST_BYTES_MAX = 500 * 1024
BATCH_ITEMS_MAX = 2_500
IDENTIFIER_LENGTH_MAX = 512
CALLS = frozenset({"identify", "track", "page", "screen", "group", "alias"})


class Accepted(msgspec.Struct, gc=False):
    """An event with the identifiers that it names, strongest first, and an alias call's elders."""

    event: Event
    identifiers: list[tuple[str, str]]
    dedup: int
    previous: list[tuple[str, str]] = []


class _Named(msgspec.Struct):
    messageId: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815


_decode_named = msgspec.json.Decoder(_Named).decode


class _Arrival(msgspec.Struct, gc=False):
    """What the items of one request have in common."""

    call: str | None
    now: int
    sent_at: int | None
    fresh_id: Callable[[int], str]
    source: str
    is_historical: bool
    rules: IdentityRules
    bytes_max: int = ITEM_BYTES_MAX


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
    bytes_max: int = ITEM_BYTES_MAX,
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
        bytes_max: Refuse what is larger.
    """
    at = _Arrival(call, now, sent_at, lambda _: fresh_id, source, is_historical, rules, bytes_max)
    return _decode(data, at, 0, is_plain(bytes(data)))


def decode_items(
    items: Sequence[bytes | msgspec.Raw],
    *,
    call: str | None,
    now: int,
    sent_at: int | None,
    fresh_id: Callable[[int], str],
    are_plain: bool = False,
    source: str = "api",
    rules: IdentityRules = DEFAULT_RULES,
) -> list[Accepted | Refusal]:
    """Turn the items of one request into events; see `decode_item`.

    Args:
        fresh_id: Gives the message id of the item at a place, where the client gave none.
        are_plain: Whether `reading.is_plain` holds of the whole request; it is asked of each item
            where it does not.
    """
    at = _Arrival(call, now, sent_at, fresh_id, source, False, rules)
    if are_plain:
        return [_decode(item, at, index, True) for index, item in enumerate(items)]
    return [_decode(item, at, index, is_plain(bytes(item))) for index, item in enumerate(items)]


def message_id_of(data: bytes | msgspec.Raw) -> str | None:
    """Return the message id of an item that was refused, where it has one that can be read."""
    try:
        text = text_of(_decode_named(data).messageId)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return text if text is not None and len(text) <= IDENTIFIER_LENGTH_MAX else None


def spread(items: Sequence[Accepted]) -> None:
    """Give items of one person with equal timestamps a microsecond each, so that order is kept."""
    if len(items) < 2 or len(
        {(item.event.timestamp, item.identifiers[0]) for item in items}
    ) == len(items):
        return  # as nearly always
    latest: dict[tuple[tuple[str, str], int], int] = {}
    for item in items:
        person, at = item.identifiers[0], item.event.timestamp
        free = at
        while (person, free) in latest:
            free = latest[person, free] + 1
        latest[person, at] = latest[person, free] = item.event.timestamp = free


def _decode(
    data: bytes | msgspec.Raw, at: _Arrival, index: int, is_plain_text: bool
) -> Accepted | Refusal:
    size = len(data)
    if size > at.bytes_max:
        detail = f"the event has {size:,} bytes; at most {at.bytes_max:,} are taken"
        return Refusal(Rule.TOO_LARGE, "event", f"{size} bytes", detail)
    try:
        message = (read_quickly(data) if is_plain_text else None) or read_carefully(bytes(data))
        return _accept(message, at, index)
    except Failed as failed:
        return failed.refusal


def _accept(message: Message, at: _Arrival, index: int) -> Accepted:
    call = at.call or message.type or ""
    if call not in CALLS:
        raise _unknown(call)
    user_id, anonymous_id = message.user_id, message.anonymous_id
    if user_id is not None:
        user_id = _judged(user_id, "userId", at.rules)
    if anonymous_id is not None:
        anonymous_id = _judged(anonymous_id, "anonymousId", at.rules)
    context = message.context or {}
    is_track = call == "track"
    properties = (message.properties or {}) if is_track else _properties(message, call, context)
    if "traits" in context:
        del context["traits"]
    message_id = message.message_id or at.fresh_id(index)
    if len(message_id) > IDENTIFIER_LENGTH_MAX:
        raise _too_long("messageId", message_id)
    as_sent, stamp = None, at.now
    if message.timestamp is not None or message.original_timestamp is not None:
        as_sent = _timestamp(message)
        stamp = _corrected(as_sent, at.now, at.sent_at)
    if is_track:
        name_as_sent = message.event or ""
        name = snake_case(name_as_sent)
        if not name or len(name_as_sent) > IDENTIFIER_LENGTH_MAX:
            raise _bad_name(name_as_sent, name)
    else:
        name_as_sent = message.name or ""
        name = NAME_OF_CALL[call]
    order, dedup = hash64_both(anonymous_id or user_id or "", message_id)
    event = Event(
        type=call,
        name=name,
        message_id=message_id,
        timestamp=stamp,
        order=order,
        properties=properties,
        context=context,
        user_id=user_id,
        anonymous_id=anonymous_id,
        name_as_sent=name_as_sent or None,
        original_timestamp=None if as_sent is None or as_sent == stamp else as_sent,
        source=at.source,
        is_historical=at.is_historical,
    )
    identifiers = identifiers_of(event, at.rules)
    if not identifiers:
        raise _nobody(message)
    if call == "alias":
        return Accepted(event, identifiers, dedup, _previous(message, at.rules))
    return Accepted(event, identifiers, dedup)


def _unknown(call: str) -> Failed:
    close = nearest(call, CALLS)
    meant = f"; did you mean {close}?" if close else ""
    detail = f"type {excerpt(call)!r} is none of {', '.join(sorted(CALLS))}{meant}"
    return Failed(Rule.UNKNOWN_CALL if call else Rule.MISSING, "type", call, detail)


def _nobody(message: Message) -> Failed:
    both = {"userId": message.user_id, "anonymousId": message.anonymous_id}
    detail = "userId and anonymousId are missing or stand for nobody"
    return Failed(Rule.NOBODY, "userId", both, detail)


def _bad_name(as_sent: str, name: str) -> Failed:
    if name:
        return _too_long("event", as_sent)
    detail = "a track call needs the event's name"
    if as_sent.strip():
        detail = f"event {excerpt(as_sent)!r} has no letter or digit, by which a name is known"
    return Failed(Rule.MISSING, "event", as_sent, detail)


def _too_long(key: str, value: str) -> Failed:
    detail = f"{key} has {len(value):,} characters; at most {IDENTIFIER_LENGTH_MAX} are taken"
    return Failed(Rule.TOO_LARGE, key, value, detail)


def _properties(message: Message, call: str, context: Mapping[str, Any]) -> dict[str, Any]:
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
    user_id, anonymous_id, context = event.user_id, event.anonymous_id, event.context
    is_plain_call = event.type != "identify" and not (
        "externalIds" in context or "device" in context
    )
    if is_plain_call and anonymous_id is None:
        return [] if user_id is None else [("user_id", user_id)]  # most events
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
    if found and ("externalIds" in context or "device" in context):
        found += context_identifiers(context)
    # Without a context or an identify there is nothing to put in order: most events.
    return found if len(found) < 2 or found[-1][0] == "anonymous_id" else rules.sorted(found)


def _previous(message: Message, rules: IdentityRules) -> list[tuple[str, str]]:
    as_sent = message.previous_id
    previous = None if as_sent is None else _judged(as_sent, "previousId", rules)
    if previous is None:
        raise Failed(Rule.MISSING, "previousId", message.previous_id)
    # The previous id is whatever the person was known by: an anonymous id, or a user id.
    return [("anonymous_id", previous), ("user_id", previous)]


def _is_address(text: str) -> bool:
    local, at, domain = text.strip().rpartition("@")
    is_plain = all(c.isprintable() and c != " " for c in text.strip())
    return bool(at and local and "." in domain and is_plain and len(text) <= 320)


def _judged(value: str, key: str, rules: IdentityRules) -> str | None:
    value = value.strip()
    if len(value) > IDENTIFIER_LENGTH_MAX:
        raise _too_long(key, value)
    return None if rules.is_blocked(key, value) else value


def _timestamp(message: Message) -> int:
    text, key = message.timestamp, "timestamp"
    if text is None:
        text, key = message.original_timestamp, "originalTimestamp"
    at = instant(text, key)
    return at if EARLIEST <= at <= LATEST else EARLIEST if at < EARLIEST else LATEST


def _corrected(as_sent: int, now: int, sent_at: int | None) -> int:
    """Return when it happened by our clock; never later than now."""
    if sent_at is None:
        return as_sent if as_sent < now else now
    # The client's clock is off by the difference between its sending and our receiving.
    return min(max(now - (sent_at - as_sent), EARLIEST), now)


def instant(given: Any, place: str) -> int:
    """Read a timestamp field: RFC 3339 text; plain numbers are refused as ambiguous."""
    if not isinstance(given, str):
        raise Failed(Rule.BAD_TIMESTAMP, place, given, f"{place} has to be text")
    try:
        return parse_micros(given if given.isupper() else given.upper())
    except (ValueError, OverflowError):
        detail = f"{place} {excerpt(given)!r} is not an instant"
        raise Failed(Rule.BAD_TIMESTAMP, place, given, detail) from None
