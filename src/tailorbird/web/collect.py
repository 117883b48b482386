"""The hot routes: Segment's calls, on a plain ASGI callable without a framework."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import parse_qs

from tailorbird.events.decode import REQUEST_BYTES_MAX
from tailorbird.events.standardise.agents import is_browser
from tailorbird.services.ingest import RETRY_AFTER_SECONDS, Answered, Ingest
from tailorbird.services.room import Room
from tailorbird.web.answers import (
    BodyTooLarge,
    Receive,
    Reply,
    Scope,
    Send,
    answer,
    content_length,
    discard,
    header,
    json_reply,
    read_body,
)
from tailorbird.web.measures import Measures

# Paths after /v1/, long as the servers' libraries and short as the browser's send them.
CALLS = {
    "identify": "identify",
    "i": "identify",
    "track": "track",
    "t": "track",
    "page": "page",
    "p": "page",
    "screen": "screen",
    "s": "screen",
    "group": "group",
    "g": "group",
    "alias": "alias",
    "a": "alias",
    "batch": "batch",
    "b": "batch",
    "import": "batch",
}
# Bytes of requests that are being read or wait for the writer. Decoded they are several times as
# large; what is more is asked to come again.
WAITING_BYTES_MAX = 32 * 1024 * 1024
# A packed request can be many times as large as it says.
_PACKED_TIMES = 20
PIXEL_CALLS = frozenset({"identify", "track", "page", "screen", "group", "alias", "i", "t", "p"})
PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_NO_STORE = ((b"cache-control", b"no-store"), (b"access-control-allow-origin", b"*"))
_FORWARDED_LENGTH_MAX = 500
_KEY_LENGTH_MAX = 200  # of those that are remembered
# Browsers may send from any shop's pages; the write key says for whom.
CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET, OPTIONS"),
    # Segment's browser library sends X-Retry-Count with what it sends again, and reads Retry-After;
    # RudderStack's sends AnonymousId.
    (
        b"access-control-allow-headers",
        b"anonymousid, authorization, content-type, content-encoding, x-retry-count, x-request-id",
    ),
    (b"access-control-expose-headers", b"retry-after, x-request-id"),
    (b"access-control-max-age", b"86400"),
)


class Collect:
    """Takes requests whose path is one of `CALLS`."""

    def __init__(
        self,
        ingest: Ingest,
        is_write_key: Callable[[str], bool],
        measures: Measures,
        room: Room | None = None,
        *,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
    ) -> None:
        self._room = room
        self._waiting_bytes = 0
        self._waiting_bytes_max = waiting_bytes_max
        self._ingest = ingest
        self._is_write_key = is_write_key
        self._measures = measures

    async def handle(self, call: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request to /v1/CALL."""
        await answer(send, *await self.reply(call, scope, receive))

    async def reply(self, call: str, scope: Scope, receive: Receive) -> Reply:
        """Return the answer to one request to /v1/CALL."""
        request_id = str(scope["state"]["request_id"])
        headers = ((b"x-request-id", request_id.encode()), *CORS)
        method = scope["method"]
        if method == "OPTIONS":
            return Reply(204, b"", "text/plain", headers)
        if method != "POST":
            error = {
                "field": "method",
                "value": method,
                "rule": "method_not_allowed",
                "message": f"{method} is not taken here",
                "mend": "Send the call with POST.",
            }
            return json_reply(405, {"error": error, "request_id": request_id}, headers)
        full = self._room.refusal() if self._room is not None else None
        size = _size_of(scope)
        if full is not None or self._waiting_bytes + size > self._waiting_bytes_max:
            await discard(receive)
            return _reply(_disk_full(full) if full else _busy(), request_id, headers)
        self._waiting_bytes += size
        try:
            return await self._take(call, scope, receive, request_id, headers)
        finally:
            self._waiting_bytes -= size

    async def _take(
        self,
        call: str,
        scope: Scope,
        receive: Receive,
        request_id: str,
        headers: tuple[tuple[bytes, bytes], ...],
    ) -> Reply:
        key = key_of(scope)
        try:
            body = await read_body(scope, receive, REQUEST_BYTES_MAX)
        except BodyTooLarge as large:
            length = header(scope, b"content-length") or "more than the limit"
            # A key that stands in the body cannot be read: what nobody vouches for is not kept.
            begun = large.begun if self._may_write(key, None) else None
            answered = self._ingest.refuse_large(call, length, begun)
            self._measures.collected(call, answered)
            return _reply(answered, request_id, headers)
        answered = await self._ingest.call(
            call,
            body,
            encoding=header(scope, b"content-encoding") or "",
            may_write=lambda inner: self._may_write(key, inner),
            ip=lambda: sender_ip(scope),
            agent=browser_of(scope),
        )
        self._measures.collected(call, answered)
        return _reply(answered, request_id, headers)

    async def handle_pixel(self, call: str, scope: Scope, send: Send) -> None:
        """Answer a request to /v1/pixel/CALL?data=..., base64 of a call's JSON, with a pixel.

        It is for pages without scripts: the status tells what became of the event.
        """
        if call not in PIXEL_CALLS or scope["method"] not in ("GET", "HEAD"):
            await answer(send, 404, PIXEL, "image/gif", _NO_STORE)
            return
        if scope["method"] == "HEAD":
            await answer(send, 200, PIXEL, "image/gif", _NO_STORE)
            return
        if self._room is not None and self._room.refusal() is not None:
            await answer(send, 503, PIXEL, "image/gif", _NO_STORE)
            return
        data = parse_qs(scope["query_string"].decode("latin-1")).get("data", [""])[0]
        answered = await self._ingest.call(
            CALLS[call],
            _from_base64(data),
            may_write=lambda inner: self._may_write(None, inner),
            source="pixel",
            ip=lambda: sender_ip(scope),
            agent=browser_of(scope),
        )
        self._measures.collected(CALLS[call], answered)
        headers = (*_NO_STORE, (b"x-tailorbird", _told(answered).encode("ascii", "replace")))
        await answer(send, answered.status, PIXEL, "image/gif", headers)

    def _may_write(self, outer: str | None, inner: str | None) -> bool:
        return (outer is not None and self._is_write_key(outer)) or (
            inner is not None and self._is_write_key(inner)
        )


