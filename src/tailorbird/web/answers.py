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
    length = header(scope, b"content-length")
    if length is not None and _is_above(length, limit):
        raise BodyTooLarge(await discard(receive, limit + 1))
    # What was announced is all: to be told so costs as much as a small body.
    whole = int(length) if length is not None and length.isascii() and length.isdigit() else -1
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
        if size == whole or not message.get("more_body", False):
            break
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


def _is_above(length: str, limit: int) -> bool:
    # Python reads other scripts' digits too, and refuses texts of thousands of them.
    if not (length.isascii() and length.isdigit()):
        return False
    return len(length) > 18 or int(length) > limit


def header(scope: Scope, name: bytes) -> str | None:
    """Return a request header's value; of several the first."""
    found = scope.get(_HEADERS)
    if found is None:
        # Read once: five of them are asked for each request.
        found = scope[_HEADERS] = {
            key.lower(): bytes(value).decode("latin-1")
            for key, value in reversed([*scope["headers"]])
        }
    value: str | None = found.get(name)
    return value


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
