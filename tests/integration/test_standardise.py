"""Standardising through the running server: what arrives in profiles, segments, dead letters."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tailorbird.adapters.files import create_workspace, ensure_keys

pytestmark = pytest.mark.integration

DATA = Path(__file__).parents[1] / "data"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
    " Gecko) Version/16.1 Mobile/15E148 Safari/604.1"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
FILES = {
    "tailorbird.toml": (
        'name = "Test shop"\ntimezone = "Europe/Zurich"\n[sender]\nname = "Test shop"\n'
        'address = "hello@shop.example"\npostal_address = "1 High Street"\n'
        '[collect]\ndefault_country = "CH"\nplace_file = "places/city.mmdb"\n'
    ),
    "schema.yaml": (
        "events:\n  order_completed:\n    properties:\n"
        "      order_id: {type: string, rule: demand}\n      revenue: number\n"
        "traits: {email: string, phone: string}\n"
    ),
    "segments/robots.yaml": "when: context.bot = true\n",
    "segments/british.yaml": "when: geo.country_code = 'GB' and context.device.type = 'mobile'\n",
    "segments/buyers.yaml": "when: any(order_completed)\n",
}


@dataclass
class Server:
    port: int
    write_key: str
    admin_key: str
    data: Path

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str = "", **headers: str
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            names["authorization"] = f"Bearer {key or self.admin_key}"
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, names)
            answer = connection.getresponse()
            content = answer.read()
            is_json = "json" in (answer.getheader("content-type") or "")
            return answer.status, json.loads(content) if is_json else content.decode()
        finally:
            connection.close()

    def collect(self, call: str, message: dict[str, Any], **headers: str) -> tuple[int, Any]:
        return self.ask("POST", f"/v1/{call}", message, key=self.write_key, **headers)

    def profile(self, reference: str) -> dict[str, Any]:
        assert self.ask("GET", "/v1/drained?seconds=20") == (200, {"drained": True})
        status, found = self.ask("GET", f"/v1/profiles/{reference}")
        assert status == 200, found
        assert isinstance(found, dict)
        return found


def is_healthy(server: Server) -> bool:
    try:
        return server.ask("GET", "/health")[0] == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("standardise")
    workspace, data = base / "shop", base / "data"
    create_workspace(workspace)
    for folder in ("segments", "journeys", "scores", "templates", "lists"):
        shutil.rmtree(workspace / folder, ignore_errors=True)
    for name, text in FILES.items():
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text(text)
    (workspace / "places").mkdir()
    shutil.copy(DATA / "maxmind-db" / "GeoIP2-City-Test.mmdb", workspace / "places" / "city.mmdb")
    keys = ensure_keys(workspace)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = [sys.executable, "-m", "tailorbird", "serve", "--workspace", str(workspace)]
    words += ["--data", str(data), "--port", str(port)]
    with (base / "server.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    running = Server(port, keys.write_key, keys.admin_key, data)
    try:
        until = time.monotonic() + 60
        while not is_healthy(running):
            assert process.poll() is None, (base / "server.log").read_text()
            if time.monotonic() > until:
                raise TimeoutError((base / "server.log").read_text())
            time.sleep(0.05)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(timeout=40) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_what_a_browser_and_a_form_send_arrives_standardised(server: Server) -> None:
    message = {
        "userId": "ada",
        "traits": {
            "email": " Ada@Shop.EXAMPLE ",
            "phone": "044 668 18 00",
            "country": "Schweiz",
            "state": "Zürich",
        },
        "context": {"userAgent": IPHONE, "ip": "2.125.160.216", "timezone": "europe/london"},
    }
    assert server.collect("identify", message)[0] == 200
    profile = server.profile("user_id:ada")
    assert profile["traits"] == {
        "email": "Ada@shop.example",
        "phone": "+41446681800",
        "country": "Schweiz",
        "state": "Zürich",
        "country_code": "CH",
        "region_code": "CH-ZH",
    }
    assert profile["unfit"] == {}
    context = profile["context"]
    assert context["browser"] == {"name": "Mobile Safari", "version": "16.1"}
    assert context["os"] == {"name": "iOS", "version": "16.1"}
    assert context["device"]["type"] == "mobile"
    assert context["geo"]["city"] == "Boxford"
    assert context["timezone"] == "Europe/London"
    assert context["local"]["time_of_day"] in ("morning", "afternoon", "evening", "night")
    assert profile["segments"] == ["british"]
    for reference in ("email:ada@shop.example", "phone:+41446681800"):
        assert server.profile(reference)["id"] == profile["id"]


def test_a_wrong_address_is_kept_and_marked_until_a_right_one_comes(server: Server) -> None:
    traits = {"email": "bob..builder@shop.example"}
    assert server.collect("identify", {"userId": "bob", "traits": traits})[0] == 200
    profile = server.profile("user_id:bob")
    assert profile["traits"] == traits
    assert profile["unfit"] == {"email": "bad_email"}
    assert {one["kind"] for one in profile["identifiers"]} == {"user_id"}
    traits = {"email": "bob.builder@shop.example"}
    assert server.collect("identify", {"userId": "bob", "traits": traits})[0] == 200
    assert server.profile("email:bob.builder@shop.example")["unfit"] == {}


def test_a_bot_is_kept_and_marked(server: Server) -> None:
    message = {"anonymousId": "crawler", "context": {"userAgent": GOOGLEBOT}}
    assert server.collect("page", message)[0] == 200
    profile = server.profile("anonymous_id:crawler")
    assert profile["context"]["bot"] is True
    assert profile["segments"] == ["robots"]


def test_a_browser_behind_a_proxy_is_somewhere(server: Server) -> None:
    message = {"anonymousId": "visitor", "context": {"userAgent": IPHONE}}
    assert server.collect("page", message, x_forwarded_for="2.125.160.216")[0] == 200
    context = server.profile("anonymous_id:visitor")["context"]
    assert context["geo"]["country_code"] == "GB"
    assert "ip" not in context


def test_former_names_count_as_todays(server: Server) -> None:
    message = {"userId": "eve", "event": "Completed Order", "properties": {"order_id": "o-1"}}
    assert server.collect("track", message)[0] == 200
    assert server.profile("user_id:eve")["segments"] == ["buyers"]


def test_what_the_plan_demands_is_refused_and_kept_aside(server: Server) -> None:
    message = {"userId": "mallory", "event": "Order Completed", "properties": {"revenue": 5}}
    status, answer = server.collect("track", message)
    assert status == 400
    error = answer["error"]
    assert (error["field"], error["value"], error["rule"]) == (
        "properties.order_id",
        "",
        "plan_missing",
    )
    assert error["message"] == "order_completed needs properties.order_id"
    assert "schema.yaml" in error["mend"]
    kept = sqlite3.connect(server.data / "dead_letters.db")
    try:
        rows = kept.execute("SELECT rule, field, raw FROM dead_letter").fetchall()
    finally:
        kept.close()
    assert [(rule, field) for rule, field, _ in rows] == [("plan_missing", "properties.order_id")]
    assert json.loads(rows[0][2]) == message
    assert server.ask("GET", "/v1/profiles/user_id:mallory")[0] == 404


def test_what_was_not_planned_is_learned_and_shown(server: Server) -> None:
    properties = {"hat": "bowler", "size": 58}
    message = {"userId": "eve", "event": "Hat Tried On", "properties": properties}
    assert server.collect("track", message)[0] == 200
    status, shown = server.ask("GET", "/v1/learned")
    assert status == 200
    (hat,) = [one for one in shown["events"] if one["event"] == "hat_tried_on"]
    assert (hat["is_expected"], hat["count"]) == (False, 1)
    assert {one["name"]: one["types"] for one in hat["properties"]} == {
        "hat": ["string"],
        "size": ["number"],
    }
    assert server.ask("GET", "/v1/learned", key=server.write_key)[0] in (401, 403)


def test_steps_are_measured(server: Server) -> None:
    status, text = server.ask("GET", "/metrics")
    assert status == 200
    assert 'tailorbird_step_events_total{step="agent"}' in text
    assert 'tailorbird_step_seconds_total{step="agent"}' in text
