"""Delivery in memory: a folder's worth of stores, a mail server and a log that do as told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from tailorbird.adapters.memory.control_store import MemoryControlStore
from tailorbird.adapters.memory.ledger import MemoryLedger
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.adapters.memory.suppression_store import MemorySuppressionStore
from tailorbird.events.event import Event, partition_of
from tailorbird.journeys.effects import SendMessage
from tailorbird.ports.event_log import Draft
from tailorbird.ports.ledger import Message
from tailorbird.ports.log_writer import ACCEPTED, DUPLICATE, RETRY, Answer, EventDraft
from tailorbird.ports.mail_sender import (
    Accepted,
    HandOverResult,
    Uncertain,
    Unreachable,
)
from tailorbird.ports.state_store import Commit, OutboxRow, ProfileRow
from tailorbird.profiles.state import Consent, ProfileState, TraitValue
from tailorbird.profiles.state import encode as encode_state
from tailorbird.services.send import Delivery
from tailorbird.testing.building import DAY, HOUR, START, workspace_of
from tailorbird.workspace.definitions import TemplateDefinition, Workspace, WorkspaceSettings

KEY = b"k" * 32
TEMPLATE = TemplateDefinition(
    name="hello",
    subject="Hello {{ traits.name }}",
    preheader="",
    body='<body><p>Hi {{ traits.name | default: "you" }}, {{ traits.city }} '
    '<a href="https://shop.example/">look</a></p>'
    '<p>1 High Street <a href="{{ links.unsubscribe_url }}">leave</a></p></body>',
    body_kind="html",
)
WORKSPACE = replace(
    workspace_of(),
    templates={
        "hello": TEMPLATE,
        "bare": replace(TEMPLATE, name="bare", body="<body>Hi</body>"),
        "endless": replace(
            TEMPLATE, name="endless", body="{% for a in (1..99999) %}x{% endfor %}", text=""
        ),
    },
    settings=WorkspaceSettings(postal_address="1 High Street", from_address="shop@shop.example"),
)


@dataclass
class World:
    """A folder's worth of stores in memory, a mail server and a log that do as told."""

    workspace: Workspace = WORKSPACE
    at: int = START
    states: list[MemoryStateStore] = field(default_factory=lambda: [MemoryStateStore()])
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    suppression: MemorySuppressionStore = field(default_factory=MemorySuppressionStore)
    control: MemoryControlStore = field(default_factory=MemoryControlStore)
    answer: Callable[[str], HandOverResult] = lambda _: Accepted(answer="250 OK")
    mails: list[tuple[str, bytes]] = field(default_factory=list)
    outcomes: dict[int, Event] = field(default_factory=dict)
    is_log_down: bool = False
    in_hand: int = 0
    in_hand_max: int = 0
    checks: int = 0

    def __post_init__(self) -> None:
        self.control.set("live_version", "v1")
        self.delivery = self.opened()

    def opened(self) -> Delivery:
        """The deliver process begins, perhaps again."""
        return Delivery(
            states=self.states,
            ledger=self.ledger,
            suppression=self.suppression,
            control=self.control,
            writer=self,
            sender=self,
            clock=self,
            load_workspace=lambda _: self.workspace,
            live_version=lambda: self.control.get("live_version"),
            token_key=KEY,
        )

    # Clock, sender and log writer.

    def __call__(self) -> int:
        return self.at

    async def hand_over(self, sender: str, recipient: str, message: bytes) -> HandOverResult:
        self.in_hand += 1
        self.in_hand_max = max(self.in_hand, self.in_hand_max)
        await asyncio.sleep(0)
        self.in_hand -= 1
        found = self.answer(recipient)
        if isinstance(found, (Accepted, Uncertain)):
            self.mails.append((recipient, message))
        return found

    async def check(self) -> str | None:
        self.checks += 1
        found = self.answer("")
        return found.reason if isinstance(found, Unreachable) else None

    async def close(self) -> None:
        pass

    async def write(self, events: Sequence[EventDraft]) -> list[Answer]:
        if self.is_log_down:
            return [Answer(RETRY)] * len(events)
        answers = []
        for draft in events:
            answers.append(Answer(DUPLICATE if draft.dedup in self.outcomes else ACCEPTED))
            event = msgspec.msgpack.decode(draft.body, type=Event)
            self.outcomes.setdefault(draft.dedup, event)
        return answers

    async def append(self, drafts: Sequence[Draft]) -> list[Answer]:
        return []

    async def set_now(self, now: int) -> int:
        return now

    # What tests do.

    def now(self) -> Any:
        """The clock's answer; the log writer's is never asked for."""
        return self.at

    def person(self, profile_id: int = 65, *, consent: bool | None = True, **traits: Any) -> int:
        """Store a profile; without traits it has a name and an address."""
        traits = traits or {"name": "Ada", "email": f"Ada{profile_id}@shop.example"}
        state = ProfileState(profile_id, START, START, 1)
        state.traits = {name: TraitValue(value, START, 1) for name, value in traits.items()}
        if consent is not None:
            state.consents = {"offers": Consent(consent, START, 1)}
        self.store(state)
        return profile_id

    def store(self, state: ProfileState) -> None:
        partition = partition_of(state.profile_id)
        row = ProfileRow(state.profile_id, partition, encode_state(state), None)
        self._commit([row], [], partition)

    def wants(self, profile_id: int, effect_id: str, *, offset: int = 1, **changes: Any) -> None:
        """Put a message into the outbox, due now; it arose at `offset` of the log."""
        values = {
            "journey": "welcome",
            "run_key": "r",
            "step": "mail",
            "visit": 1,
            "template": "hello",
            "kind": "marketing",
            "topic": "offers",
            "due_at": self.at,
            "expires_at": self.at + DAY,
            "triggered_at": self.at - HOUR,
            "trigger": {
                "name": "order_completed",
                "message_id": "m",
                "timestamp": self.at - HOUR,
                "properties": {"total": 5},
            },
            "conditions": [],
            "version": "v1",
            **changes,
        }
        effect = SendMessage(effect_id=effect_id, profile_id=profile_id, **values)
        partition = partition_of(profile_id)
        body = msgspec.msgpack.encode(effect)
        row = OutboxRow(0, effect_id, "send", partition, offset, profile_id, body)
        self._commit([], [row], partition)

    def _commit(self, profiles: list[ProfileRow], outbox: list[OutboxRow], partition: int) -> None:
        store = self.states[partition % len(self.states)]
        store.commit(Commit(store.offset() + 1, profiles, [], outbox))

    def works(self, steps: int = 3) -> None:
        """Let the process go on for a few rounds."""

        async def run() -> None:
            for _ in range(steps):
                await self.delivery.step()

        asyncio.run(run())

    def message(self, effect_id: str) -> Message:
        found = self.ledger.message(effect_id)
        assert found is not None
        return found

    def status(self, effect_id: str) -> str:
        return self.message(effect_id).status
