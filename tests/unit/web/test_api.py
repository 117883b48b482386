"""The control API over the whole application: people, segments, messages, health, documents."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest

from tailorbird.base.time import format_micros
from tailorbird.delivery import tokens
from tailorbird.delivery.tokens import Token
from tailorbird.ports.ledger import Message
from tailorbird.ports.state_store import Commit
from tailorbird.services.equality import ValueVerdict, Verdict, report_of
from tailorbird.testing.building import DAY, START
from tailorbird.testing.in_process import ADMIN, TOKEN_KEY, WRITE, InProcessServer


@pytest.fixture
def shop(server: InProcessServer) -> InProcessServer:
    """A live workspace and three people, two of whom bought."""
    server.publish()
    for number, user in enumerate(("ada", "a/b?c%2F", "zoë")):
        traits = {"country": "CH" if number else "DE", "email": f"Person{number}@Shop.example"}
        server.ask("POST", "/v1/identify", {"userId": user, "traits": traits}, WRITE)
        if number:
            server.ask("POST", "/v1/track", {"userId": user, "event": "Order Completed"}, WRITE)
    server.settle()
    return server


def get(server: InProcessServer, path: str, query: str = "") -> Any:
    reply = server.ask("GET", path, headers=ADMIN, query=query.encode())
    assert reply.status == 200, reply
    return reply.json


def test_a_profile_has_the_promised_fields(shop: InProcessServer) -> None:
    found = get(shop, "/v1/profiles/user_id:ada")
    assert set(found) >= {"id", "identifiers", "traits", "segments", "scores", "updated_at"}
    assert {"kind": "email", "value": "person0@shop.example"} in found["identifiers"]
    assert found["traits"]["country"] == "DE"
    assert found["segments"] == []
    assert found["updated_at"].startswith("2026-01-05T09:00:00.")


@pytest.mark.parametrize(
    "reference",
    ["user_id:zoë", "user_id:zoe\u0308", "user_id: zoë", "email:PERSON2@shop.example "],
)
def test_people_are_found_however_the_identifier_is_written(
    shop: InProcessServer, reference: str
) -> None:
    found = get(shop, f"/v1/profiles/{reference}")
    assert found["segments"] == ["buyers", "swiss"]
    assert get(shop, f"/v1/profiles/{found['id']}")["id"] == found["id"]


def test_an_id_with_slashes_and_percents_is_found(shop: InProcessServer) -> None:
    reply = shop.ask("GET", "/v1/profiles/user_id:a%2Fb%3Fc%252F", headers=ADMIN)
    assert reply.status == 200
    assert {"kind": "user_id", "value": "a/b?c%2F"} in reply.json["identifiers"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/profiles/user_id:nobody", "profile"),
        ("/v1/profiles/p_7fffffffffffffff", "profile"),
        ("/v1/segments/none/members", "segment"),
        ("/v1/messages/none", "message"),
        ("/v1/messages/none/explanation", "message"),
        ("/v1/nothing", "path"),
    ],
)
def test_what_is_not_there_is_404_and_named(shop: InProcessServer, path: str, field: str) -> None:
    reply = shop.ask("GET", path, headers=ADMIN)
    assert (reply.status, reply.error["rule"], reply.error["field"]) == (404, "not_found", field)
    assert reply.error["mend"]


def test_segments_and_their_members_page_by_page(shop: InProcessServer) -> None:
    sizes = {one["name"]: one["size"] for one in get(shop, "/v1/segments")}
    assert sizes == {"buyers": 2, "swiss": 2}
    first = get(shop, "/v1/segments/buyers/members", "limit=1")
    second = get(shop, "/v1/segments/buyers/members", f"limit=1&after={first['next']}")
    assert second["next"] is None
    assert len({one["id"] for page in (first, second) for one in page["members"]}) == 2


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "after=p_1"])
def test_bad_parameters_are_named(shop: InProcessServer, query: str) -> None:
    reply = shop.ask("GET", "/v1/segments/buyers/members", headers=ADMIN, query=query.encode())
    assert (reply.status, reply.error["field"]) == (400, query.split("=")[0])


def test_only_the_admin_key_opens_the_control_api(shop: InProcessServer) -> None:
    paths = json.loads(shop.ask("GET", "/openapi.json").body)["paths"]
    asked = 0
    for path, methods in paths.items():
        for method, operation in methods.items():
            if "collect" in operation["tags"] or operation.get("security") == []:
                continue
            filled = path.replace("{", "").replace("}", "")
            for headers in ({}, WRITE, {"authorization": "Bearer ak "[:-2]}):
                reply = shop.ask(method.upper(), filled, b"{}", headers)
                assert reply.status == 401, (method, path)
            asked += 1
    assert asked >= 14


def test_the_stop_switch(shop: InProcessServer) -> None:
    for action, is_stopped in (("stop", True), ("resume", False)):
        reply = shop.ask("POST", f"/v1/sending/{action}", headers=ADMIN)
        assert reply.json == {"sending_stopped": is_stopped}
        assert get(shop, "/v1/status")["sending_stopped"] is is_stopped
    assert shop.ask("POST", "/v1/sending/pause", headers=ADMIN).status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"now": format_micros(START + DAY)}, 200),
        ({"now": format_micros(START - DAY)}, 409),
        ({"now": "soon"}, 400),
        ({"now": 5}, 400),
        ({}, 400),
        (b"", 400),
        (b'{"now":"\xff"}', 400),
        (b'{"now":' + b"[" * 20_000, 400),
        (b" " * 100_000, 413),
    ],
)
def test_the_clock_moves_forward_only(shop: InProcessServer, body: Any, status: int) -> None:
    reply = shop.ask("POST", "/v1/clock", body, {**ADMIN, "content-type": "application/json"})
    assert reply.status == status
    if status != 200:
        assert reply.error["message"]


def test_status_says_how_far_each_part_has_come(shop: InProcessServer) -> None:
    status = get(shop, "/v1/status")
    assert status["people"] == 3
    assert status["engines"][0]["offset"] == status["log_end"]
    assert status["drained"] is True
    assert get(shop, "/v1/drained") == {"drained": True}
    shop.ask("POST", "/v1/track", {"userId": "ada", "event": "x"}, WRITE)
    assert get(shop, "/v1/drained", "seconds=0") == {"drained": False}


def test_overview_has_what_the_start_page_shows(shop: InProcessServer) -> None:
    found = get(shop, "/v1/overview")
    assert [one["name"] for one in found["journeys"]] == ["welcome"]
    assert found["latest_messages"] == []
    assert found["name"] == "test"


def test_messages_of_a_person_newest_first(shop: InProcessServer) -> None:
    profile_id = int(get(shop, "/v1/profiles/user_id:zoë")["id"][2:], 16)
    shop.ledger.take_over(0, [message(f"e{n}", profile_id, n) for n in (1, 2)], 2)
    shop.ledger.take_over(0, [message("other", 5, 3)], 3)
    found = get(shop, "/v1/messages", "profile=user_id:zo%C3%AB")
    assert [one["id"] for one in found] == ["e2", "e1"]
    assert len(get(shop, "/v1/messages")) == 3
    assert get(shop, "/v1/messages", "status=sent") == []
    assert shop.ask("GET", "/v1/messages/e1/html", headers=ADMIN).status == 404
    reply = shop.ask("GET", "/v1/messages", headers=ADMIN, query=b"profile=user_id:nobody")
    assert (reply.status, reply.error["field"]) == (404, "profile")


def test_why_not_names_the_journey_that_is_unknown(shop: InProcessServer) -> None:
    found = get(shop, "/v1/profiles/user_id:ada/why-not", "journey=welcome")
    assert found["journey"] == "welcome"
    assert (found["stopped_by"] is None) == (found["smallest_change"] is None)
    for query, status in (("journey=none", 404), ("", 400)):
        reply = shop.ask(
            "GET", "/v1/profiles/user_id:ada/why-not", headers=ADMIN, query=query.encode()
        )
        assert (reply.status, reply.error["field"]) == (status, "journey")


def test_health_says_what_is_ready_and_what_is_wrong(server: InProcessServer) -> None:
    starting = server.ask("GET", "/health")
    assert (starting.status, starting.json["status"]) == (503, "starting")
    server.publish()
    assert (server.ask("GET", "/health").json["status"]) == "ok"
    server.control.set("mail_status", '{"reachable": false, "reason": "connection refused"}')
    degraded = server.ask("GET", "/health")
    assert (degraded.status, degraded.json["status"]) == (200, "degraded")
    assert degraded.json["mail"]["reason"] == "connection refused"
    server.is_down = True
    down = server.ask("GET", "/health")
    assert (down.status, down.json["roles"]["writer"]) == (503, {"ready": False})


def test_health_and_metrics_count_what_went_wrong_and_say_the_mend(
    server: InProcessServer,
) -> None:
    server.publish()
    assert server.ask("GET", "/health").json["concerns"]["mends"] == []
    server.state.commit(Commit(server.state.offset(), [], [], [], poison=[(7, "KeyError")]))
    server.ask("POST", "/v1/track", {"userId": "a"}, WRITE)
    health = server.ask("GET", "/health").json
    assert (health["status"], health["concerns"]["poisoned"]) == ("degraded", 1)
    (mend,) = health["concerns"]["mends"]
    assert "offset 7" in mend
    assert "rebuild" in mend
    kept = sum(health["concerns"]["dead_letters"].values())
    assert kept == 1
    metrics = server.ask("GET", "/metrics").body.decode()
    assert "tailorbird_poisoned_records 1.0" in metrics
    assert "tailorbird_messages_unknown 0.0" in metrics
    assert 'tailorbird_engine_records_behind{engine="0"}' in metrics
    assert 'tailorbird_dead_letters{rule="' in metrics


def test_what_was_reckoned_otherwise_is_measured(shop: InProcessServer) -> None:
    segment = Verdict(
        segment="buyers", judge="warehouse", people=9, members=4, missing=(1, 2), extra=(3,)
    )
    score = ValueVerdict(kind="score", name="heat", judge="warehouse", people=9, unequal=(4,))
    shop.control.set("equality", json.dumps(report_of([segment], [score], 0, 1.0)))
    metrics = shop.ask("GET", "/metrics").body.decode()
    assert 'tailorbird_segment_unequal{segment="buyers",what="missing"} 2.0' in metrics
    assert 'tailorbird_segment_unequal{segment="buyers",what="extra"} 1.0' in metrics
    assert 'tailorbird_value_unequal{kind="score",name="heat"} 1.0' in metrics
    told = shop.ask("GET", "/v1/status", headers=ADMIN).json["equality"]
    assert told["mismatch"] == 4


def test_the_key_in_a_link_is_traded_for_a_session(shop: InProcessServer) -> None:
    assert b"key" in shop.ask("GET", "/").body
    traded = shop.ask("GET", "/", query=b"key=ak")
    assert (traded.status, traded.headers["location"]) == (303, "/")
    cookie = traded.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    session = {"cookie": cookie.split(";")[0]}
    assert shop.ask("GET", "/v1/status", headers=session).status == 200
    forged = {"cookie": session["cookie"][:-1] + "x"}
    assert shop.ask("GET", "/v1/status", headers=forged).status == 401
    shop.seconds += 15 * 86_400
    assert shop.ask("GET", "/v1/status", headers=session).status == 401
    assert shop.ask("GET", "/", query=b"key=wk").status == 200


def test_every_answer_carries_a_request_id_and_security_headers(shop: InProcessServer) -> None:
    for path in ("/", "/health", "/metrics", "/docs", "/v1/status", "/v1/none", "/static/app.js"):
        reply = shop.ask("GET", path, headers=ADMIN)
        assert reply.headers["x-request-id"], path
        assert reply.headers["x-content-type-options"] == "nosniff", path
        assert reply.headers["referrer-policy"] == "no-referrer", path


def test_metrics_count_by_outcome_and_rule(shop: InProcessServer) -> None:
    shop.ask("POST", "/v1/batch", {"batch": [7, {"type": "track"}]}, WRITE)
    shop.ask("GET", "/v1/none", headers=ADMIN)
    text = shop.ask("GET", "/metrics").body.decode()
    for line in (
        'tailorbird_events_total{call="identify",outcome="accepted"} 3.0',
        'tailorbird_refused_total{rule="not_an_object"} 1.0',
        'tailorbird_segment_members{segment="buyers"} 2.0',
        'tailorbird_requests_total{status="404"} 1.0',
        "tailorbird_people 3.0",
        "tailorbird_request_seconds_count",
    ):
        assert line in text


class Outside(HTMLParser):
    """Collects what a page would fetch from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href") and value and "//" in value:
                self.found.append(value)


