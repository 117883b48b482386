"""The WebSocket: each message answered as HTTP answers, the key in the query or in a message."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tailorbird.testing.in_process import InProcessServer

TRACK = {"type": "track", "userId": "u", "event": "Order Completed", "messageId": "m1"}


def converse(
    server: InProcessServer, *messages: Any, query: bytes = b"", then: Any = None
) -> list[dict[str, Any]]:
    """Send messages over one connection and return all that came back."""
    scope = {
        "type": "websocket",
        "path": "/v1/stream",
        "query_string": query,
        "headers": [],
    }
    waiting: list[dict[str, Any]] = [{"type": "websocket.connect"}]
    for one in messages:
        if isinstance(one, bytes):
            waiting.append({"type": "websocket.receive", "bytes": one})
        else:
            text = one if isinstance(one, str) else json.dumps(one)
            waiting.append({"type": "websocket.receive", "text": text})
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        if then is not None:
            then()
            await asyncio.sleep(10)
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    asyncio.run(server.app(scope, receive, send))
    assert sent[0] == {"type": "websocket.accept"}
    return sent[1:]


def bodies(sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [json.loads(one["text"]) for one in sent if one["type"] == "websocket.send"]


def test_messages_are_answered_in_order_as_http_answers(server: InProcessServer) -> None:
    batch = {"batch": [{**TRACK, "messageId": "m2"}, {**TRACK, "userId": None}]}
    sent = converse(server, TRACK, batch, b"{", {**TRACK, "type": "trakc"}, query=b"write_key=wk")
    single, several, broken, unknown = bodies(sent)
    assert (single["success"], single["message_id"]) == (True, "m1")
    assert [one["status"] for one in several["items"]] == ["ok", "refused"]
    assert broken["error"]["rule"] == "not_json"
    assert "did you mean track" in unknown["error"]["message"]
    assert len({one["request_id"] for one in (single, several, broken, unknown)}) == 4
    assert [one.message_id for one in server.events()] == ["m1", "m2"]
    assert {one.source for one in server.events()} == {"stream"}
    assert server.dead_letters.counts() == {"nobody": 1, "not_json": 1, "unknown_call": 1}


def test_half_a_character_in_a_call_spoils_none_beside_it(server: InProcessServer) -> None:
    broken = {**TRACK, "messageId": "m2", "properties": {"p": "\ud83d"}}
    key, query = {"writeKey": "wk"}, b""
    sent = converse(server, {"batch": [TRACK, broken], **key}, {**broken, **key}, query=query)
    batch, single = bodies(sent)
    assert [one["status"] for one in batch["items"]] == ["ok", "refused"]
    assert (single["error"]["field"], single["error"]["rule"]) == ("properties.p", "not_text")
    assert server.dead_letters.counts() == {"not_text": 2}


@pytest.mark.parametrize("first", [{"writeKey": "wk"}, {**TRACK, "writeKey": "wk"}])
def test_the_key_may_stand_in_the_first_message(
    server: InProcessServer, first: dict[str, Any]
) -> None:
    answers = bodies(converse(server, first, {**TRACK, "messageId": "m2"}))
    assert [one["success"] for one in answers] == [True, True]
    assert server.events()[-1].message_id == "m2"


@pytest.mark.parametrize(
    ("message", "query"),
    [(TRACK, b""), (TRACK, b"write_key=wrong"), ({"writeKey": "wrong"}, b""), ("{", b"")],
)
def test_without_a_known_key_the_connection_ends(
    server: InProcessServer, message: Any, query: bytes
) -> None:
    sent = converse(server, message, TRACK, query=query)
    assert bodies(sent)[0]["error"]["rule"] == "unauthorised"
    assert len(bodies(sent)) == 1
    assert (sent[-1]["type"], sent[-1]["code"]) == ("websocket.close", 1008)
    assert server.events() == []


def test_a_log_that_is_away_is_told(server: InProcessServer) -> None:
    server.is_down = True
    (body,) = bodies(converse(server, TRACK, query=b"write_key=wk"))
    assert body["error"]["rule"] == "retry"


def test_what_is_too_large_is_refused_and_the_rest_goes_on(server: InProcessServer) -> None:
    large, good = bodies(converse(server, b" " * 600_000, TRACK, query=b"write_key=wk"))
    assert large["error"]["rule"] == "too_large"
    assert good["success"] is True


def test_the_server_ends_connections_when_it_stops(server: InProcessServer) -> None:
    sent = converse(server, TRACK, query=b"write_key=wk", then=server.stream.close)
    assert bodies(sent)[0]["success"] is True
    assert (sent[-1]["type"], sent[-1]["code"]) == ("websocket.close", 1001)
