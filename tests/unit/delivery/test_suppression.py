"""Which events stop mail to an address, and which allow it again."""

from __future__ import annotations

from typing import Any

import pytest

from tailorbird.delivery.suppression import EVERYTHING, NAMES, address_hash, changes_of
from tailorbird.events.event import Event


def changes(name: str, **properties: Any) -> list[tuple[str, bool, str]]:
    event = Event(
        type="track", name=name, message_id="m", timestamp=1, order=1, properties=properties
    )
    found = changes_of(event, 5)
    assert all(one.at == 5 and one.address_hash == address_hash("ada@x.example") for one in found)
    return [(one.topic, one.is_suppressed, one.reason) for one in found]


@pytest.mark.parametrize("name", ["unsubscribed", "consent_withdrawn"])
def test_who_leaves_a_topic_leaves_that_topic(name: str) -> None:
    found = changes(name, email=" Ada@X.example", topic="offers")
    assert found == [("offers", True, "unsubscribed")]
    assert changes(name, email="ada@x.example") == [("marketing", True, "unsubscribed")]


@pytest.mark.parametrize("name", ["subscribed", "consent_given"])
def test_coming_back_lifts_the_topic_only(name: str) -> None:
    assert changes(name, email="ada@x.example", topic="offers") == [
        ("offers", False, "unsubscribed")
    ]


def test_bounces_and_complaints_stop_everything() -> None:
    assert changes("email_bounced", email="ada@x.example") == [(EVERYTHING, True, "bounced")]
    assert changes("email_marked_as_spam", recipient="ada@x.example") == [
        (EVERYTHING, True, "complained")
    ]


@pytest.mark.parametrize("kind", ["soft", "transient"])
def test_a_soft_bounce_stops_nothing(kind: str) -> None:
    assert changes("email_bounced", email="ada@x.example", bounce_type=kind) == []


@pytest.mark.parametrize("email", [None, 5, "", "no address"])
def test_without_an_address_nothing_changes(email: Any) -> None:
    for name in NAMES:
        assert changes(name, email=email) == []


def test_other_events_change_nothing() -> None:
    assert changes("order_completed", email="ada@x.example") == []
