"""Segment's calls over HTTP: keys, answers per item, what is stored and what is kept aside."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from base64 import b64encode
from typing import Any

import pytest

from tailorbird.events.decode import REQUEST_BYTES_MAX
from tailorbird.ports.dead_letters import Which
from tailorbird.testing.in_process import ADMIN, WRITE, InProcessServer
from tailorbird.web.collect import CALLS

TRACK = {"userId": "u", "event": "Order Completed", "messageId": "m1"}


def basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"{key}:".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (WRITE, {}),
        (ADMIN, {}),
        (basic("wk"), {}),
        ({}, {"writeKey": "wk"}),
        (basic("stale"), {"writeKey": "wk"}),
    ],
)
def test_the_write_key_comes_by_bearer_basic_or_body(
    server: InProcessServer, headers: dict[str, str], body: dict[str, Any]
) -> None:
    reply = server.ask("POST", "/v1/track", {**TRACK, **body}, headers)
    assert (reply.status, reply.json["success"], reply.json["message_id"]) == (200, True, "m1")
    assert [event.name for event in server.events()] == ["order_completed"]


@pytest.mark.parametrize("headers", [{}, basic("wrong"), {"authorization": "Bearer "}])
@pytest.mark.parametrize(
    "body", [TRACK, b"{", gzip.compress(b"{", mtime=0)[:-2], {"writeKey": "wrong"}]
)
def test_without_a_key_nothing_is_stored_or_kept(
    server: InProcessServer, headers: dict[str, str], body: Any
) -> None:
    reply = server.ask("POST", "/v1/track", body, headers)
    assert (reply.status, reply.error["rule"]) == (401, "unauthorised")
    assert server.log.end() == 0
    assert server.dead_letters.counts() == {}


@pytest.mark.parametrize("path", sorted(CALLS))
def test_every_name_of_a_call_is_taken(server: InProcessServer, path: str) -> None:
    message = {**TRACK, "previousId": "old", "groupId": "g"}
    body = {"batch": [{**message, "type": "track"}]} if CALLS[path] == "batch" else message
    assert server.ask("POST", f"/v1/{path}", body, WRITE).status == 200
    assert server.events()[-1].type == ("track" if CALLS[path] == "batch" else CALLS[path])


def test_a_retry_is_recognised_and_answered_as_a_success(server: InProcessServer) -> None:
    batch = {"batch": [{**TRACK, "type": "track"}, {**TRACK, "type": "track", "messageId": "m2"}]}
    server.ask("POST", "/v1/track", TRACK, WRITE)
    reply = server.ask("POST", "/v1/batch", batch, WRITE)
    assert reply.status == 200
    assert [item["status"] for item in reply.json["items"]] == ["duplicate", "ok"]
    assert len(server.events()) == 2


def test_one_bad_item_never_spoils_the_others_and_never_hides_behind_a_200(
    server: InProcessServer,
) -> None:
    batch = {
        "batch": [
            {**TRACK, "type": "track"},
            {**TRACK, "type": "track", "messageId": "m2", "timestamp": "soon"},
            7,
            {"type": "identify", "userId": "v", "messageId": "m3"},
        ]
    }
    reply = server.ask("POST", "/v1/batch", batch, WRITE)
    assert reply.status == 400
    items = reply.json["items"]
    assert [item["status"] for item in items] == ["ok", "refused", "refused", "ok"]
    assert {key: items[1][key] for key in ("index", "field", "value", "rule")} == {
        "index": 1,
        "field": "timestamp",
        "value": "soon",
        "rule": "bad_timestamp",
    }
    assert items[1]["message_id"] == "m2"
    assert reply.error["message"].startswith("2 of 4 events were refused, the others are stored")
    assert [event.message_id for event in server.events()] == ["m1", "m3"]
    assert server.dead_letters.counts() == {"bad_timestamp": 1, "not_an_object": 1}


@pytest.mark.parametrize("path", ["/v1/batch/", "/v1/trac", "/v2/track"])
def test_a_call_to_nowhere_is_told_where_calls_go(server: InProcessServer, path: str) -> None:
    reply = server.ask("POST", path, TRACK, WRITE)
    assert reply.status == 404
    assert reply.error["message"] == f"there is nothing at {path}"
    assert "/v1/track" in reply.error["mend"]


def test_where_all_are_refused_no_others_are_spoken_of(server: InProcessServer) -> None:
    reply = server.ask("POST", "/v1/batch", {"batch": [7]}, WRITE)
    assert reply.error["message"] == "1 of 1 events were refused; the first: event: not an object"


def test_a_byte_order_mark_is_no_part_of_the_call(server: InProcessServer) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(TRACK).encode()
    assert server.ask("POST", "/v1/track", body, WRITE).status == 200
    packed = {**WRITE, "content-encoding": "gzip"}
    assert server.ask("POST", "/v1/track", gzip.compress(body), packed).status == 200
    assert len(server.events()) == 1


def test_a_packing_that_is_not_read_is_named(server: InProcessServer) -> None:
    body, headers = zlib.compress(json.dumps(TRACK).encode()), {"content-encoding": "deflate"}
    reply = server.ask("POST", "/v1/track", body, {**WRITE, **headers})
    assert (reply.status, reply.error["rule"]) == (400, "not_json")
    assert "packed as 'deflate', and only gzip is unpacked" in reply.error["message"]
    # Some clients name a character set there: what can be read is taken.
    odd = {**WRITE, "content-encoding": "utf-8"}
    assert server.ask("POST", "/v1/track", TRACK, odd).status == 200


@pytest.mark.parametrize(
    ("given", "rule", "value"),
    [("NaN", "bad_number", "NaN"), ('"\\ud83d"', "not_text", "?")],
)
def test_what_is_nearly_json_is_told_by_its_place(
    server: InProcessServer, given: str, rule: str, value: str
) -> None:
    body = f'{{"userId": "u", "event": "a", "properties": {{"p": [{given}]}}, "writeKey": "wk"}}'
    reply = server.ask("POST", "/v1/track", body.encode())
    assert reply.status == 400
    found = [reply.error[key] for key in ("field", "rule", "value")]
    assert found == ["properties.p", rule, value]


def test_what_the_writer_did_not_store_is_answered_503_with_a_pause(
    server: InProcessServer,
) -> None:
    server.is_down = True
    reply = server.ask("POST", "/v1/batch", {"batch": [{**TRACK, "type": "track"}]}, WRITE)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert reply.json["items"][0]["status"] == "retry"
    server.is_down = False
    assert server.ask("POST", "/v1/track", TRACK, WRITE).status == 200


def test_gzip_is_unpacked_and_bombs_are_not(server: InProcessServer) -> None:
    packed = gzip.compress(json.dumps(TRACK).encode())
    head = {**WRITE, "content-encoding": "gzip"}
    assert server.ask("POST", "/v1/track", packed, head, chunks=5).status == 200
    text = json.dumps({**TRACK, "messageId": "in two members"}).encode()
    members = gzip.compress(text[:9]) + gzip.compress(text[9:])
    assert server.ask("POST", "/v1/track", members, head).status == 200
    for rest in (packed[:-9], packed + packed[:20], packed + b"rest"):
        assert server.ask("POST", "/v1/track", rest, head).error["rule"] == "not_json"
    bomb = gzip.compress(b" " * (REQUEST_BYTES_MAX * 20))
    reply = server.ask("POST", "/v1/track", bomb, head)
    assert (reply.status, reply.error["rule"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("path", "body", "rule", "status"),
    [
        ("batch", {"batch": [{}] * 2_501}, "too_many", 400),
        ("batch", {"batch": 3}, "wrong_type", 400),
        ("batch", {}, "missing", 400),
        ("batch", [], "not_an_object", 400),
        ("track", b"", "not_json", 400),
        ("track", {**TRACK, "properties": {"x": "y" * 40_000}}, "too_large", 413),
        ("track", b" " * (REQUEST_BYTES_MAX + 1), "too_large", 413),
    ],
)
def test_limits_and_shapes(
    server: InProcessServer, path: str, body: Any, rule: str, status: int
) -> None:
    reply = server.ask("POST", f"/v1/{path}", body, WRITE)
    assert (reply.status, reply.error["rule"]) == (status, rule)
    assert reply.error["mend"]
    assert server.log.end() == 0


@pytest.mark.parametrize("length", [{}, {"content-length": str(REQUEST_BYTES_MAX + 100)}])
def test_the_beginning_of_a_request_that_is_too_large_is_kept(
    server: InProcessServer, length: dict[str, str]
) -> None:
    body = b"abc" + b" " * (REQUEST_BYTES_MAX + 97)
    reply = server.ask("POST", "/v1/batch", body, {**WRITE, **length}, chunks=7)
    assert (reply.status, reply.json["code"]) == (413, "too_large")
    (letter,) = server.dead_letters.letters(Which())
    assert (letter.rule, letter.field, letter.is_cut) == ("too_large", "body", True)
    assert letter.raw == body[:REQUEST_BYTES_MAX]
    assert server.ask("POST", "/v1/batch", body, length).status == 413
    assert server.dead_letters.counts() == {"too_large": 1}, "what nobody vouches for is not kept"


def test_a_number_that_is_refused_is_shown_as_it_was(server: InProcessServer) -> None:
    body = b'{"userId": "u", "event": "e", "properties": {"x": 1e999}}'
    reply = server.ask("POST", "/v1/track", body, WRITE)
    assert (reply.status, reply.error["rule"]) == (400, "bad_number")
    assert reply.error["value"] == "1E+999"


def test_a_body_that_breaks_off_is_told_and_stores_nothing(server: InProcessServer) -> None:
    async def break_off() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v1/track", "query_string": b""}
        await server.app({**scope, "headers": []}, receive, send)
        return sent

    start, body = asyncio.run(break_off())
    assert start["status"] == 400
    assert json.loads(body["body"])["error"]["rule"] == "cut_short"
    assert server.log.end() == 0


def test_a_field_of_a_call_that_is_not_ours_is_not_judged(server: InProcessServer) -> None:
    assert server.ask("POST", "/v1/track", {**TRACK, "batch": 3}, WRITE).status == 200


def test_request_ids_go_through_or_are_made(server: InProcessServer) -> None:
    given = server.ask("POST", "/v1/track", TRACK, {**WRITE, "x-request-id": "abc-1"})
    assert (given.headers["x-request-id"], given.json["request_id"]) == ("abc-1", "abc-1")
    made = server.ask("GET", "/v1/status", headers={"x-request-id": "a b\n"})
    assert made.headers["x-request-id"].startswith("fresh-")
    assert made.json["request_id"] == made.headers["x-request-id"]


def test_browsers_may_ask_before_they_send(server: InProcessServer) -> None:
    for path in ("/v1/t", "/v1/m", "/v1/projects/wk/settings"):
        reply = server.ask("OPTIONS", path)
        assert reply.status in (200, 204)
        assert reply.headers["access-control-allow-origin"] == "*"
        # What Segment's and RudderStack's libraries send besides.
        allowed = reply.headers["access-control-allow-headers"].split(", ")
        assert {"authorization", "content-type", "x-retry-count", "anonymousid"} <= {*allowed}
    settings = server.ask("GET", "/v1/projects/wk/settings").json
    assert settings["integrations"]["Segment.io"]["apiKey"] == "wk"


def test_other_methods_are_named(server: InProcessServer) -> None:
    reply = server.ask("GET", "/v1/track", headers=WRITE)
    assert (reply.status, reply.error["field"], reply.error["value"]) == (405, "method", "GET")


def test_dead_letters_that_cannot_be_kept_do_not_spoil_the_answer(server: InProcessServer) -> None:
    server.dead_letters.close()
    batch = {"batch": [{**TRACK, "type": "track"}, 7]}
    reply = server.ask("POST", "/v1/batch", batch, WRITE)
    assert [item["status"] for item in reply.json["items"]] == ["ok", "refused"]


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
    " Gecko) Version/16.1 Mobile/15E148 Safari/604.1"
)


def test_a_browsers_request_tells_the_device(server: InProcessServer) -> None:
    server.ask("POST", "/v1/track", TRACK, {**WRITE, "user-agent": FIREFOX})
    context = server.events()[-1].context
    assert context["userAgent"] == FIREFOX
    assert (context["browser"]["name"], context["os"]["name"]) == ("Firefox", "Linux")
    assert context["device"]["type"] == "desktop"


def test_a_pixels_request_tells_the_device(server: InProcessServer) -> None:
    data = b64encode(json.dumps({**TRACK, "writeKey": "wk"}).encode()).decode()
    reply = server.ask(
        "GET", "/v1/pixel/track", b"", {"user-agent": PHONE}, f"data={data}".encode()
    )
    assert reply.status == 200
    assert server.events()[-1].context["device"]["type"] == "mobile"


def test_each_item_of_a_batch_keeps_its_own_agent(server: InProcessServer) -> None:
    batch = {
        "batch": [
            {**TRACK, "type": "track"},
            {**TRACK, "type": "track", "messageId": "m2", "context": {"userAgent": PHONE}},
            {**TRACK, "type": "track", "messageId": "m3", "context": {"userAgent": None}},
        ]
    }
    server.ask("POST", "/v1/batch", batch, {**WRITE, "user-agent": FIREFOX})
    told = [event.context["userAgent"] for event in server.events()]
    assert told == [FIREFOX, PHONE, None]


@pytest.mark.parametrize(
    "agent",
    [
        "analytics-python/2.3.3",
        "python-requests/2.32",
        "okhttp/4.12",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/126.0 Safari/537.36",
        "Mozilla/5.0 " + "x" * 2_000,
        "",
    ],
)
def test_a_library_or_bot_is_nobodys_device(server: InProcessServer, agent: str) -> None:
    server.ask("POST", "/v1/track", TRACK, {**WRITE, "user-agent": agent})
    assert server.events()[-1].context == {}
