"""From the bytes of a request to its items, each still as it came: `decode` reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

import msgspec

from tailorbird.base.time import parse_micros
from tailorbird.events.refusal import Refusal, Rule, excerpt

_NULL = msgspec.Raw(b"null")
_Document = TypeVar("_Document", bound="Body")


class Body(msgspec.Struct):
    """The parts of a single call's document that we look at before the call itself."""

    sentAt: msgspec.Raw = _NULL  # noqa: N815  # Segment's spelling
    writeKey: msgspec.Raw = _NULL  # noqa: N815


class Batch(Body):
    """The parts of a batch call's document."""

    batch: list[msgspec.Raw] | None = None


_decode_body = msgspec.json.Decoder(Body).decode
_decode_batch = msgspec.json.Decoder(Batch).decode
_decode_text = msgspec.json.Decoder(str | None).decode


def decode_body(data: bytes) -> Body | Refusal:
    """Read what a single call's document says besides the call."""
    return _decode_document(data, _decode_body)


def decode_batch(data: bytes) -> Batch | Refusal:
    """Read a batch call's document; its items stay raw."""
    found = _decode_document(data, _decode_batch)
    if isinstance(found, Refusal) and found.rule is Rule.NOT_JSON:
        return _decode_leniently(data) or found
    return found


def _decode_leniently(data: bytes) -> Batch | None:
    """Read a batch with an item that is no proper JSON, so that it spoils none of the others.

    Python's own decoder takes half characters and NaN; the item that holds one is refused alone.
    """
    try:
        body = json.loads(data)
        if not isinstance(body, dict) or not isinstance(body.get("batch"), list):
            return None
        items = [msgspec.Raw(json.dumps(item).encode()) for item in body["batch"]]
        rest = {key: json.dumps(body.get(key)).encode() for key in ("sentAt", "writeKey")}
    except (ValueError, RecursionError):
        return None
    return Batch(
        sentAt=msgspec.Raw(rest["sentAt"]), writeKey=msgspec.Raw(rest["writeKey"]), batch=items
    )


def _decode_document(data: bytes, decode: Callable[[bytes], _Document]) -> _Document | Refusal:
    try:
        return decode(data)
    except msgspec.ValidationError as problem:
        place = str(problem).rpartition("`$")[2].strip(".`") or "body"
        if data.lstrip()[:1] != b"{":
            return Refusal(Rule.NOT_AN_OBJECT, "body", excerpt(start_of(data)), str(problem))
        return Refusal(Rule.WRONG_TYPE, place, excerpt(start_of(data)), str(problem))
    except RecursionError:
        return Refusal(Rule.TOO_DEEP, "body", excerpt(start_of(data)))
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        return Refusal(Rule.NOT_JSON, "body", excerpt(start_of(data)), str(problem))


def text_of(raw: msgspec.Raw) -> str | None:
    """Return a raw JSON value that is a text, else None."""
    if raw is _NULL:
        return None
    try:
        found: str | None = _decode_text(raw)
        return found
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def sent_at_of(body: Body) -> int | None:
    """Return a request's `sentAt`, None where it has none that can be read."""
    text = text_of(body.sentAt)
    try:
        return parse_micros(text) if text else None
    except (ValueError, OverflowError):
        return None


def start_of(data: bytes) -> str:
    """Return the beginning of bytes, to be shown."""
    return data[:60].decode("utf-8", "replace")
