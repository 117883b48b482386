"""The hot routes: Segment's calls, on a plain ASGI callable without a framework."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address

from tailorbird.events.decode import REQUEST_BYTES_MAX
from tailorbird.events.refusal import MENDS, Rule
from tailorbird.services.ingest import RETRY_AFTER_SECONDS, Answered, Ingest
from tailorbird.web.answers import (
    BodyTooLarge,
    Receive,
    Scope,
    Send,
    answer,
    answer_json,
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
_FORWARDED_LENGTH_MAX = 500
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
        self, ingest: Ingest, is_write_key: Callable[[str], bool], measures: Measures
    ) -> None:
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
            ip=lambda: sender_ip(scope),
        )
        self._measures.collected(call, answered)
        await _send(send, answered, request_id, headers)

    def _may_write(self, outer: str | None, inner: str | None) -> bool:
        return any(key is not None and self._is_write_key(key) for key in (outer, inner))


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
