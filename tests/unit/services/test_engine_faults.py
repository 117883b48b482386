"""What goes wrong in one profile stays there; what crosses an activation is counted once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.events.event import MERGE_IN, Merge, Record, encode, partition_of
from tailorbird.ports.event_log import Draft
from tailorbird.ports.state_store import Commit
from tailorbird.profiles.state import decode
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.advance import Engine
from tailorbird.services.replay import differences, replay
from tailorbird.testing.building import DAY, SECOND, START, workspace_of
from tailorbird.testing.embedded import World, event_draft

VERSIONS = {
    "v1": workspace_of({"keen": "count(viewed within 2d) >= 2"}),
    "v2": workspace_of(
        {"keen": "count(viewed within 2d) >= 2", "fans": "count(liked) = 2"}, version="v2"
    ),
}


def world_of(*, is_strict: bool = False) -> World:
    world = World(VERSIONS, is_strict=is_strict)
    world.publish("v1")
    world.settle()
    return world


def failing(
    monkeypatch: pytest.MonkeyPatch, method: str, fails: Callable[..., bool]
) -> Callable[[], None]:
    """Let a method of the reducer change the state and then fail."""
    original: Any = getattr(Reducer, method)

    def run(self: Reducer, state: Any, *args: Any) -> Any:
        out = original(self, state, *args)
        if fails(out.state, *args):
            out.state.traits["half"] = None
            raise RuntimeError("a fault of ours")
        return out

    monkeypatch.setattr(Reducer, method, run)
    return lambda: monkeypatch.setattr(Reducer, method, original)


def test_a_bad_record_leaves_its_profile_as_it_was_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of()
    bad = world.log.end() + 5

    def is_bad(state: Any, record: Record) -> bool:
        return record.offset == bad

    failing(monkeypatch, "reduce", is_bad)
    for number in range(6):
        world.add(event_draft("viewed", f"m{number}", START + number, "u"))
    world.add(event_draft("viewed", "other", START, "w"))
    world.settle(batch=100)
    assert [offset for offset, _ in world.state.poisoned(10)] == [bad]
    assert "a fault of ours" in world.state.poisoned(1)[0][1]
    assert world.state.count() == 2
    # The same without that record, so what came before it in the batch was kept.
    user = world.identity.find("user_id", "u")
    assert user is not None
    state = decode(world.state.profiles([user])[user])
    assert "half" not in state.traits
    assert state.segments == {"keen": state.segments["keen"]}
    assert world.state.segment_sizes() == {"keen": 1}


def test_a_deadline_that_fails_is_not_asked_again_at_each_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of()
    first = world.add(event_draft("viewed", "m1", START, "u"))[0].profile_id
    for user in ("u", "w"):
        for number in (2, 3):
            world.add(event_draft("viewed", f"{user}{number}", START, user))
    world.settle()
    assert world.state.segment_sizes() == {"keen": 2}
    world.clock.at += 3 * DAY
    mend = failing(monkeypatch, "fire", lambda state, until: state.profile_id == first)
    world.tick()
    world.settle()
    assert world.state.segment_sizes() == {"keen": 1}
    assert world.state.due_partitions(world.clock.at) == {}
    assert len(world.state.poisoned(10)) == 1
    mend()
    world.add(event_draft("liked", "m9", world.clock.at, "u"))
    world.settle()
    assert world.state.segment_sizes() == {"keen": 0}


def test_in_tests_a_fault_stops_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(is_strict=True)
    failing(monkeypatch, "reduce", lambda state, record: True)
    world.add(event_draft("viewed", "m1", START, "u"))
    with pytest.raises(RuntimeError, match="a fault of ours"):
        world.settle()


class FailingStore(MemoryStateStore):
    """Refuses some commits, as a full disk would."""

    refuses = 0

    def commit(self, commit: Commit) -> None:
        if self.refuses:
            self.refuses -= 1
            raise OSError("disk full")
        super().commit(commit)


def test_a_commit_that_failed_is_done_again_from_the_store() -> None:
    store = FailingStore()
    world = World(VERSIONS, state=store)
    world.publish("v1")
    for number in range(20):
        world.add(event_draft("viewed", f"m{number}", START, f"u{number % 3}"))
    world.publish("v2")
    for _ in range(3):
        store.refuses = 1
        with pytest.raises(OSError, match="disk full"):
            world.settle(50)
    world.settle()
    fresh = MemoryStateStore()
    replay(world.log, [fresh], VERSIONS.__getitem__)
    assert list(differences([store], [fresh])) == []


def test_many_profiles_are_committed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailorbird.services.advance.PROFILES_PER_COMMIT", 3)
    store = CountingStore()
    world = World(VERSIONS, state=store)
    world.publish("v1")
    for number in range(20):
        world.add(event_draft("viewed", f"m{number}", START, f"u{number}"))
    world.publish("v2")
    world.settle(1_000)
    assert max(store.sizes) <= 4
    assert world.state.count() == 20


class CountingStore(MemoryStateStore):
    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def commit(self, commit: Commit) -> None:
        self.sizes.append(len(commit.profiles))
        super().commit(commit)


def test_what_waits_for_a_merge_is_counted_once_by_what_is_new() -> None:
    world = world_of(is_strict=True)
    user = world.add(event_draft("liked", "m1", START, "u"))[0].profile_id
    # A merge whose hand-over has not come yet: what follows is parked.
    merge = Merge("merge", user, user + 64)
    world.appender.write([], [Draft(partition_of(user), MERGE_IN, user, encode(merge))])
    world.add(event_draft("liked", "m2", START, "u"))
    while world.engine.step():
        pass
    assert decode(world.state.profiles([user])[user]).parked
    world.publish("v2")
    while world.engine.step():
        pass
    assert decode(world.state.profiles([user])[user]).parked
    assert world.state.segment_sizes().get("fans", 0) == 0
    world.clock.at += 10 * SECOND
    world.tick()
    world.settle()
    assert not decode(world.state.profiles([user])[user]).parked
    assert world.state.segment_sizes()["fans"] == 1


def test_records_of_other_engines_are_passed_over_once() -> None:
    log = World(VERSIONS).log
    store = MemoryStateStore()
    engine = Engine(log, store, VERSIONS.__getitem__, index=1, engines=2)
    log.append([Draft(0, "event", 64, b"")] * 25_000, START)
    assert engine.step() == 0
    assert engine.step() == 0
    assert store.offset() == 25_000
