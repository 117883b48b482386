"""`[identity]` of the live version decides what identifies, in the decoder and in the writer."""

from __future__ import annotations

from typing import Any

import pytest

from tailorbird.adapters.memory.control_store import MemoryControlStore
from tailorbird.events.event import ACTIVATE, PARTITIONS, Activate, encode
from tailorbird.ports.event_log import Draft
from tailorbird.services.identity_rules import LiveRules, rules_of_version
from tailorbird.testing.building import START
from tailorbird.testing.in_process import WRITE, InProcessServer
from tailorbird.workspace.loader import parse_workspace


@pytest.fixture
def server(tmp_path: Any) -> Any:
    made = InProcessServer(tmp_path)
    yield made
    made.close()


def publish(server: InProcessServer, version: str, text: str) -> None:
    server.control.save_version(version, {"tailorbird.toml": text}, START)
    body = encode(Activate(version, "test"))
    server.appender.write([], [Draft(one, ACTIVATE, 0, body) for one in range(PARTITIONS)])
    server.control.set("live_version", version)


def identify(server: InProcessServer, user: str, **traits: str) -> int:
    message = {"userId": user, "traits": traits, "anonymousId": f"browser-of-{user}"}
    return server.ask("POST", "/v1/identify", message, WRITE).status


def known(server: InProcessServer, user: str, kind: str) -> list[str]:
    store = server.appender._identity
    profile_id = store.find("user_id", user)
    assert profile_id is not None
    return [value for one, value in store.identifiers(profile_id) if one == kind]


def test_a_published_limit_holds_from_then_on_and_tears_nothing(server: InProcessServer) -> None:
    for number in range(3):
        identify(server, "ada", email=f"{number}@shop.example")
    publish(server, "v1", "[identity]\nemail = 3\n")
    identify(server, "ada", email="3@shop.example")
    assert known(server, "ada", "email") == [f"{number}@shop.example" for number in range(3)]
    publish(server, "v2", "[identity]\nemail = 4\n")
    identify(server, "ada", email="4@shop.example")
    assert "4@shop.example" in known(server, "ada", "email")
    publish(server, "v3", "[identity]\nemail = 1\n")
    identify(server, "ada", email="5@shop.example")
    assert len(known(server, "ada", "email")) == 4


def test_a_kind_with_limit_0_identifies_nobody(server: InProcessServer) -> None:
    identify(server, "ada", email="ada@shop.example")
    publish(server, "v1", "[identity]\nemail = 0\n")
    identify(server, "bob", email="bob@shop.example")
    assert known(server, "bob", "email") == []
    assert known(server, "ada", "email") == ["ada@shop.example"]


def test_a_blocked_value_is_nobody_once_the_version_is_live(server: InProcessServer) -> None:
    assert identify(server, "Kiosk-1") == 200
    publish(server, "v1", '[identity]\nblocked = ["kiosk-1", "info@shop.example"]\n')
    message = {"userId": "KIOSK-1", "event": "Order Completed"}
    reply = server.ask("POST", "/v1/track", message, WRITE)
    assert (reply.status, reply.json["error"]["rule"]) == (400, "nobody")
    identify(server, "ada", email="info@shop.example")
    assert known(server, "ada", "email") == []
    # Those who are blocked anyway stay so.
    assert server.ask("POST", "/v1/track", {**message, "userId": "null"}, WRITE).status == 400


def test_rules_are_read_at_start() -> None:
    control = MemoryControlStore()
    assert LiveRules(control)().limit("email") == 5
    control.save_version("v1", {"tailorbird.toml": "[identity]\nemail = 2\n"}, START)
    control.set("live_version", "v1")
    assert LiveRules(control)().limit("email") == 2
    assert rules_of_version(control, "never published").limit("email") == 5


@pytest.mark.parametrize(
    ("line", "message", "mend"),
    [
        ("email = -1", "-1 is not between 0 and 1000", "`email = 5`"),
        ("anonymous_id = 0", "0 is not between 1 and 1000", "`anonymous_id = 100`"),
        ("device = true", "`identity.device` must be a whole number", "`device = 20`"),
        ('blocked = "test"', "must be a list of texts", "kiosk-1"),
        ('blocked = [" "]', "1 to 512 characters", "kiosk-1"),
        ("user_id = 2", "[identity] has no key `user_id`", "Known: external_id"),
    ],
)
def test_a_wrong_setting_is_told_with_its_place(line: str, message: str, mend: str) -> None:
    _, (problem,) = parse_workspace({"tailorbird.toml": f"[identity]\n{line}\n"})
    assert message in problem.message
    assert mend in problem.mend
    assert (problem.file, problem.line, problem.column) == ("tailorbird.toml", 2, 1)
