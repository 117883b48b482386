"""The web process's ASGI callable: hot routes first, then mails' links, pages, and the API.

No framework stands before the routes that are asked thousands of times a second.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog
from litestar import Litestar

from tailorbird.events.refusal import excerpt
from tailorbird.services.learned import Learned
from tailorbird.services.pull import WAITING
from tailorbird.services.query import Query
from tailorbird.services.room import Room
from tailorbird.web import documents
from tailorbird.web.answers import (
    SECURITY_HEADERS,
    Disconnected,
    Receive,
    Reply,
    Scope,
    Send,
    answer,
    answer_json,
    header,
    json_reply,
)
from tailorbird.web.api import PROFILES
from tailorbird.web.collect import CALLS, CORS, Collect
from tailorbird.web.hooks import PATH as HOOKS
from tailorbird.web.hooks import HookRoute
from tailorbird.web.live import Live
from tailorbird.web.measures import Measures
from tailorbird.web.pages import Pages
from tailorbird.web.sessions import Sessions
from tailorbird.web.snippet import Snippet
from tailorbird.web.stream import PATH as STREAM
from tailorbird.web.stream import Stream
from tailorbird.web.tracking import Tracking

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SETTINGS = re.compile(r"/v1/projects/([^/]{1,200})/settings")

_log = structlog.get_logger("web")


@dataclass(slots=True)
class WebParts:
    """What the callable hands requests to."""

    collect: Collect
    hooks: HookRoute
    stream: Stream
    tracking: Tracking
    pages: Pages
    api: Litestar
    query: Query
    measures: Measures
    sessions: Sessions
    sources_status: Callable[[], dict[str, dict[str, Any]]]
    lake_status: Callable[[], dict[str, Any] | None]
    is_writer_ready: Callable[[], Any]
    fresh_id: Callable[[], str]
    learned: Learned
    retain_letters: Callable[[], int] = lambda: 0
    room: Room | None = None


class WebApp:
    """One ASGI application."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        parts.api.state.report = _report
        self.live = Live(parts.query, parts.sessions)
        self._snippet = Snippet()
        self.learned = parts.learned
        self.retain_letters = parts.retain_letters
        self._document: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "websocket" and scope["path"] == STREAM:
            await self._parts.stream.handle(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._parts.api(scope, receive, send)  # type: ignore[arg-type]  # same protocol
            return
        given = header(scope, b"x-request-id")
        is_fit = given is not None and _REQUEST_ID.fullmatch(given) is not None
        request_id = given if given is not None and is_fit else self._parts.fresh_id()
        scope.setdefault("state", {})["request_id"] = request_id
        begun = time.perf_counter()
        path: str = scope["path"]
        call = CALLS.get(path[4:]) if path.startswith("/v1/") else None
        if call is not None:
            # Asked thousands of times a second: nothing stands between that is not needed.
            status = await self._collect(call, scope, receive, send, request_id)
            self._parts.measures.answered("collect", status, time.perf_counter() - begun)
        else:
            await self._answer(scope, receive, send, request_id, begun)

    async def _collect(
        self, call: str, scope: Scope, receive: Receive, send: Send, request_id: str
    ) -> int:
        try:
            reply = await self._parts.collect.reply(call, scope, receive)
        except Disconnected:
            # Whoever went away reads nothing; whoever only broke the protocol is told.
            reply, status = _cut_short(request_id), 499
        except Exception as problem:  # noqa: BLE001  # the outermost loop of a request
            _report(problem, request_id)
            reply = _fault(request_id)
            status = reply.status
        else:
            status = reply.status
        try:
            await answer(send, *reply)
        except Exception as problem:  # noqa: BLE001  # the same
            _report(problem, request_id)
        return status

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, request_id: str, begun: float
    ) -> None:
        """Answer any other request."""
        always = ((b"x-request-id", request_id.encode()), *SECURITY_HEADERS)
        status = 0

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                head = list(message.get("headers", ()))
                names = {bytes(name).lower() for name, _ in head}
                head += [pair for pair in always if pair[0] not in names]
                message = {**message, "headers": head}
            await send(message)

        route = "other"
        try:
            if _escape(scope):
                route = await self._route(scope, receive, watched)
            else:
                await self._refuse_path(scope, watched)
        except Disconnected:
            if not status:
                # Whoever went away reads nothing; whoever only broke the protocol is told.
                await answer(watched, *_cut_short(request_id))
            status = 499  # most have gone; counted under the usual number
        except Exception as problem:  # noqa: BLE001  # the outermost loop of a request
            _report(problem, request_id)
            if not status:
                await answer(watched, *_fault(request_id))
        finally:
            self._parts.measures.answered(route, status, time.perf_counter() - begun)

    async def close(self) -> None:
        """End what stays open between requests, so that the server can stop."""
        self.live.close()
        self._parts.stream.close()
        await self._parts.stream.closed()

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> str:
        path: str = scope["path"]
        parts = self._parts
        if path.startswith("/v1/"):
            if path.startswith(HOOKS):
                await parts.hooks.handle(scope, receive, send)
                return "hooks"
            if path == "/v1/live":
                await self.live.handle(scope, receive, send)
                return "live"
            if path == "/v1/m":
                # The browser library's measures of itself: taken, not kept.
                await answer_json(send, 200, {"success": True}, CORS)
                return "metrics"
            if path == "/v1/tailorbird.js":
                await self._snippet.handle(scope, send)
                return "snippet"
            if path.startswith("/v1/pixel/"):
                await parts.collect.handle_pixel(path[10:], scope, send)
                return "pixel"
            settings = _SETTINGS.fullmatch(path)
            if settings:
                await self._settings(settings[1], send)
                return "settings"
        elif path.startswith(("/t/", "/u/")):
            if await parts.tracking.handle(scope, receive, send):
                return "tracking"
        elif path == "/health":
            await self._health(send)
            return "health"
        elif path == "/metrics":
            body = parts.measures.text()
            await answer(send, 200, body, "text/plain; version=0.0.4; charset=utf-8")
            return "metrics"
        elif path == "/openapi.json":
            await answer(send, 200, self._openapi(), "application/json")
            return "openapi"
        elif path == "/docs":
            await answer(send, 200, documents.page(self._openapi()), "text/html; charset=utf-8")
            return "docs"
        elif await parts.pages.handle(scope, send):
            return "pages"
        await parts.api(scope, receive, send)  # type: ignore[arg-type]  # same protocol
        return "api"

    async def _refuse_path(self, scope: Scope, send: Send) -> None:
        error = {
            "field": "path",
            "value": excerpt(scope["path"]),
            "rule": "not_text",
            "message": "the path is not valid UTF-8",
            "mend": "Percent-encode the path's bytes as UTF-8.",
        }
        body = {"error": error, "request_id": scope["state"]["request_id"]}
        await answer_json(send, 400, body)

    async def _health(self, send: Send) -> None:
        parts = self._parts
        workspace, mail = parts.query.workspace_status(), parts.query.mail_status()
        concerns = parts.query.concerns()
        is_writing = bool(await parts.is_writer_ready())
        engines = parts.query.engines()
        are_engines_ready = all(one["ready"] for one in engines)
        roles = {
            "web": {"ready": True},
            "writer": {"ready": is_writing},
            "engine": {"ready": are_engines_ready, "each": engines},
            "deliver": {"ready": mail["reachable"] is not None},
        }
        is_ready = is_writing and are_engines_ready and workspace["version"] is not None
        is_broken = any(one.get("severity") == "error" for one in workspace["problems"])
        sources = parts.sources_status()
        is_reading = all(one["state"] != WAITING for one in sources.values())
        if sources:
            roles["sources"] = {"ready": is_reading}
        lake = parts.lake_status()
        disk = parts.room.told() if parts.room is not None else {"is_low": False}
        is_well = (
            is_reading
            and not disk["is_low"]
            and not (lake and lake["problem"])
            and mail["reachable"] is not False
            and not is_broken
            and not concerns["poisoned"]
        )
        body = {
            "status": ("ok" if is_well else "degraded") if is_ready else "starting",
            "roles": roles,
            "mail": mail,
            "disk": disk,
            "workspace": workspace,
            "concerns": concerns,
            "sources": sources,
            "lake": lake,
        }
        await answer_json(send, 200 if is_ready else 503, body)

    async def _settings(self, key: str, send: Send) -> None:
        # What Segment's browser library asks for before it sends anything.
        body = {
            "integrations": {"Segment.io": {"apiKey": key, "unbundledIntegrations": []}},
            "plan": {"track": {"__default": {"enabled": True}}, "identify": {}, "group": {}},
            "enabledMiddleware": {},
            "remotePlugins": [],
        }
        await answer_json(send, 200, body, CORS)

    def _openapi(self) -> bytes:
        if self._document is None:
            schema = self._parts.api.openapi_schema.to_schema()
            self._document = json.dumps(documents.with_collect(schema)).encode()
        return self._document


