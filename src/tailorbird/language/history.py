"""Events as people write them down (dicts in the Segment shape) made ready for the language."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tailorbird.base.names import snake_case
from tailorbird.base.time import EARLIEST, LATEST, parse_micros, to_micros
from tailorbird.events.event import NAME_OF_CALL, Event, order_of
from tailorbird.language.oracle import Known

_WITH_TRAITS = ("identify", "group")


def read_history(events: Sequence[Mapping[str, Any]]) -> list[Known]:
    """Read events, in the order of the list.

    Without `receivedAt` an event is known at its timestamp; a timestamp later than `receivedAt` is
    clamped to it. Without `messageId` the position in the list breaks ties. Of events with the same
    `messageId` the one known first stays.

    Raises:
        ValueError: an event cannot be read; the text names its index and field.
    """
    history = [_read(index, event) for index, event in enumerate(events)]
    first: dict[str, int] = {}
    for index, known in enumerate(history):
        message_id = known.event.message_id
        if message_id:
            best = first.setdefault(message_id, index)
            if known.known_at < history[best].known_at:
                first[message_id] = index
    return [
        known
        for index, known in enumerate(history)
        if not known.event.message_id or first[known.event.message_id] == index
    ]


def read_instant(value: Any, what: str) -> int:
    """Read an instant: RFC 3339 text, datetime (naive is UTC) or integer microseconds UTC.

    Raises:
        ValueError: the value is no instant; `what` is named in the text.
    """
    if isinstance(value, datetime):
        at = to_micros(value if value.tzinfo is not None else value.replace(tzinfo=UTC))
    elif isinstance(value, int) and not isinstance(value, bool):
        at = value
    elif isinstance(value, str):
        try:
            at = parse_micros(value)
        except (ValueError, OverflowError):
            raise ValueError(
                f"{what} is not an instant: {value!r}; write it like 2026-01-31T10:00:00Z"
            ) from None
    else:
        raise ValueError(
            f"{what} is of type {type(value).__name__}; write text like 2026-01-31T10:00:00Z,"
            " a datetime or integer microseconds"
        )
    if not EARLIEST <= at <= LATEST:
        raise ValueError(f"{what} lies outside the years 1 to 9999: {value!r}")
    return at


def _read(index: int, raw: Mapping[str, Any]) -> Known:
    place = f"events[{index}]"
    if not isinstance(raw, Mapping):
        raise ValueError(f"{place} is of type {type(raw).__name__}, not an object")
    call = raw.get("type") or "track"
    if call != "track" and call not in NAME_OF_CALL:
        raise ValueError(f"{place}.type is {call!r}; known are track, {', '.join(NAME_OF_CALL)}")
    sent_name = raw.get("event", raw.get("name")) if call == "track" else None
    if call == "track" and (not isinstance(sent_name, str) or not snake_case(sent_name)):
        raise ValueError(f"{place}.event is {sent_name!r}; a track call needs an event name")
    properties = _object(raw, "traits" if call in _WITH_TRAITS else "properties", place)
    group = _first(raw, "groupId", "group_id")
    if call == "group" and isinstance(group, str):
        properties = {**properties, "group_id": group}
    timestamp, received = raw.get("timestamp"), _first(raw, "receivedAt", "received_at")
    if timestamp is None and received is None:
        raise ValueError(f"{place}.timestamp is missing")
    at = None if timestamp is None else read_instant(timestamp, f"{place}.timestamp")
    known_at = at if received is None else read_instant(received, f"{place}.receivedAt")
    assert known_at is not None
    message_id = _first(raw, "messageId", "message_id")
    event = Event(
        type=call,
        name=snake_case(sent_name) if isinstance(sent_name, str) else NAME_OF_CALL[call],
        message_id="" if message_id is None else str(message_id),
        timestamp=known_at if at is None else min(at, known_at),
        order=index if message_id is None else order_of(str(message_id)),
        properties=properties,
        context=_object(raw, "context", place),
        user_id=_first(raw, "userId", "user_id"),
        anonymous_id=_first(raw, "anonymousId", "anonymous_id"),
        name_as_sent=sent_name if isinstance(sent_name, str) else None,
    )
    return Known(known_at, event)


def _first(raw: Mapping[str, Any], *names: str) -> Any:
    return next((raw[name] for name in names if raw.get(name) is not None), None)


def _object(raw: Mapping[str, Any], name: str, place: str) -> dict[str, Any]:
    value = raw.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{place}.{name} is of type {type(value).__name__}, not an object")
    found = canonical(value)
    assert isinstance(found, dict)
    return found


def canonical(value: Any) -> Any:
    """Return JSON as collect would keep it: texts in NFC, tuples as lists."""
    if isinstance(value, str):
        return value if value.isascii() else unicodedata.normalize("NFC", value)
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    return value
