"""Answers as raw ASGI messages, for routes that no framework stands in front of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

import msgspec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_encode = msgspec.json.Encoder().encode
_HEADERS = "tailorbird.headers"  # where a scope keeps them by name
_LENGTH_DIGITS_MAX = 18
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


# A client that still writes when its connection is closed loses the answer that tells why: so much
# of a body that is too large is read, and thrown away, before the refusal.
DISCARDED_BYTES_MAX = 8_000_000


class BodyTooLarge(Exception):
    """A request body beyond the limit; `begun` is as much of it as is taken, and a byte."""

    def __init__(self, begun: bytes) -> None:
        super().__init__()
        self.begun = begun


class Disconnected(Exception):
    """The client went away before its request was whole."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Read a request's body, at most `limit` bytes.

    Raises:
        BodyTooLarge: there is more.
        Disconnected: the client went away in between.
    """
    whole = content_length(scope)
    if whole is not None and whole > limit:
        raise BodyTooLarge(await discard(receive, limit + 1))
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        chunks.append(chunk)
        if size > limit:
            if message.get("more_body", False):
                await discard(receive)
            raise BodyTooLarge(b"".join(chunks)[: limit + 1])
        # What was announced is all: to be told so costs as much as a small body.
        if size == whole or not message.get("more_body", False):
            return b"".join(chunks)


async def discard(receive: Receive, keep: int = 0) -> bytes:
    """Take a body that is not wanted, within a limit; return its first `keep` bytes."""
    begun = bytearray()
    size = 0
    while size <= DISCARDED_BYTES_MAX:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        begun += chunk[: keep - len(begun)]
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            break
    return bytes(begun)


def content_length(scope: Scope) -> int | None:
    """Return how many bytes a request says that its body has, None where it does not say."""
    text = header(scope, b"content-length")
    # Python reads other scripts' digits too, and refuses texts of thousands of them.
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    return int(text) if len(text) <= _LENGTH_DIGITS_MAX else 10**_LENGTH_DIGITS_MAX


def header(scope: Scope, name: bytes) -> str | None:
    """Return a request header's value; of several the first."""
    found = scope.get(_HEADERS)
    if found is None:
        # Put in order once, and decoded when asked: most are not.
        found = scope[_HEADERS] = {key.lower(): value for key, value in [*scope["headers"]][::-1]}
    value: bytes | None = found.get(name)
    return None if value is None else bytes(value).decode("latin-1")


class Reply(NamedTuple):
    """What a request is answered with."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


def json_reply(status: int, value: Any, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Reply:
    """Return a value as a JSON reply."""
    return Reply(status, _encode(value), "application/json", headers)


async def answer(
    send: Send,
    status: int,
    body: bytes,
    kind: str,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    """Send a whole response."""
    head = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        *SECURITY_HEADERS,
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def answer_json(
    send: Send, status: int, value: Any, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send a JSON response."""
    await answer(send, status, _encode(value), "application/json", headers)
