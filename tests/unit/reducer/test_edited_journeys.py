"""People inside a journey that is edited: step kind x edit x place of the person x way."""

from __future__ import annotations

import itertools

import pytest

from tailorbird.base.time import Duration
from tailorbird.reducer.reducer import Reducer
from tailorbird.testing.building import (
    DAY,
    HOUR,
    Person,
    branch,
    journey,
    send,
    unless,
    wait,
    workspace_of,
)
from tailorbird.workspace.definitions import JourneyDefinition, Step

Steps = tuple[Step, ...]
Mail = tuple[str, str, int]

KINDS: dict[str, Steps] = {
    "wait": (wait("x", DAY),),
    "unless": (unless("x", "count(bought) > 5"),),
    "if": (branch("x", "any(viewed)", (send("yes"),), (send("no"),)),),
    "send": (send("x"),),
}
CHANGED: dict[str, Steps] = {
    "wait": (wait("x", 3 * DAY),),
    "unless": (unless("x", "any(viewed)"),),
    "if": (branch("x", "count(viewed) > 5", (send("yes"),), (send("no"),)),),
    "send": (send("x", "other"),),
}
EDITS = ("removed", "changed", "preceded", "followed", "replaced")
# The edit comes at day 1 (in the wait before), in the middle of x, or in the wait behind it.
PLACES = ("before", "at", "past")
FIRST, LAST = 2 * DAY, 2 * DAY


def steps_of(kind: str, edit: str) -> Steps:
    middle = {
        "": KINDS[kind],
        "removed": (),
        "changed": CHANGED[kind],
        "preceded": (send("new"), *KINDS[kind]),
        "followed": (*KINDS[kind], send("new")),
        # The id goes on in a step of another kind.
        "replaced": (wait("x", HOUR),) if kind == "send" else (send("x"),),
    }[edit]
    return (wait("first", FIRST), *middle, wait("last", LAST), send("end"))


def definition(kind: str, edit: str, way: str = "move") -> JourneyDefinition:
    return journey("j", steps_of(kind, edit), event="viewed", when_edited=way)


def mails_of(one: JourneyDefinition) -> list[Mail]:
    person = Person(Reducer(workspace_of(journeys=[one])))
    person.does("viewed", 0)
    person.lives_until(60 * DAY)
    return person.mails


def edit_time(kind: str, place: str) -> int:
    if place == "before":
        return DAY
    if kind == "wait":
        return FIRST + (DAY // 2 if place == "at" else DAY + HOUR)
    return FIRST + HOUR


CASES = [
    case
    for case in itertools.product(KINDS, EDITS, PLACES, ("move", "finish", "leave"))
    if case[0] == "wait" or case[2] != "at"  # nobody stays in any other step
]


@pytest.mark.parametrize(("kind", "edit", "place", "way"), CASES)
def test_a_person_inside(kind: str, edit: str, place: str, way: str) -> None:
    old, new = definition(kind, ""), definition(kind, edit, way)
    before = Reducer(workspace_of(journeys=[old], version="v1"))
    former = {("j", "v1"): old} if way == "finish" else {}
    after = Reducer(workspace_of(journeys=[new], version="v2", former=former))
    at = edit_time(kind, place)
    person = Person(before, is_stored=True)
    person.does("viewed", 0)
    person.adopts(after, at)
    person.lives_until(60 * DAY)
    assert person.mails == expected(kind, edit, place, way, at)


def expected(kind: str, edit: str, place: str, way: str, at: int) -> list[Mail]:
    as_before = mails_of(definition(kind, ""))
    if way == "leave":
        return [mail for mail in as_before if mail[2] < at]
    if way == "finish" or place == "past":
        # The steps behind x are the same in both.
        return as_before
    if place == "before":
        return mails_of(definition(kind, edit))
    ends = {
        "removed": at + LAST,
        "changed": FIRST + 3 * DAY + LAST,
        "preceded": FIRST + DAY + LAST,
        "followed": FIRST + DAY + LAST,
        "replaced": at + LAST,
    }[edit]
    extra = {
        "followed": [("j", "new", FIRST + DAY)],
        "replaced": [("j", "x", at)],
    }.get(edit, [])
    return [*extra, ("j", "end", ends)]


@pytest.mark.parametrize("delay", [0, 1, HOUR, 5 * DAY])
def test_a_shortened_wait_ends_at_its_new_instant_or_at_once(delay: int) -> None:
    def version(days: int) -> Reducer:
        steps = (wait("pause", days * DAY), send("mail"))
        return Reducer(workspace_of(journeys=[journey("j", steps, event="viewed")]))

    person = Person(version(10))
    person.does("viewed", 0)
    person.adopts(version(3), DAY + delay)
    person.lives_until(30 * DAY)
    assert person.mails == [("j", "mail", max(3 * DAY, DAY + delay))]


def test_who_finishes_keeps_the_conditions_of_then() -> None:
    old = journey(
        "j", (wait("w", DAY), unless("u", "count(bought) > 1"), send("m")), event="viewed"
    )
    new = journey("j", (wait("w", DAY), send("m")), event="viewed", when_edited="finish")
    person = Person(Reducer(workspace_of(journeys=[old], version="v1")))
    person.does("viewed", 0)
    person.does("bought", 1)
    later = workspace_of(journeys=[new], version="v2", former={("j", "v1"): old})
    person.adopts(Reducer(later), HOUR)
    person.does("bought", 2 * HOUR)
    person.lives_until(5 * DAY)
    assert person.mails == []


def test_a_second_edit_lets_those_finish_who_finish_the_first() -> None:
    first = definition("send", "")
    second, third = definition("send", "removed", "finish"), definition("send", "changed", "finish")
    person = Person(Reducer(workspace_of(journeys=[first], version="v1")))
    person.does("viewed", 0)
    person.adopts(
        Reducer(workspace_of(journeys=[second], version="v2", former={("j", "v1"): first})), HOUR
    )
    former = {("j", "v1"): first, ("j", "v2"): second}
    person.adopts(Reducer(workspace_of(journeys=[third], version="v3", former=former)), 2 * HOUR)
    person.lives_until(30 * DAY)
    assert person.mails == mails_of(first)


def test_who_finishes_a_version_that_is_kept_no_longer_moves() -> None:
    first, second = definition("send", ""), definition("send", "removed", "finish")
    person = Person(Reducer(workspace_of(journeys=[first], version="v1")))
    person.does("viewed", 0)
    kept = workspace_of(journeys=[second], version="v2", former={("j", "v1"): first})
    person.adopts(Reducer(kept), HOUR)
    third = definition("send", "changed", "finish")
    person.adopts(Reducer(workspace_of(journeys=[third], version="v3")), 2 * HOUR)
    person.lives_until(30 * DAY)
    assert person.mails == mails_of(third)


def test_a_deleted_journey_ends_and_a_new_title_changes_nothing() -> None:
    one = definition("wait", "")
    reducer = Reducer(workspace_of(journeys=[one]))
    left, stayed = Person(reducer), Person(reducer)
    for person in (left, stayed):
        person.does("viewed", 0)
    left.adopts(Reducer(workspace_of()), HOUR)
    titled = journey(
        "j", one.steps, event="viewed", when_edited="leave", reentry=Duration(micros=1)
    )
    stayed.adopts(Reducer(workspace_of(journeys=[titled])), HOUR)
    for person in (left, stayed):
        person.lives_until(30 * DAY)
    assert left.mails == []
    assert stayed.mails == mails_of(one)
