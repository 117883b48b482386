"""`/v1/stream`: a WebSocket on which each message is a Segment call or a batch of them.

Each is answered with the body that HTTP would give, in order, once it is in the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec
import structlog

from tailorbird.events.documents import decode_batch, text_of
from tailorbird.events.refusal import Refusal
from tailorbird.services.ingest import Answered, Ingest, unauthorised
from tailorbird.web.answers import Receive, Scope, Send
from tailorbird.web.collect import browser_of, sender_ip
from tailorbird.web.measures import Measures

PATH = "/v1/stream"
STREAMS_MAX = 1_000
CLOSE_SECONDS_MAX = 3.0
_GOING_AWAY, _UNAUTHORISED, _FAULT, _FULL = 1001, 1008, 1011, 1013

_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger("stream")


class _Head(msgspec.Struct):
    """What tells apart a call, a batch, and a key alone."""

    writeKey: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815  # Segment's spelling
    type: msgspec.Raw = msgspec.Raw(b"")
    batch: msgspec.Raw = msgspec.Raw(b"")


_NOTHING = msgspec.Raw(b"null")
_decode_head = msgspec.json.Decoder(_Head).decode


class Stream:
    """Keeps at most `STREAMS_MAX` connections; `close` ends them so that the server can stop."""

    def __init__(
        self,
        ingest: Ingest,
        is_write_key: Callable[[str], bool],
        measures: Measures,
        fresh_id: Callable[[], str],
    ) -> None:
        self._ingest = ingest
        self._is_write_key = is_write_key
        self._measures = measures
        self._fresh_id = fresh_id
        self._streams = 0
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End all connections; what was received is answered first."""
        self._closing.set()

    async def closed(self) -> None:
        """Wait until all have been told, a few seconds at most."""
        until = time.monotonic() + CLOSE_SECONDS_MAX
        while self._streams and time.monotonic() < until:
            await asyncio.sleep(0.01)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if (await receive())["type"] != "websocket.connect":
            return
        await send({"type": "websocket.accept"})
        if self._streams >= STREAMS_MAX:
            await _close(send, _FULL, f"{STREAMS_MAX} streams are open already")
            return
        self._streams += 1
        closing = asyncio.create_task(self._closing.wait())
        try:
            await self._converse(scope, receive, send, closing)
        except Exception:  # noqa: BLE001  # the outermost loop of a connection
            _log.error("stream_failed", exc_info=True)
            await _close(send, _FAULT, "the server failed; see its log")
        finally:
            closing.cancel()
            self._streams -= 1

    async def _converse(
        self, scope: Scope, receive: Receive, send: Send, closing: asyncio.Task[Any]
    ) -> None:
        key = _key_in(scope)
        while True:
            following = asyncio.ensure_future(receive())
            waited: set[asyncio.Future[Any]] = {following, closing}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                following.cancel()
                await _close(send, _GOING_AWAY, "the server stops")
                return
            message = following.result()
            if message["type"] != "websocket.receive":
                return
            data = message.get("bytes") or (message.get("text") or "").encode()
            answered, key = await self._take(data, key, scope)
            answered.body["request_id"] = self._fresh_id()
            body = _encode(answered.body).decode()
            await send({"type": "websocket.send", "text": body})
            if answered.status == 401:
                await _close(send, _UNAUTHORISED, "the write key is missing or unknown")
                return

    async def _take(
        self, data: bytes, key: str | None, scope: Scope
    ) -> tuple[Answered, str | None]:
        """Take one message; return its answer and the connection's key from now on."""
        head = _head_of(data)
        inner = text_of(head.writeKey)
        if inner is not None and self._is_write_key(inner):
            key = inner
            if not bytes(head.type) and not bytes(head.batch):
                return Answered(200, {"success": True}), key
        is_allowed = key is not None and self._is_write_key(key)
        if not is_allowed:
            return unauthorised(), key
        # Without a path the message's own `type` names the call.
        call = "batch" if bytes(head.batch) else ""
        answered = await self._ingest.call(
            call,
            data,
            may_write=lambda _: is_allowed,
            source="stream",
            ip=lambda: sender_ip(scope),
            agent=browser_of(scope),
        )
        self._measures.collected(call or "stream", answered)
        return answered, key


def _head_of(data: bytes) -> _Head:
    try:
        return _decode_head(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    # What is wrong with it is told by `ingest`; here only what it is meant to be counts.
    loose = decode_batch(data)
    if isinstance(loose, Refusal):
        return _Head()
    is_batch = loose.batch is not None
    return _Head(loose.writeKey, _NOTHING, _NOTHING if is_batch else msgspec.Raw(b""))


def _key_in(scope: Scope) -> str | None:
    query = parse_qs(bytes(scope.get("query_string", b"")).decode("latin-1"))
    return next(iter(query.get("write_key", ())), None)


async def _close(send: Send, code: int, reason: str) -> None:
    await send({"type": "websocket.close", "code": code, "reason": reason})
