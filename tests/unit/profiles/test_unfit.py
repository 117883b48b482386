"""A mark belongs to the value that it was given for, whatever the order of arrival."""

from __future__ import annotations

from itertools import permutations

from tailorbird.events.event import Event
from tailorbird.profiles.fold import fold_event, merge_facts
from tailorbird.profiles.state import ProfileState, decode, encode


def identified(at: int, email: str, *, is_unfit: bool = False, **traits: str) -> Event:
    return Event(
        type="identify",
        name="identified",
        message_id=f"m{at}",
        timestamp=at,
        order=at,
        properties={"email": email, **traits},
        unfit={"email": "bad_email"} if is_unfit else None,
    )


def folded(*events: Event) -> ProfileState:
    state = ProfileState(1, 0, 0, 0)
    for event in events:
        fold_event(state, event)
    return state


def test_the_latest_value_decides() -> None:
    events = (
        identified(1, "ada@shop.example"),
        identified(2, "nobody", is_unfit=True),
        identified(3, "ada@other.example"),
    )
    for order in permutations(events):
        state = folded(*order)
        assert (state.traits["email"].value, state.unfit) == ("ada@other.example", {})
    for order in permutations(events[:2]):
        assert folded(*order).unfit == {"email": "bad_email"}


def test_other_traits_leave_a_mark_alone() -> None:
    state = folded(identified(1, "nobody", is_unfit=True))
    named = Event(
        type="identify",
        name="identified",
        message_id="m",
        timestamp=2,
        order=2,
        properties={"name": "Ada"},
    )
    fold_event(state, named)
    assert state.unfit == {"email": "bad_email"}
    assert decode(encode(state)).unfit == {"email": "bad_email"}


def test_a_merge_takes_the_mark_with_the_value() -> None:
    bad, good = identified(1, "nobody", is_unfit=True), identified(2, "ada@shop.example")
    winner, loser = folded(bad), folded(good)
    merge_facts(winner, loser)
    assert winner.unfit == {}
    winner, loser = folded(good), folded(bad)
    merge_facts(winner, loser)
    assert winner.unfit == {}
    winner, loser = folded(), folded(bad)
    merge_facts(winner, loser)
    assert winner.unfit == {"email": "bad_email"}
