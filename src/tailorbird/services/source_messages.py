"""From a message of a queue or webhook to Segment calls, by the source's definition. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tailorbird.base.hashing import hash_text
from tailorbird.base.numbers import unscaled
from tailorbird.base.time import format_micros
from tailorbird.events.decode import BATCH_ITEMS_MAX
from tailorbird.events.documents import decode_batch
from tailorbird.events.reading import read_loosely
from tailorbird.events.refusal import Refusal, Rule, excerpt
from tailorbird.events.standardise import instant
from tailorbird.language.oracle import value_in
from tailorbird.language.values import Lapse, Moment, Value
from tailorbird.services.ingest import unpack
from tailorbird.workspace.definitions import (
    FieldPath,
    MapPart,
    MapValue,
    MessageMap,
    SourceDefinition,
)

_KEYS = {
    "type": "type",
    "event": "event",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "message_id": "messageId",
    "timestamp": "timestamp",
}
# Events may be 32 deep; what is around them at the sender may take as much again.
_DEPTH_MAX = 100
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One call as JSON, and the id that it has where it names none."""

    raw: bytes
    fresh_id: str
    at: int | None = None  # when it happened, where the call does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A message that is no call; `topic` is what came beside it of how it is to be read."""

    refusal: Refusal
    raw: bytes
    topic: str = ""


def items_of(
    definition: SourceDefinition, body: bytes, position: str, at: int | None, now: int
) -> Sequence[Item | Bad]:
    """Return the calls in one message: none where `when` leaves it out, several of a batch."""
    unpacked = unpack(body, "")
    if isinstance(unpacked, Refusal):
        return [Bad(refusal=unpacked, raw=body)]
    fresh_id = f"{definition.name}-{hash_text(definition.name, position)}"
    if definition.map is None and definition.when is None:
        return _calls(unpacked, fresh_id, at)
    message = object_in(unpacked)
    if isinstance(message, Refusal):
        return [Bad(refusal=message, raw=unpacked)]
    if definition.when is not None and value_in(definition.when, message, now) is not True:
        return []
    if definition.map is None:
        return _calls(unpacked, fresh_id, at)
    call = mapped(definition.map, message, now)
    return [Item(raw=_encode(call), fresh_id=fresh_id, at=at)]


def object_in(data: bytes, *, is_loose: bool = False) -> dict[str, Any] | Refusal:
    """Read a JSON object; a loose one may hold NaN and halves of characters."""
    try:
        found = _decode(data)
    except RecursionError as problem:
        return Refusal(Rule.TOO_DEEP, "body", excerpt(_start(data)), str(problem))
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        found = read_loosely(data) if is_loose else None
        if found is None:
            return Refusal(Rule.NOT_JSON, "body", excerpt(_start(data)), str(problem))
    if not isinstance(found, dict):
        return Refusal(Rule.NOT_AN_OBJECT, "body", excerpt(_start(data)))
    if data.count(b"{") + data.count(b"[") > _DEPTH_MAX and _is_deep(found):
        detail = f"the message is nested more than {_DEPTH_MAX} deep"
        return Refusal(Rule.TOO_DEEP, "body", excerpt(_start(data)), detail)
    return found


def _is_deep(value: Any) -> bool:
    """Say whether JSON is nested deeper than expressions can follow."""
    level = [value]
    for _ in range(_DEPTH_MAX):
        below: list[Any] = []
        for one in level:
            below += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        if not below:
            return False
        level = below
    return True


def mapped(map_: MessageMap, message: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Return the Segment call that a map makes of a message; what is missing is left out."""
    call: dict[str, Any] = {"type": "track"}
    for name, value in map_.fields.items():
        found = value_of(value, message, now)
        if found is not None:
            # Shops number their customers and orders; ids are texts here.
            is_number = isinstance(found, int) and not isinstance(found, bool)
            found = str(found) if is_number and name.endswith("_id") else found
            call[_KEYS[name]] = instant_of(found) if name == "timestamp" else found
    for name, part in map_.parts.items():
        found = _part(part, message, now)
        if found is not None:
            call[name] = found
    return call


def _part(part: MapPart, message: Mapping[str, Any], now: int) -> Any:
    if not isinstance(part, Mapping):
        return value_of(part, message, now)
    found = {name: value_of(value, message, now) for name, value in part.items()}
    return {name: value for name, value in found.items() if value is not None}


def value_of(value: MapValue, message: Mapping[str, Any], now: int) -> Any:
    """Return what one side of a map finds in a message, None where it is missing."""
    if isinstance(value, FieldPath):
        return at_path(value.parts, message)
    return plain_value(value_in(value, message, now))


def instant_of(value: Any) -> Any:
    """Return an instant as RFC 3339, whichever way it is written; what is none as it stands."""
    found = instant(value) if isinstance(value, (str, int, float)) else None
    return value if found is None else found


def at_path(parts: Sequence[str], value: Any) -> Any:
    """Return what lies at a path of names and list positions, None where nothing does."""
    for part in parts:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def plain_value(value: Value) -> Any:
    """Return a value of the language as JSON: instants as RFC 3339, spans in seconds."""
    if isinstance(value, Moment):
        return format_micros(value)
    if isinstance(value, Lapse):
        return value / 1_000_000
    if isinstance(value, tuple):
        return [plain_value(one) for one in value]
    return unscaled(value) if type(value) is int else value


def _calls(data: bytes, fresh_id: str, at: int | None) -> Sequence[Item | Bad]:
    """One call, or the calls of a batch."""
    body = decode_batch(data)
    if isinstance(body, Refusal):
        return [Bad(refusal=body, raw=data)]
    if body.batch is None:
        return [Item(raw=data, fresh_id=fresh_id, at=at)]
    if len(body.batch) > BATCH_ITEMS_MAX:
        detail = f"{len(body.batch):,} events; at most {BATCH_ITEMS_MAX:,} are taken at once"
        return [
            Bad(refusal=Refusal(Rule.TOO_MANY, "batch", str(len(body.batch)), detail), raw=data)
        ]
    return [
        Item(raw=bytes(raw), fresh_id=f"{fresh_id}-{index}", at=at)
        for index, raw in enumerate(body.batch)
    ]


def _start(data: bytes) -> str:
    return data[:60].decode("utf-8", "replace")