def _size_of(scope: Scope) -> int:
    """Return how much of memory a request may take, by what it says of itself."""
    length = content_length(scope)
    if length is None:
        return REQUEST_BYTES_MAX
    times = _PACKED_TIMES if header(scope, b"content-encoding") else 1
    return min(length * times, REQUEST_BYTES_MAX)


def _busy() -> Answered:
    return Answered(
        429,
        {
            "error": {
                "rule": "busy",
                "message": "more is waiting to be stored than memory holds; nothing of this"
                " request was stored",
                "mend": "Send the same request again after the pause that Retry-After names.",
            }
        },
    )


def _disk_full(reason: str) -> Answered:
    return Answered(
        503,
        {
            "error": {
                "rule": "disk_full",
                "message": reason,
                "mend": "Make room on the disk of the data folder; then send the same request.",
            }
        },
    )


def _from_base64(text: str) -> bytes:
    """Return the bytes of base64 in either alphabet, with or without padding; else the text."""
    plain = text.strip().replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "replace")  # the refusal shows what came


def _told(answered: Answered) -> str:
    error = answered.body.get("error")
    told = "ok" if error is None else f"{error['field']}: {error['message']} {error['mend']}"
    return " ".join(told.split())[:400]


def browser_of(scope: Scope) -> str | None:
    """Return the user agent of the browser that sent a request, None where no browser did.

    A library on a server has a user agent, too (`analytics-python/2.3`): it is nobody's device.
    """
    text = header(scope, b"user-agent")
    return text if text is not None and is_browser(text) else None


def sender_ip(scope: Scope) -> str | None:
    """Return the address that a request comes from.

    Where a proxy of the same machine or network hands it over, that is the last public address of
    X-Forwarded-For: what stands before it, the sender may have made up.
    """
    client = scope.get("client")
    peer: str | None = client[0] if client else None
    if peer is None or not _is_private(peer):
        return peer
    forwarded = header(scope, b"x-forwarded-for")
    if not forwarded:
        return None  # a place cannot be told of an address in a private network
    for hop in reversed(forwarded[-_FORWARDED_LENGTH_MAX:].split(",")):
        address = hop.strip()
        if not _is_private(address):
            return address
    return None


@lru_cache(maxsize=4_096)
def _is_private(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return True
    return found.is_private


def key_of(scope: Scope) -> str | None:
    """Return the key of a request: Basic user name or bearer token."""
    value = header(scope, b"authorization")
    if value is None:
        return None
    return _key_in(value) if len(value) > _KEY_LENGTH_MAX else _known_key_in(value)


def _key_in(value: str) -> str | None:
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return b64decode(rest.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


# The same few keys come again and again.
_known_key_in = lru_cache(maxsize=1_024)(_key_in)


def _reply(answered: Answered, request_id: str, headers: tuple[tuple[bytes, bytes], ...]) -> Reply:
    if answered.status in (429, 503):
        headers = (*headers, (b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    error = answered.body.get("error")
    if error is not None:
        # Segment's and RudderStack's libraries look for these two, and tell them to the developer.
        answered.body.update(code=error["rule"], message=error["message"])
    answered.body["request_id"] = request_id
    return json_reply(answered.status, answered.body, headers)
