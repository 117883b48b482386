"""The engine over a log: the same states at any batch size and any number of engines."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from tailorbird.adapters.memory.event_log import MemoryEventLog
from tailorbird.adapters.memory.identity_store import MemoryIdentityStore
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.adapters.memory.suppression_store import MemorySuppressionStore
from tailorbird.base.hashing import hash64
from tailorbird.events.event import (
    ACTIVATE,
    PARTITIONS,
    TICK,
    Activate,
    Event,
    encode,
    order_of,
)
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import Answer, EventDraft
from tailorbird.ports.state_store import HAND_OVER
from tailorbird.services.advance import Engine
from tailorbird.services.append import Appender
from tailorbird.services.forward import forward_hand_overs
from tailorbird.testing.building import DAY, HOUR, START, journey, send, wait, workspace_of
from tailorbird.workspace.definitions import Workspace

JOURNEYS = (
    journey("welcome", (wait("pause", DAY), send("mail")), event="order_completed"),
    journey("back", (send("mail"),), segment="lapsed"),
)
VERSIONS = {
    "v1": workspace_of(
        {
            "keen": "count(viewed within 2d) >= 2",
            "lapsed": "since(order_completed) > 3d",
            "known": "traits.city = 'Bern'",
        },
        journeys=JOURNEYS,
    ),
    "v2": workspace_of(
        {
            "keen": "count(viewed within 5d) >= 3",
            "buyers": "sum(order_completed.revenue) >= 100",
            "lapsed": "since(order_completed) > 2d",
        },
        journeys=JOURNEYS,
        version="v2",
    ),
}


class StepClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> int:
        return self.at


class World:
    """A log with its writer, and one engine that keeps up with it."""

    def __init__(self, log: MemoryEventLog | None = None) -> None:
        self.clock = StepClock()
        self.log = log or MemoryEventLog()
        self.identity = MemoryIdentityStore()
        self.appender = Appender(
            self.log,
            self.identity,
            MemorySuppressionStore(),
            self.clock,
            lambda event, now: [],
        )
        self.state = MemoryStateStore()
        self.engine = Engine(self.log, self.state, load, is_strict=True)
        self.handed = 0

    async def append(self, drafts: Sequence[Draft]) -> list[Answer]:
        return self.appender.write([], drafts)[1]

    async def write(self, events: Sequence[EventDraft]) -> list[Answer]:
        return self.appender.write(events)[0]

    async def now(self) -> int:
        return self.clock.at

    async def set_now(self, now: int) -> int:
        self.clock.at = now
        return now

    def publish(self, version: str) -> None:
        body = encode(Activate(version, "test"))
        self.appender.write([], [Draft(p, ACTIVATE, 0, body) for p in range(PARTITIONS)])

    def tick(self) -> None:
        due = self.state.due_partitions(self.clock.at)
        self.appender.write([], [Draft(partition, TICK, 0, b"") for partition in sorted(due)])

    def settle(self) -> None:
        while True:
            while self.engine.step(7):
                pass
            self.handed = asyncio.run(forward_hand_overs(self.state, self, self.handed))
            self.engine.forget_outbox(HAND_OVER, self.handed)
            if self.engine.offset == self.log.end():
                return


def load(version: str) -> Workspace:
    return VERSIONS[version]


def draft(
    name: str,
    message_id: str,
    at: int,
    user: str | None,
    anonymous: str | None,
    properties: dict[str, object] | None = None,
) -> EventDraft:
    call = "identify" if name == "identified" else "track"
    event = Event(
        type=call,
        name=name,
        message_id=message_id,
        timestamp=at,
        order=order_of(message_id),
        properties=properties or {},
        user_id=user,
        anonymous_id=anonymous,
    )
    identifiers = [("user_id", user)] if user else []
    identifiers += [("anonymous_id", anonymous)] if anonymous else []
    lane = anonymous or user or ""
    return EventDraft(identifiers, hash64(lane, message_id), encode(event))  # type: ignore[arg-type]


def live_history(seed: int) -> World:
    """Some weeks of a small shop: visitors, users, logins, late and repeated events."""
    rng = random.Random(seed)
    world = World()
    world.publish("v1")
    for number in range(300):
        world.clock.at += rng.randint(1, 2 * HOUR)
        person = rng.randint(0, 9)
        user = f"u{person}" if rng.random() < 0.5 else None
        anonymous = f"a{person}" if user is None or rng.random() < 0.3 else None
        name = rng.choice(["viewed", "viewed", "order_completed", "identified"])
        properties: dict[str, object] = {"revenue": rng.randint(1, 80)}
        if name == "identified":
            properties = {"city": rng.choice(["Bern", "Basel"])}
        at = world.clock.at - rng.choice([0, 0, HOUR, DAY])
        event = draft(name, f"m{number}", at, user, anonymous, properties)
        world.appender.write([event, event] if rng.random() < 0.1 else [event])
        if rng.random() < 0.7:
            world.settle()
        if rng.random() < 0.3:
            world.tick()
        if number == 150:
            world.publish("v2")
    world.clock.at += 30 * DAY
    world.settle()
    world.tick()
    world.settle()
    return world


def states_of(stores: Sequence[MemoryStateStore]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for store in stores:
        for partition in range(PARTITIONS):
            ids = store.profile_ids(partition, -1, 1_000)
            found.update(store.profiles(ids))
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_replay_is_byte_identical_at_any_batch_size_and_number_of_engines(seed: int) -> None:
    world = live_history(seed)
    lived = states_of([world.state])
    effects = {row.effect_id for row in world.state.outbox(0, 10_000)}
    assert len(lived) >= 10
    assert effects
    for engines, batch in ((1, 1), (1, 10), (1, 1_000), (2, 1), (2, 10), (2, 1_000)):
        stores = []
        for index in range(engines):
            store = MemoryStateStore()
            engine = Engine(world.log, store, load, index=index, engines=engines, is_strict=True)
            while engine.step(batch):
                pass
            stores.append(store)
        assert states_of(stores) == lived, (engines, batch)
        again = {row.effect_id for store in stores for row in store.outbox(0, 10_000)}
        assert again == effects


def test_a_changed_segment_counts_its_whole_history_at_once_and_quietly() -> None:
    world = World()
    world.publish("v1")
    for number in range(3):
        world.clock.at += DAY
        event = draft("order_completed", f"m{number}", world.clock.at, "u", None, {"revenue": 40})
        world.appender.write([event])
    world.settle()
    before = len(world.state.outbox(0, 100))
    assert world.state.segment_sizes() == {}
    world.publish("v2")
    world.settle()
    assert world.state.segment_sizes()["buyers"] == 1
    assert len(world.state.outbox(0, 100)) == before


def test_a_repeated_event_is_counted_once_and_answered_honestly() -> None:
    world = World()
    event = draft("viewed", "m1", START, "u", None)
    answers, _ = world.appender.write([event, event])
    again, _ = world.appender.write([event])
    assert [one.status for one in [*answers, *again]] == ["accepted", "duplicate", "duplicate"]
    # After a restart the keys are read back from the log.
    restarted = World(world.log)
    assert restarted.appender.write([event])[0][0].status == "duplicate"


def test_an_anonymous_visitor_and_the_user_become_one_person() -> None:
    world = World()
    world.publish("v1")
    world.appender.write([draft("viewed", "m1", START, None, "a")])
    world.appender.write([draft("viewed", "m2", START, "u", None)])
    world.settle()
    assert world.state.count() == 2
    world.appender.write([draft("identified", "m3", START, "u", "a", {"city": "Bern"})])
    world.settle()
    assert world.state.count() == 1
    assert world.state.segment_sizes() == {"keen": 1, "known": 1}
    assert world.identity.find("user_id", "u") == world.identity.find("anonymous_id", "a")


def test_a_shared_device_goes_over_to_the_user_who_used_it_last() -> None:
    world = World()
    world.appender.write([draft("viewed", "m1", START, "u1", "a")])
    world.appender.write([draft("viewed", "m2", START, "u2", "a")])
    first, second = (world.identity.find("user_id", user) for user in ("u1", "u2"))
    assert first != second
    assert world.identity.find("anonymous_id", "a") == second


def test_one_bad_record_is_kept_aside_and_the_engine_goes_on() -> None:
    world = World()
    world.publish("v1")
    world.engine = Engine(world.log, world.state, load)
    bad = EventDraft([("user_id", "x")], 77, b"\xc1 not msgpack")
    world.appender.write([bad, draft("viewed", "m1", START, "u", None)])
    world.settle()
    assert [offset for offset, _ in world.state.poisoned(10)] == [66]
    assert world.state.count() == 1
