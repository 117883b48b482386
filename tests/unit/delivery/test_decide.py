"""What may leave, what waits, what never leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tailorbird.base.time import parse_micros
from tailorbird.delivery.decide import Decision, Deliver, Expire, Facts, Hold, Suppress, decide
from tailorbird.journeys.effects import SendMessage
from tailorbird.workspace.definitions import WorkspaceSettings

NOW = parse_micros("2026-03-01T12:00:00Z")
HOUR = 3_600_000_000
DAY = 24 * HOUR
SETTINGS = WorkspaceSettings(postal_address="1 High Street")


def message(kind: str = "marketing", expires_at: int = NOW + DAY) -> SendMessage:
    return SendMessage(
        effect_id="e",
        profile_id=1,
        journey="j",
        run_key="k",
        step="s",
        visit=1,
        template="t",
        kind=kind,
        topic="offers",
        due_at=NOW,
        expires_at=expires_at,
        triggered_at=NOW,
        trigger={},
        conditions=[],
        version="v",
    )


def profile(consent: bool | None = True, **traits: Any) -> dict[str, Any]:
    return {
        "traits": {"email": "ada@shop.example", **traits},
        "consents": {} if consent is None else {"offers": consent},
    }


def asked(
    person: dict[str, Any],
    settings: WorkspaceSettings = SETTINGS,
    facts: Facts | None = None,
    kind: str = "marketing",
    now: int = NOW,
) -> Decision:
    return decide(message(kind), person, settings, facts or Facts(), now)


def test_marketing_leaves_with_consent_and_a_postal_address() -> None:
    assert asked(profile()) == Deliver("ada@shop.example")
    assert isinstance(asked(profile(), replace(SETTINGS, postal_address="")), Suppress)


@pytest.mark.parametrize("consent", [None, False])
def test_without_consent_only_transactional_mail_leaves(consent: bool | None) -> None:
    assert isinstance(asked(profile(consent)), Suppress)
    assert isinstance(asked(profile(consent), kind="transactional"), Deliver)


def test_where_no_objection_is_enough_a_withdrawal_still_counts() -> None:
    lenient = replace(SETTINGS, demands_consent=False)
    assert isinstance(asked(profile(None), lenient), Deliver)
    assert isinstance(asked(profile(False), lenient), Suppress)


def test_a_suppressed_address_gets_nothing() -> None:
    facts = Facts(suppressed_because="bounced")
    found = asked(profile(), facts=facts, kind="transactional")
    assert found == Suppress("the address is suppressed: bounced")


@pytest.mark.parametrize("address", [None, 5, "", "nobody", "@x", "a@", "a b@x.example", "a@x\n.y"])
def test_without_an_address_nothing_leaves(address: object) -> None:
    assert isinstance(asked(profile(email=address), kind="transactional"), Suppress)


def test_the_daily_cap_holds_until_it_is_free() -> None:
    facts = Facts(sent_at=[NOW - HOUR])
    assert asked(profile(), facts=facts) == Hold(
        NOW + 23 * HOUR, "at most 1 marketing mail(s) a day"
    )
    assert isinstance(asked(profile(), facts=Facts(sent_at=[NOW - DAY])), Deliver)
    assert isinstance(asked(profile(), facts=facts, kind="transactional"), Deliver)


def test_a_hold_beyond_the_expiry_is_no_hold() -> None:
    soon = message(expires_at=NOW + HOUR)
    found = decide(soon, profile(), SETTINGS, Facts(sent_at=[NOW - HOUR]), NOW)
    assert isinstance(found, Suppress)


def test_quiet_hours_are_those_of_the_person() -> None:
    quiet = replace(SETTINGS, quiet_from_minute=21 * 60, quiet_until_minute=8 * 60)
    assert isinstance(asked(profile(), quiet), Deliver)
    # 12:00 UTC is 23:00 in Sydney.
    found = asked(profile(timezone="Australia/Sydney"), quiet)
    assert found == Hold(parse_micros("2026-03-01T21:00:00Z"), "quiet hours")


def test_the_sandbox_lets_only_listed_addresses_through() -> None:
    sandbox = replace(SETTINGS, is_sandbox=True, sandbox_addresses=("Me@Shop.example",))
    assert isinstance(asked(profile(), sandbox), Suppress)
    assert isinstance(asked(profile(email="me@shop.example"), sandbox), Deliver)


def test_what_is_too_late_expires() -> None:
    assert isinstance(asked(profile(), now=NOW + DAY + 1), Expire)


def test_an_address_without_a_standard_form_gets_no_mail() -> None:
    person = {**profile(email="a..b@shop.example"), "unfit": {"email": "bad_email"}}
    assert isinstance(asked(person), Suppress)
    assert isinstance(asked({**profile(), "unfit": {"phone": "bad_phone"}}), Deliver)
