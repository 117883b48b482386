"""The way of a message from outbox to outcome: what leaves, what waits, what a fault leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest

from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.delivery.suppression import address_hash
from tailorbird.journeys.effects import SendMessage
from tailorbird.ports.control_store import SENDING_STOPPED
from tailorbird.ports.ledger import Message
from tailorbird.ports.mail_sender import (
    Accepted,
    HandOverResult,
    Refused,
    Uncertain,
    Unreachable,
)
from tailorbird.ports.suppression_store import SuppressionChange
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.explain import as_text, explanation, sent_bytes, sent_parts
from tailorbird.services.render_again import is_same_again
from tailorbird.services.send import HANDING_OVER_MAX
from tailorbird.testing.building import DAY, HOUR, MINUTE, SECOND, START, journey, send
from tailorbird.testing.sending import KEY, TEMPLATE, WORKSPACE, World

VIP = "traits.plan = 'vip'"


def test_a_message_leaves_and_the_log_hears_of_it() -> None:
    world = World()
    world.wants(world.person(), "e1")
    world.works()
    ((recipient, data),) = world.mails
    assert recipient == "Ada65@shop.example"
    parsed = message_from_bytes(data, policy=policy.default)
    assert parsed["subject"] == "Hello Ada"
    assert parsed["message-id"] == "<e1@shop.example>"
    assert parsed["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert "/u/" in parsed["list-unsubscribe"]
    assert parsed["feedback-id"] == "welcome:mail:marketing:tailorbird"
    message = world.message("e1")
    assert (message.status, message.reason, message.reported) == ("sent", "250 OK", True)
    (event,) = world.outcomes.values()
    assert event.name == "email_sent"
    assert event.properties["message_id"] == "e1"
    assert event.properties["subject"] == "Hello Ada"


def test_an_outbox_that_falls_back_sends_nothing_twice() -> None:
    world = World()
    world.wants(world.person(), "e1")
    world.works()
    fresh = MemoryStateStore()
    world.states[0] = fresh
    world.person()
    world.wants(65, "e1")
    world.delivery = world.opened()
    world.ledger.take_over(0, [], 0)
    world.works()
    assert len(world.mails) == 1


def test_the_profile_is_the_one_of_now() -> None:
    world = World()
    world.control.set(SENDING_STOPPED, "1")
    world.wants(world.person(), "e1", expires_at=START + DAY)
    world.works()
    assert world.mails == []
    world.person(name="Grace", email="grace@shop.example")
    world.at = START + HOUR
    world.control.set(SENDING_STOPPED, "0")
    world.works()
    assert world.mails[0][0] == "grace@shop.example"
    assert world.message("e1").subject == "Hello Grace"


def test_a_clock_that_went_back_does_not_hold_what_was_due() -> None:
    # The log's time never goes back: an effect is due when it says so, an hour from now by the
    # machine's clock.
    world = World()
    world.wants(world.person(), "e1", due_at=START + HOUR, expires_at=START + DAY)
    world.works()
    assert world.status("e1") == "sent"


def test_one_marketing_mail_a_day_whatever_the_case_of_the_address() -> None:
    world = World()
    world.person(65, name="A", email="ada@shop.example")
    world.person(66, name="B", email="ADA@shop.example")
    world.wants(65, "e1", expires_at=START + 3 * DAY)
    world.wants(66, "e2", expires_at=START + 3 * DAY)
    world.wants(66, "receipt", kind="transactional")
    world.works()
    assert [world.status(one) for one in ("e1", "e2", "receipt")] == ["sent", "held", "sent"]
    world.at = START + DAY - 1
    world.works()
    assert world.status("e2") == "held"
    world.at = START + DAY
    world.works()
    assert world.status("e2") == "sent"


def test_who_left_while_it_was_written_does_not_get_it() -> None:
    world = World()
    world.wants(world.person(), "e1")
    known = world.suppression.reason
    asked: list[int] = []

    def reason(hashed: int, topic: str) -> str | None:
        asked.append(hashed)
        if len(asked) == 2:
            change = SuppressionChange(hashed, "offers", True, "unsubscribed", START)
            world.suppression.apply([change], 1)
        return known(hashed, topic)

    world.suppression.reason = reason  # type: ignore[method-assign]
    world.works()
    assert world.mails == []
    assert world.message("e1").reason == "the address is suppressed: unsubscribed"
    assert set(asked) == {address_hash("ada65@SHOP.example")}


@pytest.mark.parametrize(("consent", "status"), [(None, "suppressed"), (False, "suppressed")])
def test_without_consent_nothing_leaves_and_the_record_says_so(
    consent: bool | None, status: str
) -> None:
    world = World()
    world.wants(world.person(consent=consent), "e1")
    world.works()
    assert (world.mails, world.status("e1")) == ([], status)
    checks = explanation(world.message("e1"))["decision"]["checks"]
    assert [one["holds"] for one in checks] == [True, False, True]
    (event,) = world.outcomes.values()
    assert event.name == "email_suppressed"


def test_what_is_too_late_expires() -> None:
    world = World()
    world.wants(world.person(), "e1")
    world.at = START + DAY + 1
    world.works()
    assert world.status("e1") == "expired"


def test_a_template_without_footer_gets_one_for_marketing_only() -> None:
    world = World()
    world.wants(world.person(), "e1", template="bare")
    world.wants(world.person(66), "e2", template="bare", kind="transactional")
    world.works()
    first, second = (sent_parts(data) for _, data in world.mails)
    assert "1 High Street" in first["html"]
    assert "Unsubscribe" in first["text"]
    assert "Unsubscribe" not in second["html"]
    assert explanation(world.message("e1"))["decision"]["fallbacks"]


def test_a_template_that_fails_stops_one_message_only() -> None:
    world = World()
    world.wants(world.person(65), "e1", template="endless")
    world.wants(world.person(66), "e2", template="gone")
    world.wants(world.person(67), "e3")
    world.works()
    assert [world.status(one) for one in ("e1", "e2", "e3")] == ["failed", "failed", "sent"]
    assert "the template fails: body" in world.message("e1").reason
    assert "no template 'gone'" in world.message("e2").reason


def test_a_fault_of_ours_in_one_message_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    from tailorbird.services import send

    real = send.compose

    def compose(effect: SendMessage, *rest: Any) -> Any:
        if effect.effect_id == "e1":
            raise ZeroDivisionError
        return real(effect, *rest)

    monkeypatch.setattr(send, "compose", compose)
    world.wants(world.person(65), "e1")
    world.wants(world.person(66), "e2")
    world.works()
    assert [world.status("e1"), world.status("e2")] == ["failed", "sent"]
    assert "ZeroDivisionError" in world.message("e1").reason


def test_a_temporary_refusal_is_tried_again_later_and_later() -> None:
    world = World(answer=lambda _: Refused(code=450, answer="450 later", is_permanent=False))
    world.wants(world.person(), "e1")
    world.works()
    assert world.message("e1").next_attempt_at == START + 30 * SECOND
    world.at = START + 30 * SECOND
    world.works()
    assert world.message("e1").next_attempt_at == START + 90 * SECOND
    world.answer = lambda _: Accepted(answer="250 OK")
    world.at = START + 90 * SECOND
    world.works()
    message = world.message("e1")
    assert (message.status, message.attempts) == ("sent", 3)


def test_a_permanent_refusal_fails() -> None:
    world = World(answer=lambda _: Refused(code=550, answer="550 nobody", is_permanent=True))
    world.wants(world.person(), "e1")
    world.works()
    assert (world.status("e1"), world.message("e1").reason) == ("failed", "550 nobody")


def test_a_server_that_is_away_holds_the_whole_queue() -> None:
    world = World(answer=lambda _: Unreachable(reason="no route"))
    for number in range(65, 105):
        world.wants(world.person(number), f"e{number}")
    world.works()
    assert world.ledger.counts() == {"intent": 40}
    assert world.ledger.unfinished(world.at) == 0, "a simulation must be able to go on"
    assert world.message("e104").attempts == 0, "only the first few were offered"
    assert json.loads(world.control.get("mail_status") or "") == {
        "reachable": False,
        "reason": "no route",
    }
    for _ in range(4):
        world.at += 5 * SECOND
        world.works()
    assert world.checks == 2, "the probes grow rarer"
    world.answer = lambda _: Accepted(answer="250 OK")
    world.at += MINUTE
    world.works()
    assert world.ledger.counts() == {"sent": 40}
    assert json.loads(world.control.get("mail_status") or "")["reachable"] is True


def test_a_server_away_at_the_start_is_known_before_any_mail() -> None:
    world = World(answer=lambda _: Unreachable(reason="no route"))
    asyncio.run(world.delivery.look_at_mail_server())
    assert json.loads(world.control.get("mail_status") or "")["reachable"] is False
    world.answer = lambda _: Accepted(answer="250 OK")
    world.at += MINUTE
    world.works()
    assert json.loads(world.control.get("mail_status") or "")["reachable"] is True


def test_the_stop_switch_stops_at_once_and_lets_go_on() -> None:
    world = World()
    for number in range(65, 105):
        world.wants(world.person(number), f"e{number}")

    def answer(_: str) -> HandOverResult:
        world.control.set(SENDING_STOPPED, "1")
        return Accepted(answer="250 OK")

    world.answer = answer
    world.works()
    assert len(world.mails) <= 2 * HANDING_OVER_MAX
    world.control.set(SENDING_STOPPED, "0")
    world.answer = lambda _: Accepted(answer="250 OK")
    world.works()
    assert len(world.mails) == 40


def test_no_more_travel_at_once_than_there_are_connections() -> None:
    world = World()
    for number in range(65, 105):
        world.wants(world.person(number), f"e{number}")
    world.works()
    assert world.in_hand_max == HANDING_OVER_MAX


def test_a_crash_in_the_hand_over_leaves_an_unknown_that_is_not_sent_again() -> None:
    world = World()
    world.wants(world.person(), "e1")

    def crash(_: str) -> HandOverResult:
        raise KeyboardInterrupt

    world.answer = crash
    with pytest.raises(KeyboardInterrupt):
        world.works()
    assert world.status("e1") == "handing_over"
    world.answer = lambda _: Accepted(answer="250 OK")
    world.delivery = world.opened()
    assert world.delivery.recover() == 1
    world.works()
    assert (world.mails, world.status("e1")) == ([], "unknown")
    (event,) = world.outcomes.values()
    assert event.name == "email_unknown"


def test_a_ledger_that_fails_after_the_hand_over_is_told_later() -> None:
    world = World()
    world.wants(world.person(), "e1")
    known = world.ledger.update
    calls: list[int] = []

    def update(messages: Sequence[Message]) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError("disk full")
        known(messages)

    world.ledger.update = update  # type: ignore[method-assign]

    async def run() -> None:
        with pytest.raises(OSError, match="disk full"):
            await world.delivery.step()
        assert world.status("e1") == "handing_over"
        await world.delivery.step()

    asyncio.run(run())
    assert world.status("e1") == "sent"
    assert len(world.mails) == 1


def test_outcomes_wait_for_a_log_that_is_away() -> None:
    world = World(is_log_down=True)
    world.wants(world.person(), "e1")
    world.works()
    assert world.ledger.unfinished(world.at) == 1
    world.is_log_down = False
    world.works()
    assert world.ledger.unfinished(world.at) == 0
    assert len(world.outcomes) == 1


def test_the_explanation_tells_all_and_rendering_again_gives_the_same_bytes() -> None:
    world = World()
    world.wants(world.person(name="Ada", email="Ada@shop.example"), "e1")
    world.works()
    message = world.message("e1")
    data = sent_bytes(message, world.ledger)
    assert data == world.mails[0][1]
    assert is_same_again(message, world.ledger, Reducer(WORKSPACE), KEY) is True
    other = replace(TEMPLATE, body=TEMPLATE.body + "!")
    changed = replace(WORKSPACE, templates={"hello": other})
    assert is_same_again(message, world.ledger, Reducer(changed), KEY) is False
    found = explanation(message)
    assert found["sentence"].startswith("Sent because the person did “order completed” on")
    assert found["decision"]["missing"] == ["traits.city"]
    assert all(one["holds"] for one in found["decision"]["checks"])
    text = as_text({**found, "is_same_again": True})
    assert "consent for offers -> yes  (given)" in text
    assert "the very bytes that left" in text


EXIT = replace(
    WORKSPACE,
    journeys={"welcome": journey("welcome", (send("mail"),), event="order_completed", leave=VIP)},
)


@pytest.mark.parametrize(("plan", "status"), [("vip", "suppressed"), ("free", "sent")])
def test_the_exit_condition_is_asked_again_at_the_moment_of_sending(plan: str, status: str) -> None:
    world = World(workspace=EXIT)
    person = world.person(email="a@shop.example", plan=plan)
    world.wants(person, "e1")
    world.works()
    message = world.message("e1")
    assert (message.status, len(world.mails)) == (status, int(status == "sent"))
    (asked,) = explanation(message)["conditions"]
    assert (asked["step"], asked["holds"]) == ("exit", plan == "vip")
    assert asked["values"] == [{"text": "traits.plan", "value": plan}]
    if status == "suppressed":
        assert message.reason == f"the journey's exit condition holds by now: {VIP}"


def test_a_profile_that_fell_back_behind_its_effect_is_waited_for() -> None:
    world = World()
    person = world.person()
    offset = world.states[0].offset() + 3
    world.wants(person, "e1", offset=offset)
    world.works()
    assert (world.status("e1"), world.mails) == ("intent", [])
    assert "not come as far" in world.message("e1").reason
    while world.states[0].offset() < offset:
        world.person(person, name="Grace", email="g@shop.example")
    world.at += 2 * SECOND
    world.works()
    assert (world.status("e1"), world.message("e1").subject) == ("sent", "Hello Grace")


def test_what_may_have_arrived_is_sent_again_twice_where_the_workspace_wants_it() -> None:
    settings = replace(WORKSPACE.settings, unknown="resend")
    world = World(workspace=replace(WORKSPACE, settings=settings))
    world.answer = lambda _: Uncertain(reason="the line broke")
    world.wants(world.person(), "e1")
    for _ in range(5):
        world.works()
        world.at += HOUR
    assert (len(world.mails), world.status("e1")) == (3, "unknown")


def test_what_a_crash_caught_is_sent_again_where_the_workspace_wants_it() -> None:
    settings = replace(WORKSPACE.settings, unknown="resend")
    world = World(workspace=replace(WORKSPACE, settings=settings))
    world.wants(world.person(), "e1")

    def crash(_: str) -> HandOverResult:
        raise KeyboardInterrupt

    world.answer = crash
    with pytest.raises(KeyboardInterrupt):
        world.works()
    world.answer = lambda _: Accepted(answer="250 OK")
    world.delivery = world.opened()
    assert world.delivery.recover() == 0
    world.works()
    assert (len(world.mails), world.status("e1")) == (1, "sent")
