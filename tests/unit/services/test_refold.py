"""Making profiles anew from their events: what should be there is there, quietly, once."""

from __future__ import annotations

import pytest

from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.events.event import partition_of
from tailorbird.ports.state_store import SEND, Commit, ProfileRow
from tailorbird.profiles.state import decode, encode
from tailorbird.services.replay import differences, replay
from tailorbird.testing.building import DAY, HOUR, journey, send, wait, workspace_of
from tailorbird.testing.embedded import World, event_draft
from tailorbird.testing.lived import VERSIONS, live_history


def meaning(world: World) -> dict[int, tuple[set[str], dict[str, object], int]]:
    """Return segments, traits and the number of runs of everybody."""
    found = {}
    for partition in range(64):
        ids = world.state.profile_ids(partition, -1, 1_000)
        for one, data in world.state.profiles(ids).items():
            state = decode(data)
            traits = {name: trait.value for name, trait in state.traits.items()}
            found[one] = (set(state.segments), traits, len(state.runs))
    return found


@pytest.mark.parametrize("seed", [4, 5])
def test_a_recomputation_by_the_same_definitions_changes_nothing(seed: int) -> None:
    world = live_history(seed)
    before, mails = meaning(world), len(world.state.outbox(0, 10_000, SEND))
    world.clock.at += HOUR
    world.recompute("v2")
    world.settle()
    assert meaning(world) == before
    assert len(world.state.outbox(0, 10_000, SEND)) == mails
    for engines, batch in ((1, 3), (2, 1_000)):
        stores = [MemoryStateStore() for _ in range(engines)]
        replay(world.log, stores, VERSIONS.__getitem__, batch=batch)
        assert list(differences([world.state], stores)) == []


@pytest.mark.parametrize("whole", [True, False])
def test_what_was_lost_from_a_state_comes_back(whole: bool) -> None:
    world = live_history(6)
    before = meaning(world)
    for partition in range(64):
        ids = world.state.profile_ids(partition, -1, 1_000)
        for one, data in world.state.profiles(ids).items():
            state = decode(data)
            if state.merged_into:
                continue
            state.cells.clear()
            state.traits.clear()
            state.segments.clear()
            row = ProfileRow(one, partition_of(one), encode(state), state.deadline)
            world.state.commit(
                Commit(offset=world.state.offset(), profiles=[row], memberships=[], outbox=[])
            )
    world.engine._reset()
    assert meaning(world) != before
    world.clock.at += HOUR
    if whole:
        world.recompute("v2")
    else:
        for one in before:
            world.refold(one)
    world.settle()
    assert meaning(world) == before


def test_a_refold_between_a_merge_and_its_hand_over_counts_nothing_twice() -> None:
    version = workspace_of(
        {"three": "count(viewed) = 3", "four": "count(viewed) >= 4"},
        journeys=[journey("j", (wait("w", DAY), send("m")), segment="three")],
    )
    world = World({"v1": version})
    world.publish("v1")
    at = world.clock.at
    for number in range(2):
        world.add(event_draft("viewed", f"a{number}", at + number, None, "device"))
    world.add(event_draft("viewed", "u", at + 5, "user"))
    world.settle()
    world.clock.at += HOUR
    world.add(event_draft("identified", "i", world.clock.at, "user", "device"))
    # The winner waits for the loser; the hand-over is in flight.
    while world.engine.step(1):
        pass
    (answer,) = world.add(event_draft("other", "o", world.clock.at, "user"))
    world.refold(answer.profile_id)
    world.settle()
    state = decode(world.state.profiles([answer.profile_id])[answer.profile_id])
    assert set(state.segments) == {"three"}
