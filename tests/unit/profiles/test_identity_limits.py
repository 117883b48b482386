"""Limits, kinds and shared identifiers, as a table of stories: who ends up as whom."""

from __future__ import annotations

import re

import pytest
from tests.unit.profiles.test_identity import People

from tailorbird.events.identifiers import IdentityRules, context_identifiers
from tailorbird.profiles.identity import Identifier, resolve

ADA, BOB = ("user_id", "ada"), ("user_id", "bob")
MAIL, PHONE = ("email", "home@shop.example"), ("phone", "+41791234567")
DEVICE, CRM = ("device", "d1"), ("external_id:crm", "7")
VISITOR, TABLET = ("anonymous_id", "v"), ("anonymous_id", "t")

# Each story is a list of calls; then the groups of identifiers that are one person.
STORIES: dict[str, tuple[list[list[Identifier]], list[set[Identifier]]]] = {
    "a shared address leaves two users apart and stays with the first": (
        [[ADA, MAIL], [BOB, MAIL]],
        [{ADA, MAIL}, {BOB}],
    ),
    "so does a shared telephone": ([[ADA, PHONE], [BOB, PHONE]], [{ADA, PHONE}, {BOB}]),
    "an external id stays with its first user too": (
        [[ADA, CRM], [BOB, CRM]],
        [{ADA, CRM}, {BOB}],
    ),
    "a shared device goes over to the user of the latest call": (
        [[ADA, DEVICE], [BOB, DEVICE]],
        [{ADA}, {BOB, DEVICE}],
    ),
    "everything shared at once fuses nobody": (
        [[ADA, VISITOR, MAIL, DEVICE], [BOB, VISITOR, MAIL, DEVICE]],
        [{ADA, MAIL}, {BOB, VISITOR, DEVICE}],
    ),
    "a visitor between two users joins the one of the stronger identifier": (
        [[ADA, MAIL], [BOB, PHONE], [VISITOR, MAIL, PHONE]],
        [{ADA, MAIL, VISITOR}, {BOB, PHONE}],
    ),
    "visitors on one device are one person": (
        [[VISITOR, DEVICE], [TABLET, DEVICE]],
        [{VISITOR, TABLET, DEVICE}],
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_who_ends_up_as_whom(story: str) -> None:
    calls, groups = STORIES[story]
    people = People()
    for call in calls:
        people.see(*call)
    owners = [{people.find(*one) for one in group} for group in groups]
    assert all(len(owner) == 1 and None not in owner for owner in owners), owners
    assert len(set.union(*owners)) == len(groups)


@pytest.mark.parametrize(
    ("kind", "limit"), [("email", 5), ("anonymous_id", 100), ("external_id:crm", 20)]
)
def test_one_more_than_the_limit_is_not_linked(kind: str, limit: int) -> None:
    people = People()
    for number in range(limit):
        assert (kind, str(number)) in people.see(ADA, (kind, str(number))).links
    person = people.find(*ADA)
    found = people.see(ADA, (kind, "more"))
    assert (found.profile_id, found.links, found.merges) == (person, [], [])
    assert people.find(kind, "0") == person, "a limit tears no link"


def test_a_limit_counts_the_links_of_one_call() -> None:
    rules = IdentityRules(limits={"user_id": 1, "email": 2})
    mails = [("email", str(number)) for number in range(4)]
    assert resolve([ADA, *mails], (), People(), rules).links == [ADA, *mails[:2]]


def test_a_merge_beyond_a_limit_does_not_happen() -> None:
    people = People()
    for number in range(5):
        people.see(ADA, ("email", f"a{number}"))
    visitor = people.see(VISITOR, ("email", "b")).profile_id
    found = people.see(ADA, VISITOR)
    assert found.merges == []
    assert people.find(*VISITOR) == visitor != people.find(*ADA)
    # An alias says so in as many words.
    assert people.see(ADA, previous=(VISITOR,)).merges == [(visitor, people.find(*ADA))]


@pytest.mark.parametrize(
    ("kind", "value", "is_blocked"),
    [
        ("user_id", "NULL", True),
        ("anonymous_id", " Undefined ", True),
        ("device", "00000000-0000-0000-0000-000000000000", True),
        ("device", "ffffffff-ffff-ffff-ffff-ffffffffffff", True),
        ("device", "fffffff0-ffff-ffff-ffff-ffffffffffff", False),
        ("user_id", "11111111", False),
        ("email", "ada@shop.example", False),
    ],
)
def test_values_that_stand_for_nobody(kind: str, value: str, is_blocked: bool) -> None:
    assert IdentityRules().is_blocked(kind, value) == is_blocked


def test_blocked_values_and_patterns_are_by_kind() -> None:
    rules = IdentityRules(
        blocked={"email": frozenset({"till@shop.example"})},
        patterns={"user_id": (re.compile("test-.*"),)},
    )
    given = [("email", "till@shop.example"), ("user_id", "test-1"), ("phone", "test-1"), ADA, ADA]
    assert rules.sorted([*given, ("shoe_size", "9")]) == [ADA, ("phone", "test-1")]


def test_external_ids_and_devices_are_read_from_the_context() -> None:
    context = {
        "externalIds": [
            {"id": 7, "type": "CRM", "collection": "users", "encoding": "none"},
            {"id": "acme", "type": "company", "collection": "accounts"},
            {"id": None, "type": "crm"},
            {"id": "x", "type": 3},
            "nonsense",
        ],
        "device": {"id": "d1", "advertisingId": "ad-1"},
    }
    assert context_identifiers(context) == [CRM, DEVICE, ("device", "ad-1")]
    switched_off = {"device": {"advertisingId": "ad-1", "adTrackingEnabled": False}}
    assert context_identifiers(switched_off) == []
    assert context_identifiers({"externalIds": {}, "device": "d1"}) == []
