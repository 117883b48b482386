"""The engine over a log: the same states at any batch size and any number of engines."""

from __future__ import annotations

import pytest

from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.ports.event_log import EventLog
from tailorbird.ports.log_writer import EventDraft
from tailorbird.services.replay import differences, replay
from tailorbird.testing.building import DAY, START
from tailorbird.testing.embedded import World, event_draft
from tailorbird.testing.lived import VERSIONS, live_history


def world_of(log: EventLog | None = None, *, is_strict: bool = True) -> World:
    return World(VERSIONS, log=log, is_strict=is_strict)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_replay_is_byte_identical_at_any_batch_size_and_number_of_engines(seed: int) -> None:
    world = live_history(seed)
    effects = {row.effect_id for row in world.state.outbox(0, 10_000)}
    assert world.state.count() >= 10
    assert effects
    for engines, batch in ((1, 1), (1, 10), (1, 1_000), (2, 1), (2, 10), (2, 1_000)):
        stores = [MemoryStateStore() for _ in range(engines)]
        replay(world.log, stores, VERSIONS.__getitem__, batch=batch)
        assert list(differences([world.state], stores)) == [], (engines, batch)
        again = {row.effect_id for store in stores for row in store.outbox(0, 10_000)}
        assert again == effects


def test_a_replay_of_a_part_is_what_was_lived_until_then() -> None:
    world = live_history(4)
    middle = world.log.end() // 2
    stores = [MemoryStateStore(), MemoryStateStore()]
    replay(world.log, stores, VERSIONS.__getitem__, until=middle, batch=3)
    assert max(store.offset() for store in stores) == middle
    assert list(differences([world.state], stores)) != []
    replay(world.log, stores, VERSIONS.__getitem__)
    assert list(differences([world.state], stores)) == []


def test_a_changed_segment_counts_its_whole_history_at_once_and_quietly() -> None:
    world = world_of()
    world.publish("v1")
    for number in range(3):
        world.clock.at += DAY
        event = event_draft(
            "order_completed", f"m{number}", world.clock.at, "u", None, {"revenue": 40}
        )
        world.appender.write([event])
    world.settle()
    before = len(world.state.outbox(0, 100))
    assert world.state.segment_sizes() == {}
    world.publish("v2")
    world.settle()
    assert world.state.segment_sizes()["buyers"] == 1
    assert len(world.state.outbox(0, 100)) == before


def test_a_repeated_event_is_counted_once_and_answered_honestly() -> None:
    world = world_of()
    event = event_draft("viewed", "m1", START, "u", None)
    answers, _ = world.appender.write([event, event])
    again, _ = world.appender.write([event])
    assert [one.status for one in [*answers, *again]] == ["accepted", "duplicate", "duplicate"]
    # After a restart the keys are read back from the log.
    restarted = world_of(world.log)
    assert restarted.appender.write([event])[0][0].status == "duplicate"


def test_an_anonymous_visitor_and_the_user_become_one_person() -> None:
    world = world_of()
    world.publish("v1")
    world.appender.write([event_draft("viewed", "m1", START, None, "a")])
    world.appender.write([event_draft("viewed", "m2", START, "u", None)])
    world.settle()
    assert world.state.count() == 2
    world.appender.write([event_draft("identified", "m3", START, "u", "a", {"city": "Bern"})])
    world.settle()
    assert world.state.count() == 1
    assert world.state.segment_sizes() == {"keen": 1, "known": 1}
    assert world.identity.find("user_id", "u") == world.identity.find("anonymous_id", "a")


def test_a_shared_device_goes_over_to_the_user_who_used_it_last() -> None:
    world = world_of()
    world.appender.write([event_draft("viewed", "m1", START, "u1", "a")])
    world.appender.write([event_draft("viewed", "m2", START, "u2", "a")])
    first, second = (world.identity.find("user_id", user) for user in ("u1", "u2"))
    assert first != second
    assert world.identity.find("anonymous_id", "a") == second


def test_one_bad_record_is_kept_aside_and_the_engine_goes_on() -> None:
    world = world_of(is_strict=False)
    world.publish("v1")
    bad = EventDraft([("user_id", "x")], 77, b"\xc1 not msgpack")
    world.appender.write([bad, event_draft("viewed", "m1", START, "u", None)])
    world.settle()
    assert [offset for offset, _ in world.state.poisoned(10)] == [66]
    assert world.state.count() == 1
