"""A profile makes 50 events a second at most, and 1,000 at once."""

from __future__ import annotations

import random

from tailorbird.base.time import MICROSECONDS
from tailorbird.events.event import EVENT, LINK, NOISY_EVENT
from tailorbird.ports.log_writer import ACCEPTED, NOISY
from tailorbird.services.floods import BURST_EVENTS_MAX, EVENTS_PER_SECOND_MAX, Floods
from tailorbird.testing.building import START, workspace_of
from tailorbird.testing.embedded import World, event_draft


def test_a_burst_passes_and_then_so_many_a_second() -> None:
    floods = Floods()
    burst = [floods.is_flood(1, START) for _ in range(BURST_EVENTS_MAX + 5)]
    assert burst == [False] * BURST_EVENTS_MAX + [True] * 5
    later = [floods.is_flood(1, START + MICROSECONDS) for _ in range(EVENTS_PER_SECOND_MAX + 5)]
    assert later == [False] * EVENTS_PER_SECOND_MAX + [True] * 5
    assert not floods.is_flood(2, START + MICROSECONDS)


def test_a_clock_that_goes_back_makes_no_flood() -> None:
    # Found by the simulation, seed 711969: events were counted while the clock was ahead and the
    # disk full; then it went back half a minute, and the next three were "a flood".
    floods = Floods()
    assert not floods.is_flood(1, START + 30 * MICROSECONDS)
    burst = [floods.is_flood(1, START) for _ in range(BURST_EVENTS_MAX + 1)]
    assert burst == [False] * BURST_EVENTS_MAX + [True]


def test_it_equals_a_bucket_that_is_filled_by_hand() -> None:
    rng = random.Random(3)
    floods = Floods(per_second=10, burst=20)
    full, now = dict.fromkeys(range(5), (20.0, START)), START
    for _ in range(20_000):
        now += rng.choice([0, 1, 10_000, 30_000, 100_000, 5 * MICROSECONDS])
        one = rng.randrange(5)
        left, at = full[one]
        left = min(20.0, left + (now - at) * 10 / MICROSECONDS)
        is_flood = left < 1 - 1e-6
        full[one] = (left if is_flood else left - 1, now)
        assert floods.is_flood(one, now) == is_flood


def test_noisy_events_lie_in_the_log_and_change_nothing() -> None:
    world = World({"v1": workspace_of({"busy": "count(ping) >= 1001"})})
    world.publish("v1")
    world.clock.at = START
    drafts = [event_draft("ping", f"m{index}", START, "u") for index in range(1_010)]
    answers = world.add(*drafts)
    assert [one.status for one in answers] == [ACCEPTED] * 1_000 + [NOISY] * 10
    kinds = [one.kind for one in world.log.read(0, 5_000) if one.kind in (EVENT, NOISY_EVENT, LINK)]
    assert kinds == [LINK] + [EVENT] * 1_000 + [NOISY_EVENT] * 10
    world.settle(500)
    assert world.state.members("busy", -1, 10) == []
    again = world.add(*drafts)
    assert {one.status for one in again} == {"duplicate"}
    # Who makes no noise any more counts again.
    world.clock.at += 60 * MICROSECONDS
    world.add(event_draft("ping", "later", world.clock.at, "u"))
    world.settle(500)
    assert [one for one, _ in world.state.members("busy", -1, 10)] == [answers[0].profile_id]


def test_history_and_wishes_to_leave_are_never_noise() -> None:
    world = World({"v1": workspace_of({"all": "count(ping) >= 3000"})})
    world.publish("v1")
    old = [event_draft("ping", f"m{index}", START, "u") for index in range(3_000)]
    for one in old:
        one.is_historical = True
    assert {one.status for one in world.add(*old)} == {ACCEPTED}
    noise = [event_draft("ping", f"n{index}", START, "u") for index in range(1_001)]
    assert world.add(*noise)[-1].status == NOISY
    leave = event_draft("unsubscribed", "leave", START, "u")
    leave.concerns_suppression = True
    assert world.add(leave)[0].status == ACCEPTED
