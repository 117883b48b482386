"""Whoever lives a verified change becomes a member, and a journey goes on."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from tailorbird.language.moves import Change, Waits
from tailorbird.reducer.reducer import Reducer
from tailorbird.testing.building import (
    DAY,
    START,
    Person,
    journey,
    points,
    send,
    workspace_of,
)

EFFORT = int(os.environ.get("TAILORBIRD_EFFORT", "1"))
NOW = 9 * DAY
LIMITS = st.integers(0, 4)
PARTS = st.one_of(
    st.builds("count(order within {}d) >= {}".format, st.integers(1, 9), LIMITS),
    st.builds("count(order within 3d) < {}".format, st.integers(1, 3)),
    st.builds("count(view where price > {}) = {}".format, LIMITS, LIMITS),
    st.builds("sum(order.revenue) > {}.2".format, st.integers(1, 99)),
    st.builds("avg(view.price within 9d) {} {}.5".format, st.sampled_from("<>"), LIMITS),
    st.builds("since(order) > {}d".format, st.integers(1, 9)),
    st.builds("distinct(view.category) >= {}".format, LIMITS),
    st.sampled_from(
        (
            "traits.city = 'New York'",
            "last(order.coupon) = 'X'",
            "abandoned(view, order after 1d)",
            "followed(view, order within 1h)",
            "none(view within 2d)",
            "score('heat') >= 3",
        )
    ),
)
EVENTS = st.lists(
    st.tuples(st.sampled_from(("order", "view", "hello")), st.integers(0, 9 * DAY), LIMITS),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one[1],
)


@settings(max_examples=100 * EFFORT, deadline=None)
@given(
    texts=st.lists(PARTS, min_size=1, max_size=3),
    word=st.sampled_from((" and ", " or ")),
    events=EVENTS,
)
def test_who_lives_a_verified_change_becomes_a_member(
    texts: list[str], word: str, events: list[tuple[str, int, int]]
) -> None:
    person = person_in(word.join(f"({one})" for one in texts), events)
    change = change_of(person)
    if change is None or not change.is_verified:
        return
    lives(person, change)
    assert "wanted" in person.segments


def test_what_one_part_asks_for_may_not_break_another() -> None:
    person = person_in("any(order) and count(order within 3d) < 1", [("view", 0, 1)])
    change = change_of(person)
    assert change is not None
    assert change.is_verified
    assert change.text == "1 more `order`; then waiting until 2026-01-17T09:00:00.000001Z"
    lives(person, change)
    assert "wanted" in person.segments


def test_what_cannot_be_is_not_told_as_a_change() -> None:
    person = person_in("count(order) > 2 and count(order) < 2", [("view", 0, 1)])
    change = change_of(person)
    assert change is not None
    assert not change.is_verified
    assert not change.moves
    assert "would have to be true" in change.text


def person_in(condition: str, events: list[tuple[str, int, int]]) -> Person:
    """Return somebody who has lived some days, with a journey that a condition begins."""
    workspace = workspace_of(
        {"wanted": condition},
        journeys=(journey("w", (send("mail"),), segment="wanted"),),
        scores=[points("heat", {"order": 2, "view": 1}, 3)],
    )
    person = Person(Reducer(workspace), is_stored=True)
    for name, at, number in sorted(events, key=lambda one: one[1]):
        person.does(name, at, {"revenue": number, "price": number, "category": f"c{number}"})
    person.lives_until(NOW)
    return person


def change_of(person: Person) -> Change | None:
    """Return what would begin the journey now."""
    assert person.state is not None
    (asked, change), *_ = person.reducer.why_not(person.state, "w", START + NOW)
    assert asked.holds == (change is None) or change is None
    return change


def lives(person: Person, change: Change) -> None:
    """Let somebody live a change by the reducer itself."""
    at = NOW
    for one in change.moves:
        if isinstance(one, Waits):
            at = max(at, one.until - START)
            person.lives_until(at)
            continue
        at += 1
        person.does("identify" if one.sets_traits else one.name, at, one.properties)
