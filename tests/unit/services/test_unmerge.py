"""Undoing a merge: two people again, each with what they did, also in a replay."""

from __future__ import annotations

import asyncio

import pytest

from tailorbird.adapters.memory.control_store import MemoryControlStore
from tailorbird.adapters.memory.identity_store import MemoryIdentityStore
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.adapters.memory.suppression_store import MemorySuppressionStore
from tailorbird.delivery.suppression import changes_of
from tailorbird.ports.state_store import SEND
from tailorbird.profiles.state import ProfileState, decode
from tailorbird.services.append import Appender
from tailorbird.services.merges import merge_of
from tailorbird.services.publish import Publisher
from tailorbird.services.replay import differences, replay
from tailorbird.testing.building import HOUR, journey, send, workspace_of
from tailorbird.testing.embedded import World, event_draft

VERSION = workspace_of(
    {
        "three": "count(viewed) >= 3",
        "five": "count(viewed) >= 5",
        "bern": "traits.city = 'Bern'",
    },
    journeys=[journey("j", (send("m"),), segment="three")],
)


@pytest.fixture
def world() -> World:
    """A visitor with three views and a user with two, who became one person."""
    made = World({"v1": VERSION})
    made.publish("v1")
    for number in range(3):
        does(made, "viewed", f"a{number}", None, "device")
    for number in range(2):
        does(made, "viewed", f"u{number}", "user", None)
    does(made, "identified", "both", "user", "device", city="Bern")
    made.settle()
    return made


def does(
    world: World, name: str, message: str, user: str | None, device: str | None, **more: object
) -> None:
    world.clock.at += HOUR
    world.add(event_draft(name, message, world.clock.at, user, device, more))


def person(world: World, kind: str, value: str) -> ProfileState:
    found = world.identity.find(kind, value)
    assert found is not None
    return decode(world.state.profiles([found])[found])


def undo(world: World) -> None:
    first = world.identity.linked("anonymous_id", "device")
    assert first is not None
    undone = merge_of(world.log, world.identity, first)
    assert undone is not None
    world.clock.at += HOUR
    asyncio.run(Publisher(MemoryControlStore(), world).unmerge(undone))


def segments(world: World) -> tuple[set[str], set[str]]:
    visitor, user = person(world, "anonymous_id", "device"), person(world, "user_id", "user")
    return set(visitor.segments), set(user.segments)


def test_each_has_what_they_did_again(world: World) -> None:
    assert person(world, "anonymous_id", "device") == person(world, "user_id", "user")
    assert segments(world)[0] == {"three", "five", "bern"}
    undo(world)
    world.settle()
    assert segments(world) == ({"three"}, {"bern"})
    assert len(world.state.outbox(0, 100, SEND)) == 1
    does(world, "viewed", "u9", "user", None)
    does(world, "viewed", "a9", None, "device")
    world.settle()
    assert segments(world) == ({"three"}, {"three", "bern"})


def test_what_came_after_the_merge_is_told_apart_by_how_it_was_sent(world: World) -> None:
    for number in range(2):
        does(world, "viewed", f"later{number}", None, "device")
    does(world, "viewed", "together", "user", "device")
    undo(world)
    world.settle()
    assert segments(world) == ({"three", "five"}, {"three", "bern"})


def test_sharing_does_not_merge_them_again(world: World) -> None:
    undo(world)
    world.settle()
    for number in range(2):
        does(world, "viewed", f"again{number}", "user", "device")
    world.settle()
    assert segments(world) == ({"three"}, {"three", "bern"})
    assert person(world, "anonymous_id", "device") != person(world, "user_id", "user")


def test_an_alias_makes_them_one_again_and_counts_everything_once(world: World) -> None:
    undo(world)
    world.settle()
    does(world, "viewed", "a9", None, "device")
    world.clock.at += HOUR
    previous = ("anonymous_id", "device")
    world.add(event_draft("aliased", "alias", world.clock.at, "user", previous=previous))
    world.settle()
    both = person(world, "anonymous_id", "device")
    assert both == person(world, "user_id", "user")
    assert set(both.segments) == {"three", "five", "bern"}
    world.clock.at += HOUR
    world.refold(both.profile_id)
    world.settle()
    assert person(world, "user_id", "user").cells == both.cells


@pytest.mark.parametrize("steps", range(1, 9))
def test_an_undoing_meets_a_hand_over_at_any_point(steps: int) -> None:
    world = World({"v1": VERSION})
    world.publish("v1")
    for number in range(3):
        does(world, "viewed", f"a{number}", None, "device")
    does(world, "viewed", "u0", "user", None)
    world.settle()
    does(world, "identified", "both", "user", "device", city="Bern")
    does(world, "viewed", "u1", "user", None)
    for _ in range(steps):
        world.engine.step(1)
    undo(world)
    world.settle()
    assert segments(world) == ({"three"}, {"bern"})
    does(world, "viewed", "u2", "user", None)
    world.settle()
    assert segments(world) == ({"three"}, {"three", "bern"})


def test_a_replay_and_a_new_identity_store_say_the_same(world: World) -> None:
    undo(world)
    world.settle()
    does(world, "viewed", "u9", "user", "device")
    world.settle()
    for engines, batch in ((1, 1), (2, 1_000)):
        stores = [MemoryStateStore() for _ in range(engines)]
        replay(world.log, stores, {"v1": VERSION}.__getitem__, batch=batch)
        assert list(differences([world.state], stores)) == []
    fresh = MemoryIdentityStore()
    Appender(world.log, fresh, MemorySuppressionStore(), world.clock, changes_of)
    for key in (("anonymous_id", "device"), ("user_id", "user")):
        assert fresh.find(*key) == world.identity.find(*key)
