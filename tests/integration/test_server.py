"""The whole server over HTTP: collect, segments, mail, explanation, unsubscribe, bad input."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from tailorbird.adapters.files import create_workspace, ensure_keys
from tailorbird.testing.processes import free_port, until

pytestmark = pytest.mark.integration

SETTINGS = """
name = "Test shop"
base_url = "http://localhost:{port}"
[sender]
name = "Test shop"
address = "hello@shop.example"
postal_address = "1 High Street"
[lake]
interval_seconds = 1
"""
FILES = {
    "segments/keen.yaml": "when: count(product_viewed within 1d) >= 3\n",
    "segments/buyers.yaml": "when: sum(order_completed.revenue) >= 100\n",
    "journeys/thanks.yaml": (
        "enter: {event: order_completed}\nkey: event.properties.order_id\nsteps:\n"
        "  - {id: pause, wait: 1h}\n  - {id: skip, unless: \"in segment('keen')\"}\n"
        "  - {id: mail, send: thanks}\n"
    ),
    "templates/thanks.liquid": (
        "---\nsubject: \"Thank you {{ traits.first_name | default: 'there' }}\"\n---\n"
        '<p>Order {{ event.properties.order_id }} <a href="https://shop.example/o">see</a>'
        '<a href="{{ links.unsubscribe_url }}">leave</a> {{ traits.nothing }}</p>\n'
    ),
}


@dataclass
class Server:
    port: int
    write_key: str
    admin_key: str
    workspace: Path
    data: Path
    mails: Path
    process: subprocess.Popen[bytes]

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=names)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return response.status, found, response.read()
        finally:
            connection.close()

    def collect(self, call: str, message: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        key = "Basic " + b64encode(f"{self.write_key}:".encode()).decode()
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        status, _, answer = self.request(
            "POST", f"/v1/{call}", body, **{"authorization": key, **headers}
        )
        return status, json.loads(answer)

    def ask(self, path: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        status, _, answer = self.request(
            method,
            path,
            data,
            authorization=f"Bearer {self.admin_key}",
            content_type="application/json",
        )
        return status, json.loads(answer)

    def get(self, path: str) -> Any:
        status, answer = self.ask(path)
        assert status == 200, answer
        return answer

    def move_clock(self, now: str) -> None:
        status, answer = self.ask("/v1/clock", "POST", {"now": now})
        assert status == 200, answer
        self.settle()

    def settle(self) -> None:
        assert self.get("/v1/drained?seconds=20") == {"drained": True}


def is_healthy(server: Server) -> bool:
    try:
        return server.request("GET", "/health")[0] == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("server")
    workspace, data, mails = base / "shop", base / "data", base / "mails"
    create_workspace(workspace)
    for old in [
        *workspace.glob("*/*.yaml"),
        *workspace.glob("*/*.liquid"),
        *workspace.glob("*/*.txt"),
    ]:
        old.unlink()
    (workspace / "schema.yaml").unlink()
    port, smtp_port = free_port(), free_port()
    for name, text in FILES.items():
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text(text)
    (workspace / "tailorbird.toml").write_text(SETTINGS.format(port=port))
    keys = ensure_keys(workspace)
    catcher = subprocess.Popen(
        [sys.executable, "-m", "tailorbird.demo.catcher", str(mails), str(smtp_port)]
    )
    words = [sys.executable, "-m", "tailorbird", "serve", "--workspace", str(workspace)]
    words += ["--data", str(data), "--port", str(port), "--clock", "simulated"]
    words += ["--smtp-url", f"smtp://127.0.0.1:{smtp_port}"]
    with (base / "server.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    running = Server(port, keys.write_key, keys.admin_key, workspace, data, mails, process)
    try:
        until(lambda: process.poll() is not None or is_healthy(running), 60)
        assert process.poll() is None, (base / "server.log").read_text()
        running.move_clock("2026-03-01T08:00:00Z")
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(timeout=40) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            catcher.terminate()
            catcher.wait()


def test_events_become_a_profile_with_segments(server: Server) -> None:
    status, answer = server.collect(
        "identify",
        {
            "userId": "u1",
            "traits": {"email": "ada@shop.example", "consent": {"marketing": True}},
        },
    )
    assert (status, answer["success"]) == (200, True)
    batch = [
        {"type": "track", "event": "Product Viewed", "userId": "u1", "messageId": f"v{number}"}
        for number in range(3)
    ]
    assert server.collect("batch", {"batch": batch})[0] == 200
    again, told = server.collect("batch", {"batch": batch})
    assert again == 200
    assert {one["status"] for one in told["items"]} == {"duplicate"}
    server.settle()
    profile = server.get("/v1/profiles/user_id:u1")
    assert profile["segments"] == ["keen"]
    assert profile["traits"]["email"] == "ada@shop.example"
    assert {"kind": "email", "value": "ada@shop.example"} in profile["identifiers"]
    assert server.get("/v1/profiles/email:ADA@shop.example")["id"] == profile["id"]
    assert {one["name"]: one["size"] for one in server.get("/v1/segments")} == {
        "keen": 1,
        "buyers": 0,
    }
    (member,) = server.get("/v1/segments/keen/members")["members"]
    assert member["id"] == profile["id"]


def test_a_journey_sends_at_its_instant_and_explains_itself(server: Server) -> None:
    server.collect(
        "identify",
        {
            "userId": "u2",
            "traits": {"email": "b@shop.example", "consent": {"marketing": True}},
        },
    )
    order = {
        "event": "Order Completed",
        "userId": "u2",
        "properties": {"order_id": "A-7", "revenue": 120},
    }
    server.collect("track", order)
    server.settle()
    assert server.get("/v1/messages?profile=user_id:u2") == []
    server.move_clock("2026-03-01T09:30:00Z")
    (message,) = server.get("/v1/messages?profile=user_id:u2")
    assert (message["status"], message["subject"]) == ("sent", "Thank you there")
    why = server.get(f"/v1/messages/{message['id']}/explanation")
    assert why["sentence"].startswith("Sent because the person did “order completed”")
    assert why["trigger"]["properties"]["order_id"] == "A-7"
    assert [(one["step"], one["holds"]) for one in why["conditions"]] == [
        ("trigger", True),
        ("skip", False),
    ]
    assert why["decision"]["missing"] == ["traits.nothing"]
    mail = mail_to(server, "b@shop.example")
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in mail
    status, headers, body = server.request(
        "GET", f"/v1/messages/{message['id']}/html", authorization=f"Bearer {server.admin_key}"
    )
    assert (status, b"Order A-7" in body) == (200, True)
    assert "sandbox" in headers["content-security-policy"]
    # The outcome came back as an event of the person.
    assert server.get("/v1/status")["messages"]["sent"] >= 1


def test_one_post_unsubscribes_and_a_get_never_does(server: Server) -> None:
    mail = mail_to(server, "b@shop.example")
    url = re.search(r"List-Unsubscribe: <http://localhost:\d+([^>]+)>", mail.replace("\r\n ", " "))
    assert url is not None
    status, _, page = server.request("GET", url[1])
    assert (status, b"Unsubscribe" in page) == (200, True)
    server.settle()
    assert server.get("/v1/profiles/user_id:u2")["consents"] == {"marketing": True}
    form = b"List-Unsubscribe=One-Click"
    kind = "application/x-www-form-urlencoded"
    assert server.request("POST", url[1], form, content_type=kind)[0] == 200
    server.settle()
    assert server.get("/v1/profiles/user_id:u2")["consents"] == {"marketing": False}
    order = {
        "event": "Order Completed",
        "userId": "u2",
        "properties": {"order_id": "A-8", "revenue": 5},
    }
    server.collect("track", order)
    server.move_clock("2026-03-01T11:00:00Z")
    message = server.get("/v1/messages?profile=user_id:u2")[0]
    assert message["status"] == "suppressed"
    assert "unsubscribed" in message["reason"]


def test_opens_and_clicks_come_back_as_events(server: Server) -> None:
    message = server.get("/v1/messages?profile=user_id:u2&status=sent")[0]
    _, _, body = server.request(
        "GET", f"/v1/messages/{message['id']}/html", authorization=f"Bearer {server.admin_key}"
    )
    assert b"/t/" not in body, "whoever looks at a mail is not its reader"
    html = ""
    for path in server.mails.glob("*.eml"):
        mail = message_from_bytes(path.read_bytes(), policy=default)
        part = mail.get_body(("html",))
        if message["to"] in str(mail["to"]) and part is not None:
            html = part.get_content()
    pixel = re.search(r'src="http://localhost:\d+(/t/o/[^"]+)"', html)
    link = re.search(r'href="http://localhost:\d+(/t/c/[^"]+)"', html)
    assert pixel is not None
    assert link is not None
    before = server.get("/v1/status")["log_end"]
    assert server.request("GET", pixel[1])[0] == 200
    status, headers, _ = server.request("GET", link[1])
    assert (status, headers["location"]) == (302, "https://shop.example/o")
    assert server.get("/v1/status")["log_end"] == before + 2
    assert server.request("GET", link[1][:-3] + "abc")[0] == 404


def test_a_visitor_and_the_user_become_one_person(server: Server) -> None:
    for number in range(3):
        server.collect(
            "track", {"event": "Product Viewed", "anonymousId": "a9", "messageId": f"x{number}"}
        )
    server.collect("identify", {"userId": "u9", "anonymousId": "a9", "traits": {"plan": "gold"}})
    server.settle()
    known = server.get("/v1/profiles/user_id:u9")
    assert known["id"] == server.get("/v1/profiles/anonymous_id:a9")["id"]
    assert known["segments"] == ["keen"]


def test_history_in_columns_follows_and_health_says_how_far(server: Server) -> None:
    def lake() -> dict[str, Any]:
        return json.loads(server.request("GET", "/health")[2])["lake"] or {"events": 0}

    # A round is a process that gives way to all others.
    until(lambda: lake()["events"] > 0, 120)
    told = lake()
    assert told["problem"] == ""
    assert told["bytes"] > 0
    assert told["records_behind"] >= 0
    text = server.request("GET", "/metrics")[2].decode()
    assert "tailorbird_lake_records_behind" in text


def test_an_edited_segment_goes_live_and_a_broken_one_does_not(server: Server) -> None:
    path = server.workspace / "segments" / "buyers.yaml"
    path.write_text("when: sum(order_completed.revenue) >= 1\n")
    until(lambda: sizes(server)["buyers"] == 1)
    path.write_text("when: sum(order_completed.revenue >= 1\n")
    until(lambda: bool(server.get("/v1/status")["workspace"]["problems"]))
    (problem,) = server.get("/v1/status")["workspace"]["problems"]
    assert (problem["file"], problem["line"]) == ("segments/buyers.yaml", 1)
    health = json.loads(server.request("GET", "/health")[2])
    assert health["status"] == "degraded"
    assert health["workspace"]["problems"]
    assert sizes(server)["buyers"] == 1
    path.write_text(FILES["segments/buyers.yaml"])
    until(lambda: not server.get("/v1/status")["workspace"]["problems"])


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (b"{", "body", "not_json"),
        (b"", "body", "not_json"),
        (b"[]", "body", "not_an_object"),
        (b'{"userId":5.5,"event":"x"}', "userId", "wrong_type"),
        (b'{"event":"x"}', "userId", "nobody"),
        (b'{"userId":"u","event":""}', "event", "missing"),
    ],
)
def test_refusals_name_field_value_rule_and_mend(
    server: Server, body: bytes, field: str, rule: str
) -> None:
    status, answer = server.collect("track", body)
    assert status == 400
    assert (answer["error"]["field"], answer["error"]["rule"]) == (field, rule)
    assert answer["error"]["mend"]
    assert answer["request_id"]


def test_in_a_batch_the_good_are_stored_and_the_bad_are_named(server: Server) -> None:
    batch = [
        {"type": "track", "event": "ok", "userId": "u5"},
        {"type": "dance", "userId": "u5"},
    ]
    status, answer = server.collect("batch", {"batch": batch})
    assert status == 400
    assert [one["status"] for one in answer["items"]] == ["ok", "refused"]
    server.settle()
    assert server.get("/v1/profiles/user_id:u5")["id"]


def test_keys_are_asked_for(server: Server) -> None:
    body = b'{"userId":"u","event":"x"}'
    assert server.request("POST", "/v1/track", body)[0] == 401
    inside = json.dumps({"userId": "u", "event": "x", "writeKey": server.write_key}).encode()
    assert server.request("POST", "/v1/track", inside)[0] == 200
    bearer = f"Bearer {server.write_key}"
    assert server.request("POST", "/v1/track", body, authorization=bearer)[0] == 200
    assert server.request("GET", "/v1/segments")[0] == 401
    assert server.request("GET", "/v1/segments", authorization=bearer)[0] == 401
    status, headers, _ = server.request("GET", f"/?key={server.admin_key}")
    assert status == 303
    cookie = headers["set-cookie"].split(";")[0]
    assert server.request("GET", "/v1/segments", cookie=cookie)[0] == 200
    assert server.request("GET", "/v1/segments", cookie=cookie[:-2] + "00")[0] == 401


def test_gzip_and_limits(server: Server) -> None:
    packed = gzip.compress(b'{"userId":"u6","event":"x"}')
    assert server.collect("track", packed, content_encoding="gzip")[0] == 200
    assert server.collect("track", b"\x1f\x8b broken", content_encoding="gzip")[0] == 400
    bomb = gzip.compress(b" " * 10_000_000)
    assert server.collect("track", bomb, content_encoding="gzip")[0] == 413
    big = {"userId": "u", "event": "x", "properties": {"a": "x" * 40_000}}
    assert server.collect("track", big)[0] == 413
    assert server.collect("batch", b" " * 600_000)[0] == 413
    many = {"batch": [{"type": "track", "event": "x", "userId": "u"}] * 2_501}
    assert server.collect("batch", many)[0] == 400


def test_the_clock_does_not_go_back(server: Server) -> None:
    status, answer = server.ask("/v1/clock", "POST", {"now": "2020-01-01T00:00:00Z"})
    assert status == 409
    assert "cannot go back" in answer["error"]["message"]
    assert server.ask("/v1/clock", "POST", {"now": "soon"})[0] == 400


def test_documents_and_measures(server: Server) -> None:
    document = json.loads(server.request("GET", "/openapi.json")[2])
    assert "/v1/batch" in document["paths"]
    assert b"/v1/profiles/" in server.request("GET", "/docs")[2]
    measures = server.request("GET", "/metrics")[2].decode()
    assert 'tailorbird_events_total{call="track",outcome="accepted"}' in measures
    assert 'tailorbird_segment_members{segment="keen"}' in measures


def test_any_bytes_on_any_path_get_an_answer_below_500(server: Server) -> None:
    rng = random.Random(7)
    paths = ["/v1/track", "/v1/batch", "/v1/profiles/x", "/v1/messages/x/html", "/v1/clock", "/u/x"]
    paths += [
        "/t/c/x",
        "/t/o/x.gif",
        "/",
        "/static/../x",
        "/v1/segments/%00/members?limit=z",
        "/%ff",
    ]
    key = f"Bearer {server.admin_key}"
    for number in range(400):
        path = rng.choice(paths)
        method = rng.choice(["GET", "POST", "PUT", "DELETE", "OPTIONS"])
        body = rng.randbytes(rng.randint(0, 200)) if number % 2 else b'{"batch": [{"a": ' * number
        status, _, _ = server.request(method, path, body, authorization=key)
        assert status < 500, (method, path)
    assert is_healthy(server)


def sizes(server: Server) -> dict[str, int]:
    return {one["name"]: one["size"] for one in server.get("/v1/segments")}


def mail_to(server: Server, address: str) -> str:
    for path in sorted(server.mails.glob("*.eml")):
        text = path.read_text()
        if f"To: {address}" in text:
            return text
    raise AssertionError(f"no mail to {address}")


def test_a_person_is_exported_and_erased(server: Server) -> None:
    ada = {"userId": "erase/me", "traits": {"email": "erase.me@shop.example"}}
    server.collect("identify", {**ada, "messageId": "erase-1"})
    server.settle()
    person = "/v1/profiles/user_id:erase%2Fme"
    found = server.get(f"{person}/export")
    assert [one["event"] for one in found["events"]] == ["identified"]
    status, asked = server.ask(person, "DELETE")
    assert (status, asked["status"]) == (202, "pending")
    path = f"/v1/erasures/{asked['erasure_id']}"
    done = until(lambda: (found := server.get(path))["status"] == "done" and found)
    assert done["log"]["records"] >= 2
    assert server.ask(person)[0] == 404
    assert server.ask(f"{person}/export")[0] == 404
    assert server.ask(person, "DELETE")[0] == 404
    assert server.ask("/v1/erasures/nothing")[0] == 404
    holding = [
        path
        for path in server.data.rglob("*")
        if path.is_file() and b"erase.me@shop" in path.read_bytes()
    ]
    assert holding == []
