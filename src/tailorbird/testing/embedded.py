"""The embedded host in memory: a log with its writer, an engine that keeps up, a clock to move."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from tailorbird.adapters.memory.event_log import MemoryEventLog
from tailorbird.adapters.memory.identity_store import MemoryIdentityStore
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.adapters.memory.suppression_store import MemorySuppressionStore
from tailorbird.base.hashing import hash64
from tailorbird.delivery.suppression import NAMES, changes_of
from tailorbird.events.event import (
    ACTIVATE,
    PARTITIONS,
    REFOLD,
    TICK,
    Activate,
    Event,
    Refold,
    encode,
    order_of,
    partition_of,
)
from tailorbird.ports.event_log import Draft, EventLog
from tailorbird.ports.log_writer import Answer, EventDraft
from tailorbird.ports.state_store import HAND_OVER, StateStore
from tailorbird.services.advance import Engine
from tailorbird.services.append import Appender
from tailorbird.services.forward import forward_hand_overs
from tailorbird.testing.building import START
from tailorbird.workspace.definitions import Workspace


class MovedClock:
    """A clock that stands still until the test moves it."""

    def __init__(self, at: int = START) -> None:
        self.at = at

    def now(self) -> int:
        """Return the instant."""
        return self.at

    def set_now(self, now: int) -> int:
        """Move it anywhere, back too."""
        self.at = now
        return now


class World:
    """A log writer (`ports.log_writer.LogWriter`) and one engine with state in memory."""

    def __init__(
        self,
        versions: Mapping[str, Workspace],
        *,
        log: EventLog | None = None,
        state: StateStore | None = None,
        is_strict: bool = True,
    ) -> None:
        self.clock = MovedClock()
        self.log: EventLog = MemoryEventLog() if log is None else log
        self.identity = MemoryIdentityStore()
        self.suppression = MemorySuppressionStore()
        self.appender = Appender(self.log, self.identity, self.suppression, self.clock, changes_of)
        self.state: StateStore = MemoryStateStore() if state is None else state
        self.engine = Engine(self.log, self.state, versions.__getitem__, is_strict=is_strict)
        self.handed = 0

    async def append(self, drafts: Sequence[Draft]) -> list[Answer]:
        """Append ready records."""
        return self.appender.write([], drafts)[1]

    async def write(self, events: Sequence[EventDraft]) -> list[Answer]:
        """Append events."""
        return self.appender.write(events)[0]

    async def now(self) -> int:
        """Return the instant."""
        return self.clock.at

    async def set_now(self, now: int) -> int:
        """Move the clock."""
        return self.clock.set_now(now)

    def add(self, *events: EventDraft) -> list[Answer]:
        """Append events in one commit."""
        return self.appender.write(events)[0]

    def publish(self, version: str) -> None:
        """Make a version live in all partitions."""
        body = encode(Activate(version, "test"))
        self.appender.write([], [Draft(p, ACTIVATE, 0, body) for p in range(PARTITIONS)])

    def recompute(self, version: str) -> None:
        """Make all profiles anew by a live version."""
        body = encode(Activate(version, "test", is_recompute=True))
        self.appender.write([], [Draft(p, ACTIVATE, 0, body) for p in range(PARTITIONS)])

    def refold(self, profile_id: int) -> None:
        """Make one profile anew."""
        draft = Draft(partition_of(profile_id), REFOLD, profile_id, encode(Refold("test")))
        self.appender.write([], [draft])

    def tick(self) -> None:
        """Append the ticks that are due."""
        due = self.state.due_partitions(self.clock.at)
        self.appender.write([], [Draft(partition, TICK, 0, b"") for partition in sorted(due)])

    def settle(self, batch: int = 7) -> None:
        """Let the engine and the forwarder do all that is to be done now."""
        while True:
            while self.engine.step(batch):
                pass
            self.handed = asyncio.run(forward_hand_overs(self.state, self, self.handed))
            self.engine.forget_outbox(HAND_OVER, self.handed)
            if self.engine.offset == self.log.end():
                return


def event_draft(
    name: str,
    message_id: str,
    at: int,
    user: str | None = None,
    anonymous: str | None = None,
    properties: Mapping[str, object] | None = None,
    *,
    email: str | None = None,
    previous: tuple[str, str] | None = None,
    unfit: dict[str, str] | None = None,
) -> EventDraft:
    """Return an event on its way to the log; `identified` is an identify call."""
    event = Event(
        type="identify" if name == "identified" else "track",
        name=name,
        message_id=message_id,
        timestamp=at,
        order=order_of(message_id),
        properties=dict(properties or {}),
        user_id=user,
        anonymous_id=anonymous,
        unfit=unfit,
    )
    given = (("user_id", user), ("anonymous_id", anonymous), ("email", email))
    return EventDraft(
        identifiers=[(kind, value) for kind, value in given if value is not None],
        dedup=hash64(anonymous or user or "", message_id),
        body=encode(event),
        previous=[] if previous is None else [previous],
        concerns_suppression=name in NAMES,
    )
