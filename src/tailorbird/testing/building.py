"""Small worlds for tests and benchmarks: a workspace from texts, and one person fed by hand.

`workspace_of` takes expressions as people write them; `Person` stamps events as the log would and
gives them to a reducer. No files, no stores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tailorbird.base.time import Duration, parse_micros
from tailorbird.events.event import (
    ABSORB,
    EVENT,
    MERGE_IN,
    MERGE_OUT,
    NAME_OF_CALL,
    Absorb,
    Event,
    Merge,
    Record,
    encode,
    order_of,
)
from tailorbird.journeys.effects import SendMessage
from tailorbird.language.parser import parse
from tailorbird.profiles.state import ProfileState
from tailorbird.profiles.state import decode as decode_state
from tailorbird.profiles.state import encode as encode_state
from tailorbird.reducer.effects import Effect, HandOver, MembershipChange
from tailorbird.reducer.reducer import Reducer
from tailorbird.reducer.reduction import Reduction
from tailorbird.workspace.definitions import (
    Branch,
    JourneyDefinition,
    ScoreDefinition,
    ScorePoints,
    SegmentDefinition,
    Send,
    Step,
    Trigger,
    Unless,
    Wait,
    Workspace,
    WorkspaceSettings,
)

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = parse_micros("2026-01-05T09:00:00Z")


def segment(name: str, when: str) -> SegmentDefinition:
    """A segment from its condition."""
    return SegmentDefinition(name=name, title=name, description="", when=parse(when), text=when)


def points(name: str, per_event: Mapping[str, int], half_life_days: int | None) -> ScoreDefinition:
    """A score of points per event."""
    return ScoreDefinition(
        name=name,
        title=name,
        description="",
        points=tuple(
            ScorePoints(event=event, points=count * 10**9) for event, count in per_event.items()
        ),
        half_life=None if half_life_days is None else Duration(micros=half_life_days * DAY),
    )


def wait(step: str, micros: int = 0, *, until_minute: int | None = None) -> Wait:
    """A wait of a span, or until a local minute of the day."""
    duration = None if until_minute is not None else Duration(micros=micros)
    return Wait(id=step, duration=duration, until_minute=until_minute)


def unless(step: str, text: str) -> Unless:
    """End the run if `text` holds."""
    return Unless(id=step, condition=parse(text), text=text)


def branch(
    step: str, text: str, then: tuple[Step, ...] = (), otherwise: tuple[Step, ...] = ()
) -> Branch:
    """Two ways."""
    return Branch(id=step, condition=parse(text), text=text, then=then, otherwise=otherwise)


def journey(
    name: str,
    steps: tuple[Step, ...],
    *,
    event: str | None = None,
    where: str = "",
    segment: str | None = None,
    key: tuple[str, ...] = (),
    reentry: str | Duration = "always",
    leave: str = "",
    when_edited: str = "move",
) -> JourneyDefinition:
    """A journey; `where` and `leave` (its exit) are expressions."""
    return JourneyDefinition(
        name=name,
        title=name,
        description="",
        trigger=Trigger(
            event=event, where=parse(where) if where else None, where_text=where, segment=segment
        ),
        steps=steps,
        key=key,
        reentry=reentry,
        exit=parse(leave) if leave else None,
        exit_text=leave,
        when_edited=when_edited,
    )


def workspace_of(
    segments: Mapping[str, str] | None = None,
    *,
    journeys: Iterable[JourneyDefinition] = (),
    scores: Iterable[ScoreDefinition] = (),
    version: str = "v1",
    timezone: str = "UTC",
    former: Mapping[tuple[str, str], JourneyDefinition] | None = None,
) -> Workspace:
    """A workspace from segment conditions and ready journeys and scores."""
    return Workspace(
        version=version,
        settings=WorkspaceSettings(name="test", timezone=timezone),
        segments={name: segment(name, when) for name, when in (segments or {}).items()},
        journeys={one.name: one for one in journeys},
        scores={one.name: one for one in scores},
        former=former or {},
    )


def send(step: str, template: str = "hello") -> Send:
    """Send a template."""
    return Send(id=step, template=template)


class Person:
    """One profile under a reducer. Times are microseconds after `START`.

    With `is_stored` the state goes through its codec after each record, as on a busy engine.
    """

    def __init__(self, reducer: Reducer, *, profile_id: int = 65, is_stored: bool = False) -> None:
        self.reducer = reducer
        self.profile_id = profile_id
        self.is_stored = is_stored
        self.state: ProfileState | None = None
        self.effects: list[Effect] = []
        self.changes: list[MembershipChange] = []
        self.deadline: int | None = None
        self._count = 0

    @property
    def mails(self) -> list[tuple[str, str, int]]:
        """(journey, step, microseconds after START) of each message asked for."""
        return [
            (effect.journey, effect.step, effect.due_at - START)
            for effect in self.effects
            if isinstance(effect, SendMessage)
        ]

    @property
    def segments(self) -> set[str]:
        """The names of the segments that the person belongs to."""
        return set(self.state.segments) if self.state else set()

    def does(
        self,
        name: str,
        after: int,
        properties: Mapping[str, Any] | None = None,
        *,
        happened: int | None = None,
        message_id: str = "",
        is_historical: bool = False,
    ) -> None:
        """Feed an event received `after` microseconds; `happened` is its timestamp if earlier."""
        self._count += 1
        message_id = message_id or f"{self.profile_id}-{self._count}"
        call = "identify" if name == "identify" else "track"
        event = Event(
            type=call,
            name=NAME_OF_CALL.get(name, name),
            message_id=message_id,
            timestamp=START + (after if happened is None else happened),
            order=order_of(message_id),
            properties=dict(properties or {}),
            is_historical=is_historical,
        )
        self.feed(EVENT, encode(event), after)

    def merges(self, loser: Person, after: int) -> None:
        """Feed the records of a merge to both; the hand-over is left in the loser's effects."""
        merge = Merge(f"m{self._count}-{loser.profile_id}", self.profile_id, loser.profile_id)
        loser.feed(MERGE_OUT, encode(merge), after)
        self.feed(MERGE_IN, encode(merge), after + 1)

    def absorbs(self, loser: Person, after: int) -> None:
        """Feed the hand-over that the loser's effects hold, as an `absorb` record."""
        hand_over = next(one for one in loser.effects if isinstance(one, HandOver))
        body = Absorb(hand_over.merge_id, hand_over.loser_id, hand_over.loser_now, hand_over.state)
        self.feed(ABSORB, encode(body), after)

    def feed(self, kind: str, body: bytes, after: int) -> None:
        """Feed a record stamped `after` microseconds."""
        record = Record(self._count, 1, START + after, kind, self.profile_id, body)
        self._take(self.reducer.reduce(self.state, record))

    def adopts(self, reducer: Reducer, after: int) -> None:
        """Make another version live for this person, after what was due until then."""
        self.lives_until(after - 1)
        if self.state is not None:
            self._take(reducer.activate(self.state, START + after, {}, self.reducer))
        self.reducer = reducer

    def lives_until(self, after: int) -> None:
        """Let time pass: the tick of an idle partition."""
        if self.state is not None:
            self._take(self.reducer.fire(self.state, START + after))

    def _take(self, out: Reduction) -> None:
        self.state = decode_state(encode_state(out.state)) if self.is_stored else out.state
        self.effects += out.effects
        self.changes += out.memberships
        self.deadline = out.deadline
