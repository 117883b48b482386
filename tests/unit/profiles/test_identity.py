"""Who is who: each rule by an example, and laws over random stories."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tailorbird.events.event import profile_id_of
from tailorbird.profiles.identity import Identifier, Resolution, resolve

USER, OTHER = ("user_id", "u1"), ("user_id", "u2")
DEVICE, LAPTOP = ("anonymous_id", "a1"), ("anonymous_id", "a2")
MAIL, PHONE = ("email", "x@shop.example"), ("phone", "+41791234567")


class People:
    """An identity store for rules: applies what they say."""

    def __init__(self) -> None:
        self.links: dict[Identifier, int] = {}
        self.since: dict[int, int] = {}
        self.winners: dict[int, int] = {}
        self.apart: list[set[int]] = []

    def find(self, kind: str, value: str) -> int | None:
        found = self.links.get((kind, value))
        return None if found is None else self.resolve(found)

    def resolve(self, profile_id: int) -> int:
        while profile_id in self.winners:
            profile_id = self.winners[profile_id]
        return profile_id

    def are_apart(self, left: int, right: int) -> bool:
        return {left, right} in self.apart

    def has_user(self, profile_id: int) -> bool:
        return any(
            kind == "user_id" and self.resolve(found) == profile_id
            for (kind, _), found in self.links.items()
        )

    def identifiers(self, profile_id: int) -> list[Identifier]:
        return [one for one in self.links if self.find(*one) == profile_id]

    def known_since(self, profile_id: int) -> int | None:
        return self.since.get(profile_id)

    def see(self, *identifiers: Identifier, previous: tuple[Identifier, ...] = ()) -> Resolution:
        found = resolve(identifiers, previous, self)
        for loser, winner in found.merges:
            assert loser not in self.winners, "nobody is merged away twice"
            assert self.resolve(winner) == winner
            self.winners[loser] = winner
        for link in found.links:
            self.links[link] = found.profile_id
            self.since.setdefault(found.profile_id, len(self.since))
        assert self.resolve(found.profile_id) == found.profile_id
        return found


def test_a_stranger_gets_the_id_of_the_strongest_identifier() -> None:
    found = People().see(USER, DEVICE)
    assert found.profile_id == profile_id_of(*USER)
    assert found.links == [USER, DEVICE]
    assert found.merges == []


def test_a_visitor_who_logs_in_for_the_first_time_stays_the_same_profile() -> None:
    people = People()
    visitor = people.see(DEVICE).profile_id
    found = people.see(USER, DEVICE)
    assert (found.profile_id, found.links, found.merges) == (visitor, [USER], [])


def test_a_visitor_who_logs_in_as_a_known_user_is_merged() -> None:
    people = People()
    user, visitor = people.see(USER).profile_id, people.see(DEVICE).profile_id
    found = people.see(USER, DEVICE)
    assert (found.profile_id, found.merges) == (user, [(visitor, user)])
    assert people.find(*DEVICE) == user


def test_the_user_wins_even_over_an_older_visitor() -> None:
    people = People()
    visitor, user = people.see(DEVICE).profile_id, people.see(USER).profile_id
    assert people.see(USER, DEVICE).merges == [(visitor, user)]


def test_a_shared_device_goes_over_to_the_user_who_used_it_last() -> None:
    people = People()
    first = people.see(USER, DEVICE).profile_id
    second = people.see(OTHER, DEVICE)
    assert second.profile_id != first
    assert second.merges == []
    assert people.find(*DEVICE) == second.profile_id
    assert people.see(USER).profile_id == first


def test_an_address_stays_with_its_first_user() -> None:
    people = People()
    first = people.see(USER, MAIL).profile_id
    second = people.see(OTHER, MAIL)
    assert second.merges == []
    assert people.find(*MAIL) == first


def test_an_address_leads_from_a_subscriber_to_the_user() -> None:
    people = People()
    subscriber, user = people.see(MAIL).profile_id, people.see(USER).profile_id
    found = people.see(USER, MAIL)
    assert found.merges == [(subscriber, user)]


def test_a_visitor_who_gives_a_users_address_is_that_user() -> None:
    people = People()
    user, visitor = people.see(USER, MAIL).profile_id, people.see(DEVICE).profile_id
    found = people.see(DEVICE, MAIL)
    assert (found.profile_id, found.merges) == (user, [(visitor, user)])


def test_two_visitors_with_one_address_are_one_the_older_goes_on() -> None:
    people = People()
    older, younger = people.see(DEVICE).profile_id, people.see(LAPTOP, MAIL).profile_id
    found = people.see(DEVICE, MAIL)
    assert (found.profile_id, found.merges) == (older, [(younger, older)])


def test_alias_merges_even_two_users() -> None:
    people = People()
    first, second = people.see(USER).profile_id, people.see(OTHER).profile_id
    found = people.see(OTHER, previous=(USER,))
    assert (found.profile_id, found.merges) == (first, [(second, first)])
    assert people.see(OTHER).profile_id == first


def test_alias_of_somebody_unknown_links_the_previous_identifier() -> None:
    people = People()
    user = people.see(USER).profile_id
    found = people.see(USER, previous=(LAPTOP,))
    assert (found.profile_id, found.links, found.merges) == (user, [LAPTOP], [])


def test_alias_from_a_new_user_to_a_known_visitor_goes_on_with_the_visitor() -> None:
    people = People()
    visitor = people.see(DEVICE).profile_id
    found = people.see(USER, previous=(DEVICE,))
    assert (found.profile_id, found.links, found.merges) == (visitor, [USER], [])


def test_an_id_that_went_to_somebody_else_is_not_given_again() -> None:
    people = People()
    first = people.see(DEVICE)
    people.see(USER, DEVICE)
    people.see(OTHER, DEVICE)
    people.links.pop(DEVICE)
    again = people.see(DEVICE)
    assert again.profile_id != first.profile_id


def test_an_event_with_several_strangers_merges_each_once() -> None:
    people = People()
    one = people.see(DEVICE).profile_id
    people.links[("device", "d")] = one
    user = people.see(USER, MAIL).profile_id
    found = people.see(DEVICE, MAIL, ("device", "d"))
    assert found.merges == [(one, user)]
    assert found.profile_id == user


ANY = st.sampled_from([USER, OTHER, DEVICE, LAPTOP, MAIL, PHONE])
STRENGTH = ["user_id", "anonymous_id", "email", "phone"]


@st.composite
def calls(draw: st.DrawFn) -> tuple[tuple[Identifier, ...], tuple[Identifier, ...]]:
    found = {one[0]: one for one in draw(st.lists(ANY, min_size=1, max_size=4))}
    identifiers = tuple(found[kind] for kind in STRENGTH if kind in found)
    return identifiers, tuple(draw(st.lists(ANY, max_size=2, unique=True)))


@given(st.lists(calls(), max_size=30))
def test_every_story_leaves_one_living_profile_for_each_identifier(
    story: list[tuple[tuple[Identifier, ...], tuple[Identifier, ...]]],
) -> None:
    people = People()
    for identifiers, previous in story:
        has_two_users = {one for one in (USER, OTHER) if people.find(*one) is not None}
        apart = len({people.find(*one) for one in has_two_users}) == 2
        found = people.see(*identifiers, previous=previous)
        user = next((one for one in identifiers if one[0] == "user_id"), None)
        if user is not None:
            assert people.find(*user) == found.profile_id
        if apart and not any(people.has_user(people.find(*one) or 0) for one in previous):
            assert people.find(*USER) != people.find(*OTHER)
        # The same call again says nothing new.
        again = resolve(identifiers, (), people)
        if user is not None:
            assert again.profile_id == found.profile_id
            assert again.merges == []


def test_a_merge_that_was_undone_does_not_come_back_by_sharing() -> None:
    people = People()
    visitor, user = people.see(DEVICE).profile_id, people.see(USER).profile_id
    people.apart = [{visitor, user}]
    assert people.see(USER, DEVICE).merges == []
    assert len(people.see(USER, previous=(DEVICE,)).merges) == 1
