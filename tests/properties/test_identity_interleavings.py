"""One input, many interleavings of writer, two engines and forwarders with kills: one outcome."""

from __future__ import annotations

import asyncio
import os
import random

from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.events.event import EVENT
from tailorbird.ports.log_writer import EventDraft
from tailorbird.profiles.state import decode
from tailorbird.services.advance import Engine
from tailorbird.services.append import Appender
from tailorbird.services.forward import forward_hand_overs
from tailorbird.testing.building import START, branch, journey, send, workspace_of
from tailorbird.testing.embedded import World, changes_of, event_draft

THANKS = journey(
    "thanks",
    (branch("which", "in segment('keen')", (send("for_keen"),), (send("for_new"),)),),
    event="order_completed",
)
WORKSPACE = workspace_of(
    {"keen": "count(viewed within 9d) >= 3", "buyers": "count(order_completed) >= 1"},
    journeys=[THANKS],
)
RUNS = round(200 * float(os.environ.get("TAILORBIRD_EFFORT", "1")))
SEED = int(os.environ.get("TAILORBIRD_SEED", "7"))


def story() -> list[EventDraft]:
    drafts: list[EventDraft] = []
    for number, user in enumerate(("ada", "bob", "cyd")):
        visitor = f"a{number}"
        drafts.append(event_draft("seen", f"s{user}", START, user=user))
        drafts += [event_draft("viewed", f"{user}{n}", START, anonymous=visitor) for n in range(3)]
        drafts.append(event_draft("identified", f"i{user}", START, user, visitor))
        drafts.append(event_draft("order_completed", f"o{user}", START, user))
    drafts.append(event_draft("aliased", "x", START, "ada", previous=("user_id", "cyd")))
    drafts.append(event_draft("identified", "again", START, "bob", "a0", email="b@shop.example"))
    return drafts


class Host:
    """A writer, two engines and their forwarders; each can be killed between any two steps."""

    def __init__(self) -> None:
        self.world = World({"v1": WORKSPACE})
        self.states = [MemoryStateStore(), MemoryStateStore()]
        self.handed = [0, 0]
        self.engines = [self._engine(index) for index in range(2)]
        self.world.publish("v1")

    def _engine(self, index: int) -> Engine:
        return Engine(
            self.world.log,
            self.states[index],
            {"v1": WORKSPACE}.__getitem__,
            index=index,
            engines=2,
            is_strict=True,
        )

    def step(self, index: int, limit: int) -> int:
        return self.engines[index].step(limit)

    def forward(self, index: int, *, is_noted: bool = True) -> None:
        """A forwarder that is killed before it has noted how far it came begins there again."""
        done = asyncio.run(forward_hand_overs(self.states[index], self.world, self.handed[index]))
        if is_noted:
            self.handed[index] = done

    def kill_engine(self, index: int) -> None:
        self.engines[index] = self._engine(index)

    def kill_writer(self) -> None:
        world = self.world
        world.appender = Appender(
            world.log, world.identity, world.suppression, world.clock, changes_of
        )

    def settle(self) -> None:
        while True:
            moved = sum(self.step(index, 100) for index in range(2))
            before = self.world.log.end()
            for index in range(2):
                self.forward(index)
            if not moved and self.world.log.end() == before:
                return

    def outcome(self) -> object:
        people, mails = {}, []
        for store in self.states:
            for partition in range(64):
                for one in store.profile_ids(partition, 0, 100):
                    state = decode(store.profiles([one])[one])
                    people[one] = (
                        state.merged_into,
                        sorted(state.segments),
                        sorted(state.traits),
                        {name: len(found.keys) for name, found in state.started.items()},
                        state.waiting_for,
                        state.parked,
                        state.expected,
                    )
            mails += [(row.profile_id, b"for_keen" in row.body) for row in store.outbox(0, 1_000)]
        events = sum(one.kind == EVENT for one in self.world.log.read(0, 10_000))
        return people, sorted(mails), events


def live(chance: random.Random | None) -> object:
    host, rest = Host(), story()
    while rest:
        if chance is None:
            host.world.add(rest.pop(0))
            host.settle()
            continue
        index, act = chance.randrange(2), chance.randrange(6)
        if act == 0:
            size = chance.randint(1, 4)
            host.world.add(*rest[:size])
            if chance.random() < 0.2:
                host.kill_writer()
                host.world.add(*rest[:size])  # the answer was lost: the client sends again
            rest = rest[size:]
        elif act in (1, 2, 3):
            host.step(index, chance.choice((1, 1, 2, 5, 70)))
        elif act == 4:
            host.forward(index, is_noted=chance.random() < 0.7)
        else:
            host.kill_engine(index)
    host.settle()
    return host.outcome()


def test_every_interleaving_gives_one_outcome() -> None:
    expected = live(None)
    for run in range(RUNS):
        assert live(random.Random(f"{SEED}:{run}")) == expected, f"TAILORBIRD_SEED={SEED}, {run}"
