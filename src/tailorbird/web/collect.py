"""The hot routes: Segment's calls, on a plain ASGI callable without a framework."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable

from tailorbird.events.decode import REQUEST_BYTES_MAX
from tailorbird.events.refusal import MENDS, Rule
from tailorbird.services.ingest import RETRY_AFTER_SECONDS, Answered, Ingest
from tailorbird.services.room import Room
from tailorbird.web.answers import (
    BodyTooLarge,
    Receive,
    Scope,
    Send,
    answer,
    answer_json,
    discard,
    header,
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
# Browsers may send from any shop's pages; the write key says for whom.
CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding"),
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
        request_id = str(scope["state"]["request_id"])
        headers = ((b"x-request-id", request_id.encode()), *CORS)
        method = scope["method"]
        if method == "OPTIONS":
            await answer(send, 204, b"", "text/plain", headers)
            return
        if method != "POST":
            error = {
                "field": "method",
                "value": method,
                "rule": "method_not_allowed",
                "message": f"{method} is not taken here",
                "mend": "Send the call with POST.",
            }
            await answer_json(send, 405, {"error": error, "request_id": request_id}, headers)
            return
        full = self._room.refusal() if self._room is not None else None
        size = _size_of(scope)
        if full is not None or self._waiting_bytes + size > self._waiting_bytes_max:
            await discard(receive)
            await _send(send, _disk_full(full) if full else _busy(), request_id, headers)
            return
        self._waiting_bytes += size
        try:
            await self._take(call, scope, receive, send, request_id, headers)
        finally:
            self._waiting_bytes -= size

    async def _take(
        self,
        call: str,
        scope: Scope,
        receive: Receive,
        send: Send,
        request_id: str,
        headers: tuple[tuple[bytes, bytes], ...],
    ) -> None:
        try:
            body = await read_body(scope, receive, REQUEST_BYTES_MAX)
        except BodyTooLarge:
            error = {
                "field": "body",
                "value": header(scope, b"content-length") or "more than the limit",
                "rule": Rule.TOO_LARGE.value,
                "message": f"the request is larger than {REQUEST_BYTES_MAX:,} bytes",
                "mend": MENDS[Rule.TOO_LARGE],
            }
            await answer_json(send, 413, {"error": error, "request_id": request_id}, headers)
            return
        key = key_of(scope)
        answered = await self._ingest.call(
            call,
            body,
            encoding=header(scope, b"content-encoding") or "",
            may_write=lambda inner: self._may_write(key, inner),
        )
        self._measures.collected(call, answered)
        await _send(send, answered, request_id, headers)

    def _may_write(self, outer: str | None, inner: str | None) -> bool:
        return any(key is not None and self._is_write_key(key) for key in (outer, inner))


def _size_of(scope: Scope) -> int:
    """Return how much of memory a request may take, by what it says of itself."""
    length = header(scope, b"content-length")
    if length is None or len(length) > 9 or not (length.isascii() and length.isdecimal()):
        return REQUEST_BYTES_MAX
    if header(scope, b"content-encoding"):
        return min(int(length) * _PACKED_TIMES, REQUEST_BYTES_MAX)
    return min(int(length), REQUEST_BYTES_MAX)


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


def key_of(scope: Scope) -> str | None:
    """Return the key of a request: Basic user name or bearer token."""
    value = header(scope, b"authorization")
    if value is None:
        return None
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return b64decode(rest.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


async def _send(
    send: Send, answered: Answered, request_id: str, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    if answered.status in (429, 503):
        headers = (*headers, (b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    answered.body["request_id"] = request_id
    await answer_json(send, answered.status, answered.body, headers)
