"""One profile fed with one event after the other through the compiled form.

What the reducer does for every profile, without a log, a store or anything but one expression.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from tailorbird.events.event import written_traits
from tailorbird.language import tree
from tailorbird.language.accumulators import Cells
from tailorbird.language.calendar import is_zone
from tailorbird.language.oracle import Known, Person
from tailorbird.language.program import Program, View
from tailorbird.language.values import Value

_WAKE_UPS_MAX = 1_000_000


class Stream:
    """A profile that is fed one event after the other."""

    def __init__(self, node: tree.Node, person: Person) -> None:
        lists = {name: tuple(items) for name, items in person.lists.items()}
        self._program = Program(
            {"answer": node},
            segments=person.segments,
            scores=person.scores,
            lists=lists,
            interests=person.interests,
        )
        self._person = person
        self._cells: Cells = {}
        self._traits: dict[str, tuple[tuple[int, int], Any]] = {}
        self._context: tuple[tuple[int, int], Mapping[str, Any]] | None = None
        self._value: Value = None
        self._flip: int | None = None

    def feed(self, known: Known, now: int) -> None:
        """Take an event in."""
        self.note(known)
        self._program.add(self._cells, known.event, now)

    def note(self, known: Known) -> None:
        """Take in what an event says of traits and context."""
        event = known.event
        place = (event.timestamp, event.order)
        for name, value in written_traits(event).items():
            if name not in self._traits or self._traits[name][0] < place:
                self._traits[name] = (place, value)
        if event.context and (self._context is None or self._context[0] < place):
            self._context = (place, event.context)

    def ask(self, now: int) -> tuple[Value, int | None]:
        """Return the value at `now` and the first instant at which it may differ."""
        return self._program.evaluate("answer", self.view(), now)

    def view(self) -> View:
        """Return the profile as expressions see it."""
        person = self._person
        traits = {**person.traits, **{name: value for name, (_, value) in self._traits.items()}}
        own = traits.get("timezone")
        return View(
            cells=self._cells,
            traits=traits,
            context=person.context if self._context is None else self._context[1],
            event=person.event,
            timezone=own if isinstance(own, str) and is_zone(own) else person.timezone,
            predictions=person.predictions,
        )

    def changes(self, history: Sequence[Known], begin: int, end: int) -> Iterator[int]:
        """Yield the instants of change from `begin` to `end`."""
        self._value, self._flip = self.ask(begin - 1)
        for now, group in groupby(history, key=lambda known: known.known_at):
            # A deadline equal to a record's now is settled with the record included.
            yield from self._wake_ups(now)
            for known in group:
                self.feed(known, now)
            if self._is_changed(now):
                yield now
        yield from self._wake_ups(end + 1)

    def _wake_ups(self, before: int) -> Iterator[int]:
        """Follow the announced deadlines before an instant; yield those that change the value."""
        for _ in range(_WAKE_UPS_MAX):
            now = self._flip
            if now is None or now >= before:
                return
            if self._is_changed(now):
                yield now
        raise RuntimeError(f"more than {_WAKE_UPS_MAX:,} deadlines between two records")

    def _is_changed(self, now: int) -> bool:
        known = self._value
        self._value, self._flip = self.ask(now)
        return type(known) is not type(self._value) or known != self._value
