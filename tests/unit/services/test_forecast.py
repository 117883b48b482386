"""What is forecast of a change is what applying it gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec
import pytest

from tailorbird.journeys.effects import SendMessage
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.forecast import Forecast, forecast
from tailorbird.testing.building import DAY, HOUR, START, journey, send, wait, workspace_of
from tailorbird.testing.embedded import World, event_draft
from tailorbird.testing.lived import VERSIONS, live_history
from tailorbird.workspace.definitions import Workspace


def forecast_in(world: World, live: Workspace, draft: Workspace) -> Forecast:
    return forecast(world.log, [world.state], Reducer(live), Reducer(draft), world.clock.at)


@pytest.mark.parametrize("seed", range(10))
def test_members_are_those_that_applying_gives(seed: int) -> None:
    world = live_history(seed, begun="v2")
    before = dict(world.state.segment_sizes())
    found = forecast_in(world, VERSIONS["v2"], VERSIONS["v1"])
    assert found.people == world.state.count()
    assert found.waiting == 0

    for name, one in found.segments.items():
        assert one.before == before.get(name, 0)
        assert one.after == one.before + one.entering - one.leaving
    # Nothing was written.
    assert dict(world.state.segment_sizes()) == before

    world.publish("v1")
    world.settle()
    sizes = world.state.segment_sizes()
    assert {name: one.after for name, one in found.segments.items() if one.after} == {
        name: size for name, size in sizes.items() if size
    }


SHOP = {
    "v1": workspace_of(
        {"lapsed": "since(ordered) > 3d"},
        journeys=(
            journey("hello", (wait("pause", DAY), send("mail")), event="ordered"),
            journey("back", (send("mail"),), segment="lapsed"),
        ),
    ),
    "shorter": workspace_of(
        {"lapsed": "since(ordered) > 3d"},
        journeys=(
            journey("hello", (wait("pause", HOUR), send("mail")), event="ordered"),
            journey("back", (send("mail"),), segment="lapsed"),
        ),
        version="shorter",
    ),
    "gone": workspace_of({"lapsed": "since(ordered) > 2d"}, version="gone"),
}


def shop() -> World:
    """Three people: who ordered just now, six hours ago, and a day and an hour ago."""
    world = World(SHOP)
    world.publish("v1")
    for number, hours in enumerate((0, 19, 25)):
        world.clock.at = START + hours * HOUR
        world.add(event_draft("ordered", f"m{number}", world.clock.at, f"u{number}"))
        world.tick()
        world.settle()
    return world


def test_whose_shortened_wait_is_over_is_mailed_at_once() -> None:
    world = shop()
    found = forecast_in(world, SHOP["v1"], SHOP["shorter"])
    inside = found.journeys["hello"]
    # The first has been mailed a day after the order; of the two inside one has waited six hours.
    assert (inside.people, inside.go_on, inside.leave, inside.mailed_at_once) == (2, 1, 0, 1)
    assert found.ahead.messages["hello"].total() == 1


def test_who_is_in_a_journey_that_goes_leaves_it() -> None:
    found = forecast_in(shop(), SHOP["v1"], SHOP["gone"])
    assert (found.journeys["hello"].people, found.journeys["hello"].leave) == (2, 2)
    assert found.ahead.messages == {}


def test_the_coming_days_are_told_for_both() -> None:
    world = shop()
    found = forecast_in(world, SHOP["v1"], SHOP["gone"])
    live, draft = found.ahead_before, found.ahead
    # Everybody lapses within the week, by the draft's shorter span a day sooner.
    assert live.entered["lapsed"].total() == draft.entered["lapsed"].total() == 3
    assert min(draft.entered["lapsed"]) < min(live.entered["lapsed"])
    assert live.messages["back"].total() == 3

    sent = _days_that_follow(world)
    assert sent == {"hello": 2, "back": 3}
    assert sent == {name: days.total() for name, days in live.messages.items()}


def _days_that_follow(world: World) -> Mapping[str, int]:
    known = {row.effect_id for row in world.state.outbox(0, 1_000)}
    world.clock.at += 7 * DAY
    world.tick()
    world.settle()
    return Counter(
        _effect(row.body).journey
        for row in world.state.outbox(0, 1_000)
        if row.effect_id not in known
    )


def _effect(body: bytes) -> SendMessage:
    return msgspec.msgpack.decode(body, type=SendMessage)
