"""Journeys as a person lives them: waits, conditions, re-entry, keys, exits."""

from __future__ import annotations

import pytest

from tailorbird.base.time import Duration
from tailorbird.journeys.effects import SendMessage
from tailorbird.reducer.reading import StateReader
from tailorbird.reducer.reducer import Reducer
from tailorbird.testing.building import (
    DAY,
    HOUR,
    START,
    Person,
    branch,
    journey,
    send,
    unless,
    wait,
    workspace_of,
)
from tailorbird.workspace.definitions import JourneyDefinition


def person_in(*journeys: JourneyDefinition, timezone: str = "UTC", **segments: str) -> Person:
    workspace = workspace_of(segments, journeys=journeys, timezone=timezone)
    return Person(Reducer(workspace), is_stored=True)


def test_a_wait_ends_at_its_instant_whatever_happens_meanwhile() -> None:
    person = person_in(journey("w", (wait("pause", DAY), send("mail")), event="signed_up"))
    person.does("signed_up", 0)
    person.does("page_viewed", DAY - 1)
    assert person.mails == []
    person.does("page_viewed", 5 * DAY)
    assert person.mails == [("w", "mail", DAY)]


def test_a_deadline_equal_to_a_record_sees_the_record() -> None:
    steps = (wait("pause", DAY), unless("bought", "any(order_completed)"), send("mail"))
    person = person_in(journey("w", steps, event="signed_up"))
    person.does("signed_up", 0)
    person.does("order_completed", DAY)
    assert person.mails == []


def test_a_deadline_before_a_record_does_not_see_it() -> None:
    steps = (wait("pause", DAY), unless("bought", "any(order_completed)"), send("mail"))
    person = person_in(journey("w", steps, event="signed_up"))
    person.does("signed_up", 0)
    person.does("order_completed", DAY + 1)
    assert person.mails == [("w", "mail", DAY)]


@pytest.mark.parametrize(("total", "step"), [(150, "big"), (50, "small")])
def test_a_branch_reads_the_trigger(total: int, step: str) -> None:
    steps = (
        branch("size", "event.properties.total > 100", (send("big"),), (send("small"),)),
        send("end"),
    )
    person = person_in(journey("thanks", steps, event="order_completed"))
    person.does("order_completed", 0, {"total": total})
    assert person.mails == [("thanks", step, 0), ("thanks", "end", 0)]


def test_entering_a_segment_starts_a_run_at_that_very_instant() -> None:
    person = person_in(
        journey("back", (send("mail"),), segment="lapsed"), lapsed="since(order_completed) >= 90d"
    )
    person.does("order_completed", 0)
    person.lives_until(90 * DAY - 1)
    assert person.mails == []
    person.lives_until(120 * DAY)
    assert person.mails == [("back", "mail", 90 * DAY)]


def test_a_keyed_journey_runs_once_for_each_key_and_side_by_side() -> None:
    steps = (wait("pause", DAY), send("mail"))
    person = person_in(
        journey("order", steps, event="order_completed", key=("properties", "order_id"))
    )
    person.does("order_completed", 0, {"order_id": "A"})
    person.does("order_completed", HOUR, {"order_id": "B"})
    person.does("order_completed", 2 * HOUR, {"order_id": "A"})
    person.does("order_completed", 3 * HOUR, {})
    person.lives_until(10 * DAY)
    assert person.mails == [("order", "mail", DAY), ("order", "mail", DAY + HOUR)]


def test_without_a_key_there_is_one_run_at_a_time() -> None:
    person = person_in(journey("w", (wait("pause", DAY), send("mail")), event="viewed"))
    for hour in (0, 1, 30):
        person.does("viewed", hour * HOUR)
    person.lives_until(10 * DAY)
    assert [at for _, _, at in person.mails] == [DAY, 30 * HOUR + DAY]


@pytest.mark.parametrize(
    ("reentry", "expected"),
    [
        ("once", [0]),
        ("always", [0, 2 * DAY, 40 * DAY]),
        (Duration(micros=30 * DAY), [0, 40 * DAY]),
    ],
)
def test_reentry(reentry: str | Duration, expected: list[int]) -> None:
    person = person_in(journey("w", (send("mail"),), event="viewed", reentry=reentry))
    for day in (0, 2, 40):
        person.does("viewed", day * DAY)
    assert [at for _, _, at in person.mails] == expected


def test_the_exit_condition_ends_a_run_at_the_event_that_makes_it_true() -> None:
    steps = (wait("pause", DAY), send("mail"))
    person = person_in(
        journey("cart", steps, event="cart_added", leave="any(order_completed within 1d)")
    )
    person.does("cart_added", 0)
    person.does("order_completed", HOUR)
    person.lives_until(10 * DAY)
    assert person.mails == []
    assert person.state is not None
    assert person.state.runs == []


