"""A version that remembers for longer goes live while a merged profile's state is on its way."""

from __future__ import annotations

import pytest

from tailorbird.profiles.state import decode
from tailorbird.testing.building import DAY, HOUR, START, workspace_of
from tailorbird.testing.embedded import World, event_draft

SHORT = workspace_of({"keen": "count(viewed within 2d) >= 3"}, version="short")
LONG = workspace_of({"keen": "count(viewed within 9d) >= 3"}, version="long")
MINUTE = HOUR // 60


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("waits", [HOUR, 1])
@pytest.mark.parametrize("moment", ["before the merge", "in flight", "after the merge"])
def test_each_event_counts_once(moment: str, waits: int, views: int) -> None:
    world = World({"short": SHORT, "long": LONG})
    world.publish("short")
    user = world.add(event_draft("seen", "m0", START, user="ada"))[0].profile_id
    for number in range(views):
        world.clock.at = START + (number + 1) * MINUTE
        world.add(event_draft("viewed", f"v{number}", world.clock.at, anonymous="a"))
    world.settle()
    if moment == "before the merge":
        world.publish("long")
        world.settle()
    world.clock.at = START + HOUR
    world.add(event_draft("identified", "i", world.clock.at, user="ada", anonymous="a"))
    while world.engine.step():
        pass
    # After an hour the winner has stopped waiting; its loser comes all the same.
    world.clock.at += waits
    if moment == "in flight":
        world.publish("long")
        world.add(event_draft("seen", "m1", world.clock.at, user="ada"))
        while world.engine.step():
            pass
    world.settle()
    if moment == "after the merge":
        world.publish("long")
        world.settle()
    state = decode(world.state.profiles([user])[user])
    assert ("keen" in state.segments) == (views == 3)
    assert state.expected == {}
    world.clock.at = START + 5 * DAY
    world.tick()
    world.settle()
    state = decode(world.state.profiles([user])[user])
    assert ("keen" in state.segments) == (views == 3)


def test_each_event_counts_once_where_the_winner_is_merged_away_too() -> None:
    world = World({"short": SHORT, "long": LONG})
    world.publish("short")
    elder = world.add(event_draft("seen", "m0", START, user="ada"))[0].profile_id
    world.add(event_draft("seen", "m1", START, user="bob"))
    world.add(event_draft("viewed", "v0", START, anonymous="a"))
    world.add(event_draft("viewed", "v1", START, anonymous="a"))
    world.settle()
    world.add(event_draft("identified", "i", START, user="bob", anonymous="a"))
    world.add(event_draft("aliased", "x", START, user="ada", previous=("user_id", "bob")))
    world.publish("long")
    world.settle()
    state = decode(world.state.profiles([elder])[elder])
    assert state.expected == {}
    assert "keen" not in state.segments
    world.add(event_draft("viewed", "v2", START, user="bob"))
    world.settle()
    assert "keen" in decode(world.state.profiles([elder])[elder]).segments


def test_what_waits_for_a_merge_while_a_version_goes_live_counts_once() -> None:
    world = World({"short": SHORT, "long": LONG})
    world.publish("short")
    user = world.add(event_draft("seen", "m0", START, user="ada"))[0].profile_id
    world.add(event_draft("viewed", "v0", START, anonymous="a"))
    world.settle()
    world.add(event_draft("identified", "i", START, user="ada", anonymous="a"))
    world.add(event_draft("viewed", "v1", START, user="ada"))
    while world.engine.step():
        pass
    assert decode(world.state.profiles([user])[user]).parked
    world.publish("long")
    world.settle()
    assert "keen" not in decode(world.state.profiles([user])[user]).segments
    world.add(event_draft("viewed", "v2", START, user="ada"))
    world.settle()
    assert "keen" in decode(world.state.profiles([user])[user]).segments