def test_the_documents_list_every_route_and_fetch_nothing(shop: InProcessServer) -> None:
    document = json.loads(shop.ask("GET", "/openapi.json").body)
    page = shop.ask("GET", "/docs").body.decode()
    assert document["openapi"].startswith("3.")
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page
    assert {"/v1/batch", "/v1/segments/{name}/members", "/health"} <= set(document["paths"])
    outside = Outside()
    outside.feed(page)
    assert outside.found == []


def test_a_get_never_unsubscribes_and_one_post_does(shop: InProcessServer) -> None:
    profile_id = int(get(shop, "/v1/profiles/user_id:ada")["id"][2:], 16)
    token = tokens.sign(
        Token("u", "e1", profile_id, address="person0@shop.example", topic="marketing"), TOKEN_KEY
    )
    before = len(shop.events())
    assert shop.ask("GET", f"/u/{token}").status == 200
    assert len(shop.events()) == before
    reply = shop.ask("POST", f"/u/{token}", b"List-Unsubscribe=One-Click")
    assert reply.status == 200
    assert [one.name for one in shop.events()[before:]] == ["unsubscribed"]
    assert shop.ask("POST", f"/u/{token[:-2]}AA").status == 404


def message(effect_id: str, profile_id: int, created_at: int) -> Message:
    return Message(
        effect_id=effect_id,
        state=0,
        profile_id=profile_id,
        journey="welcome",
        step="mail",
        template="hello",
        kind="marketing",
        topic="marketing",
        due_at=START,
        expires_at=START + DAY,
        created_at=START + created_at,
        effect=b"",
    )
