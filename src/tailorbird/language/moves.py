"""What a person may do or wait for, and a change that is made of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tailorbird.base.time import format_micros
from tailorbird.events.event import Event, order_of
from tailorbird.language import tree
from tailorbird.language.needs import PointsScore
from tailorbird.language.values import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Happens:
    """An event, or a call that sets traits."""

    name: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    sets_traits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Nothing happens until an instant, microseconds UTC."""

    until: int


Move = Happens | Waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What would have to be otherwise; `text` says it in words.

    `wait_until` (microseconds UTC), `events` (name and how many more) and `traits` (name and plain
    value) say it where it is one of these; they are empty where only words can. `moves` is one way
    to live it, in this order; `is_verified` says that who lived it was found to be as wanted.
    """

    text: str
    cost: int
    wait_until: int | None = None
    events: tuple[tuple[str, int], ...] = ()
    traits: tuple[tuple[str, object], ...] = ()
    moves: tuple[Move, ...] = ()
    is_verified: bool = False


class Asked(ABC):
    """A person whose values can be asked at one instant."""

    now: int

    @abstractmethod
    def value(self, node: tree.Node) -> Value:
        """Return the value of a part of the condition."""

    @abstractmethod
    def segment(self, name: str) -> tree.Node | None:
        """Return a segment's condition."""

    @abstractmethod
    def score(self, name: str) -> tree.Node | PointsScore | None:
        """Return a score's definition."""

    @abstractmethod
    def flips_at(self, *, wanted: bool) -> int | None:
        """Return when the condition comes to be as wanted by itself; None where that is unknown."""

    @abstractmethod
    def after(self, moves: Sequence[Move]) -> Asked:
        """Return the same person when they have lived some moves, which leaves this one alone."""

    def is_so(self, node: tree.Node, *, wanted: bool) -> bool:
        """Say whether a condition is as wanted."""
        return (self.value(node) is True) == wanted


def lived(moves: Sequence[Move], now: int) -> tuple[list[Event], int]:
    """Return the events of some moves that begin right after `now`, and the instant they end."""
    events: list[Event] = []
    for one in moves:
        if isinstance(one, Waits):
            now = max(now, one.until)
            continue
        now += 1
        message_id = f"what if {now}"
        event = Event(
            type="identify" if one.sets_traits else "track",
            name="identified" if one.sets_traits else one.name,
            message_id=message_id,
            timestamp=now,
            order=order_of(message_id),
            properties=dict(one.properties),
        )
        events.append(event)
    return events, now


def waiting(at: int, what: str = "waiting until") -> Change:
    """Return the change that comes by itself at an instant."""
    return Change(
        text=f"{what} {format_micros(at)}", cost=0, wait_until=at, moves=(Waits(until=at),)
    )


def together(changes: Sequence[Change], *, waits_first: bool = False) -> Change:
    """Return several changes as one: what happens goes first, or what is waited for."""
    if len(changes) == 1:
        return changes[0]
    waits = [one.wait_until for one in changes if one.wait_until is not None]
    moves = [move for one in changes for move in one.moves]
    moves.sort(key=lambda move: isinstance(move, Waits) != waits_first)
    return Change(
        text="; and ".join(one.text for one in changes),
        cost=sum(one.cost for one in changes),
        wait_until=max(waits, default=None),
        events=tuple(pair for one in changes for pair in one.events),
        traits=tuple(pair for one in changes for pair in one.traits),
        moves=tuple(moves) if all(one.moves for one in changes) else (),
    )


def then(first: Change, second: Change) -> Change:
    """Return a change after another, as it was lived."""
    whole = together((first, second))
    return replace(
        whole,
        text=f"{first.text}; then {second.text}",
        moves=(*first.moves, *second.moves),
        is_verified=second.is_verified,
    )
