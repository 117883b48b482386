"""Server-sent events: the overview once a second, for pages and scripts that follow along."""

from __future__ import annotations

import asyncio

import msgspec

from tailorbird.services.query import Query
from tailorbird.web.answers import Receive, Scope, Send, answer_json
from tailorbird.web.sessions import Sessions

STREAMS_MAX = 20
SECONDS = 1.0

_encode = msgspec.json.Encoder().encode


class Live:
    """Keeps at most `STREAMS_MAX` streams open; `close` ends them so that the server can stop."""

    def __init__(self, query: Query, sessions: Sessions, *, seconds: float = SECONDS) -> None:
        self._query = query
        self._sessions = sessions
        self._seconds = seconds
        self._streams = 0
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End all streams."""
        self._closing.set()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to /v1/live."""
        if not self._sessions.is_admin(scope):
            mend = "Send the admin key as `Authorization: Bearer KEY`."
            await _refuse(scope, send, 401, "unauthorised", "this needs the admin key", mend)
        elif scope["method"] != "GET":
            message = f"{scope['method']} is not taken here"
            await _refuse(scope, send, 405, "method_not_allowed", message, "Send GET.")
        elif self._streams >= STREAMS_MAX:
            message = f"{STREAMS_MAX} streams are open already"
            await _refuse(scope, send, 429, "too_many", message, "Close one, or ask /v1/overview.")
        else:
            self._streams += 1
            try:
                await self._stream(receive, send)
            finally:
                self._streams -= 1

    async def _stream(self, receive: Receive, send: Send) -> None:
        head = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        gone = asyncio.ensure_future(_gone(receive))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            while not (gone.done() or closing.done()):
                body = b"data: " + _encode(self._query.overview()) + b"\n\n"
                await send({"type": "http.response.body", "body": body, "more_body": True})
                await asyncio.wait(
                    {gone, closing}, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED
                )
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            closing.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(
    scope: Scope, send: Send, status: int, rule: str, message: str, mend: str
) -> None:
    error = {"field": "", "value": "/v1/live", "rule": rule, "message": message, "mend": mend}
    await answer_json(send, status, {"error": error, "request_id": scope["state"]["request_id"]})
