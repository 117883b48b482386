"""The live stream: what it sends, and that it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from tailorbird.testing.in_process import ADMIN, InProcessServer


def test_the_stream_sends_the_overview_and_ends_at_a_stop(server: InProcessServer) -> None:
    server.publish()

    async def follow() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)
            if message.get("body"):
                server.app.live.close()

        head = [(b"authorization", ADMIN["authorization"].encode())]
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/v1/live",
            "query_string": b"",
            "headers": head,
        }
        await asyncio.wait_for(server.app(scope, receive, send), 10)
        return sent

    start, first, end = asyncio.run(follow())
    assert dict(start["headers"])[b"content-type"] == b"text/event-stream"
    assert first["body"].startswith(b"data: ")
    assert msgspec.json.decode(first["body"][6:])["name"] == "test"
    assert end == {"type": "http.response.body", "body": b"", "more_body": False}


def test_the_stream_ends_when_the_client_goes(server: InProcessServer) -> None:
    reply = server.ask("GET", "/v1/live", headers=ADMIN)
    assert reply.status == 200
    assert reply.body.count(b"data: ") == 1


def test_the_stream_needs_the_admin_key(server: InProcessServer) -> None:
    assert server.ask("GET", "/v1/live").status == 401
    assert server.ask("POST", "/v1/live", headers=ADMIN).status == 405