def _escape(scope: Scope) -> bool:
    """Percent-encode bytes of the query that should have been; say whether the path is text."""
    query: bytes = scope["query_string"]
    if not query.isascii():
        scope["query_string"] = quote(query, safe="%&=+;/?:@!$'()*,-._~").encode()
    path: str = scope["path"]
    try:
        path.isascii() or path.encode()
    except UnicodeEncodeError:
        return False
    raw: bytes | None = scope.get("raw_path")
    if path.startswith(PROFILES) and raw and b"%" in raw and raw.isascii():
        # Ids may hold slashes: they reach the framework encoded, and `get_profile` decodes them.
        scope["path"] = raw.partition(b"?")[0].decode()
    return True


def _cut_short(request_id: str) -> Reply:
    error = {
        "field": "body",
        "value": "",
        "rule": "cut_short",
        "message": "the request ended before its body did; nothing of it was stored",
        "mend": "Send the whole body, with its right length or in whole chunks.",
    }
    return json_reply(400, {"error": error, "request_id": request_id})


def _fault(request_id: str) -> Reply:
    error = {"rule": "fault", "message": "the server failed; see its log"}
    return json_reply(500, {"error": error, "request_id": request_id})


def _report(problem: Exception, request_id: str) -> None:
    _log.error("request_failed", request_id=request_id, exc_info=problem)