def test_history_starts_nothing_but_counts() -> None:
    person = person_in(
        journey("w", (send("mail"),), event="viewed"),
        journey("s", (send("mail"),), segment="keen"),
        keen="count(viewed) >= 2",
    )
    person.does("viewed", 0, is_historical=True)
    person.does("viewed", 1, is_historical=True)
    assert person.segments == {"keen"}
    assert person.mails == []


def test_a_trigger_older_than_its_freshness_starts_nothing() -> None:
    person = person_in(journey("w", (send("mail"),), event="viewed"))
    person.does("viewed", 3 * DAY, happened=DAY)
    assert person.mails == []
    person.does("viewed", 4 * DAY, happened=3 * DAY + 1)
    assert len(person.mails) == 1


def test_a_wait_until_a_time_of_day_follows_the_persons_clock() -> None:
    person = person_in(
        journey("w", (wait("morning", until_minute=9 * 60), send("mail")), event="viewed")
    )
    person.does("identify", 0, {"timezone": "America/New_York"})
    person.does("viewed", HOUR)
    person.lives_until(2 * DAY)
    # START is 09:00 UTC, 04:00 in New York.
    assert person.mails == [("w", "mail", 5 * HOUR)]


def test_every_message_carries_the_conditions_with_their_values() -> None:
    steps = (unless("recent", "any(email_opened)"), send("mail"))
    person = person_in(
        journey("thanks", steps, segment="frequent"),
        frequent="count(order_completed within 30d) >= 2",
    )
    person.does("order_completed", 0)
    person.does("order_completed", HOUR)
    (effect,) = person.effects
    assert isinstance(effect, SendMessage)
    asked = [(one.step, one.holds, one.values) for one in effect.conditions]
    assert asked == [
        ("trigger", True, [("count(order_completed within 30d)", "2 or more")]),
        ("recent", False, [("any(email_opened)", False)]),
    ]


def test_a_count_whose_events_left_the_window_is_no_lower_bound() -> None:
    person = person_in(
        journey("thanks", (send("mail"),), segment="frequent"),
        frequent="count(order_completed within 30d) >= 2",
    )
    for at in (0, HOUR, 20 * DAY):
        person.does("order_completed", at)

    def told(at: int) -> object:
        reader = StateReader(person.reducer.workspace)
        assert person.state is not None
        return reader.why_not(person.state, "thanks", START + at)[0][0].values

    assert told(20 * DAY) == [("count(order_completed within 30d)", "2 or more")]
    assert told(40 * DAY) == [("count(order_completed within 30d)", 1)]


def test_effects_are_named_alike_when_reduced_again_and_apart_between_people() -> None:
    one = journey("back", (send("mail"),), segment="lapsed")
    reducer = Reducer(workspace_of({"lapsed": "since(viewed) >= 90d"}, journeys=[one]))
    names = []
    for profile_id, offset in ((65, 0), (65, 0), (129, 1)):
        person = Person(reducer, profile_id=profile_id)
        # Two people act in the same microsecond of their clocks, stamped one after the other.
        person.does("viewed", offset, happened=0)
        person.lives_until(100 * DAY)
        (effect,) = person.effects
        assert isinstance(effect, SendMessage)
        names.append(effect.effect_id)
    assert names[0] == names[1] != names[2]


def test_why_not_names_what_failed() -> None:
    person = person_in(
        journey("back", (unless("vip", "in segment('vip')"), send("mail")), segment="lapsed"),
        lapsed="since(viewed) >= 90d",
        vip="count(viewed) > 3",
    )
    person.does("viewed", 0)
    assert person.state is not None
    asked = person.reducer.why_not(person.state, "back", START + DAY)
    assert [(one.step, one.holds) for one, _ in asked] == [("trigger", False), ("vip", True)]
    (trigger, change), (_, nothing) = asked
    assert trigger.values == [("since(viewed)", "1d")]
    assert change is not None
    assert change.wait_until == START + 90 * DAY
    assert nothing is None


def test_people_in_an_edited_journey_leave_a_shortened_wait_at_the_new_instant() -> None:
    def version(days: int) -> Reducer:
        steps = (wait("pause", days * DAY), send("mail"))
        return Reducer(workspace_of(journeys=[journey("w", steps, event="viewed")]))

    person = Person(version(10))
    person.does("viewed", 0)
    person.adopts(version(3), DAY)
    person.lives_until(20 * DAY)
    assert person.mails == [("w", "mail", 3 * DAY)]
