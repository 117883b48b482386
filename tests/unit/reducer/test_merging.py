"""Two profiles that turn out to be one person: one outcome, whatever the interleaving."""

from __future__ import annotations

import itertools

import pytest

from tailorbird.profiles.state import ProfileState, encode
from tailorbird.reducer.merging import PATIENCE
from tailorbird.reducer.reducer import Reducer
from tailorbird.testing.building import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Person,
    branch,
    journey,
    send,
    wait,
    workspace_of,
)

REDUCER = Reducer(
    workspace_of(
        {
            "keen": "count(viewed within 30d) >= 3",
            "first-timers": "count(order_completed) = 1",
            "lapsed": "since(viewed) >= 10d",
        },
        journeys=[
            journey(
                "coupon",
                (branch("which", "in segment('keen')", (send("keen"),), (send("new"),)),),
                event="signed_up",
            ),
            journey("cart", (wait("pause", HOUR), send("mail")), event="viewed"),
        ],
    )
)


def two_people() -> tuple[Person, Person]:
    """An anonymous visitor with two views, and the user who signs up afterwards."""
    visitor = Person(REDUCER, profile_id=1, is_stored=True)
    user = Person(REDUCER, profile_id=2, is_stored=True)
    visitor.does("viewed", 0)
    visitor.does("viewed", MINUTE)
    user.does("viewed", 2 * MINUTE)
    return visitor, user


def test_the_winner_sees_the_whole_person_before_it_decides() -> None:
    visitor, user = two_people()
    user.merges(visitor, 3 * MINUTE)
    user.does("signed_up", 3 * MINUTE + 2)
    assert user.mails == []
    user.absorbs(visitor, 3 * MINUTE + SECOND)
    assert [step for _, step, _ in user.mails] == ["keen"]
    assert user.segments == {"keen"}
    assert visitor.state is not None
    assert visitor.state.merged_into == 2
    assert [(one.segment, one.is_member) for one in visitor.changes] == []


def test_records_that_wait_are_reduced_in_order_each_with_its_own_now() -> None:
    states = []
    for absorbed_at in (3 * MINUTE + 2, 3 * MINUTE + 5, 3 * MINUTE + SECOND):
        visitor, user = two_people()
        user.merges(visitor, 3 * MINUTE)
        steps = [(3 * MINUTE + 3, "signed_up"), (3 * MINUTE + 4, "order_completed")]
        pending = [*steps, (absorbed_at, "")]
        for after, name in sorted(pending):
            if name:
                user.does(name, after, message_id=name)
            else:
                user.absorbs(visitor, after)
        user.lives_until(DAY)
        assert user.state is not None
        user.state.updated_at = 0
        states.append((encode(user.state), user.mails))
    assert states[0] == states[1] == states[2]


def test_without_the_losers_state_the_winner_goes_on_after_five_seconds() -> None:
    visitor, user = two_people()
    user.merges(visitor, 3 * MINUTE)
    user.does("signed_up", 3 * MINUTE + 2)
    user.lives_until(3 * MINUTE + PATIENCE + 1)
    assert [step for _, step, _ in user.mails] == ["new"]
    user.absorbs(visitor, 10 * MINUTE)
    assert user.segments == {"keen"}


def test_an_absorbed_state_is_taken_once() -> None:
    visitor, user = two_people()
    user.merges(visitor, 3 * MINUTE)
    user.absorbs(visitor, 4 * MINUTE)
    before = encode(_state(user))
    user.absorbs(visitor, 5 * MINUTE)
    assert encode(_state(user)) == before


def test_of_two_runs_of_one_key_the_older_goes_on() -> None:
    visitor, user = two_people()
    user.merges(visitor, 3 * MINUTE)
    user.absorbs(visitor, 3 * MINUTE + SECOND)
    user.lives_until(5 * HOUR)
    visitor.lives_until(5 * HOUR)
    assert [at for _, _, at in user.mails] == [HOUR, HOUR + 2 * MINUTE]
    assert visitor.mails == []


def test_a_winner_that_is_merged_away_passes_the_state_on() -> None:
    visitor, user = two_people()
    third = Person(REDUCER, profile_id=3, is_stored=True)
    third.does("viewed", 0)
    user.merges(visitor, 3 * MINUTE)
    third.merges(user, 4 * MINUTE)
    user.absorbs(visitor, 5 * MINUTE)
    third.absorbs(user, 5 * MINUTE + 1)
    user.effects = user.effects[1:]
    third.absorbs(user, 5 * MINUTE + 2)
    assert REDUCER.snapshot(_state(third), 0)["segments"].keys() == {"keen"}
    cells = [cell for cell in _state(third).cells.values() if isinstance(cell, list)]
    assert max(len(times) for times in cells) == 3


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_merging_three_profiles_gives_one_person_in_any_order(order: tuple[int, ...]) -> None:
    people = [Person(REDUCER, profile_id=index + 1) for index in range(3)]
    for index, person in enumerate(people):
        person.does("viewed", index * MINUTE, message_id=f"view-{index}")
    first, second, third = (people[index] for index in order)
    for position, loser in enumerate((second, third)):
        at = (5 + position) * MINUTE
        first.merges(loser, at)
        first.absorbs(loser, at + SECOND)
    assert first.segments == {"keen"}
    cells = sorted(_state(first).cells.items())
    assert cells == sorted(_expected_cells().items())


def _expected_cells() -> dict[int, object]:
    whole = Person(REDUCER)
    for index in range(3):
        whole.does("viewed", index * MINUTE, message_id=f"view-{index}")
    return _state(whole).cells


def _state(person: Person) -> ProfileState:
    assert person.state is not None
    return person.state
