"""From the bytes of a request to its items, each still as it came: `decode` reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

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
    found = _decode_document(data, _decode_body)
    if isinstance(found, Refusal) and found.rule is Rule.NOT_JSON:
        loose = _loosely(data)
        return found if loose is None else Body(sentAt=loose.sentAt, writeKey=loose.writeKey)
    return found


def decode_batch(data: bytes) -> Batch | Refusal:
    """Read a batch call's document; its items stay raw."""
    found = _decode_document(data, _decode_batch)
    if isinstance(found, Refusal) and found.rule is Rule.NOT_JSON:
        return _loosely(data) or found
    return found


def _loosely(data: bytes) -> Batch | None:
    """Read a document that is no proper JSON for half a character or NaN, which Python takes.

    The call that holds one is refused alone, by its place, and spoils none of the others.
    """
    try:
        body = json.loads(data.decode())
        if not isinstance(body, dict):
            return None
        given = body.get("batch")
        items = [_raw(item) for item in given] if isinstance(given, list) else None
        return Batch(
            sentAt=_raw(body.get("sentAt")), writeKey=_raw(body.get("writeKey")), batch=items
        )
    except (ValueError, RecursionError):
        return None


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


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
