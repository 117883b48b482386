"""What was seen of events and their properties, whether anybody planned for it or not.

Kept in memory and written to the control store now and then, as what was added since.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from tailorbird.base.time import format_micros
from tailorbird.events.event import Event
from tailorbird.events.standardise.plans import NO_PLAN, TYPES, Finding, Plan
from tailorbird.ports.control_store import ControlStore
from tailorbird.workspace.additions import plan_additions

LEARNED = "learned"  # the name of the value in the control store
EVENTS_MAX = 300
PROPERTIES_MAX = 100  # of one event
NAME_LENGTH_MAX = 200
PLANNED, UNKNOWN = "planned", "unknown"  # what the plan says; of a property its rule


class Property(TypedDict):
    """A property as it was seen: its types, and how often one that was watched did not fit."""

    types: list[str]
    unfitting: int


class Seen(TypedDict):
    """An event as it was seen; instants are microseconds UTC, by the senders' clocks."""

    count: int
    first_at: int
    last_at: int
    properties: dict[str, Property]


class Learned:
    """Knows which events and properties come; bounded.

    `gather` is called before anything is shown or kept: who counts hands over what it counted.
    """

    def __init__(self, control: ControlStore) -> None:
        self._control = control
        self._plan: Plan = NO_PLAN
        self._fresh: dict[str, Seen] = {}
        self.gather: Callable[[], None] = lambda: None

    def expect(self, plan: Plan) -> None:
        """Hold what is seen against this plan from now on."""
        self._plan = plan

    def add(self, name: str, count: int, first_at: int, last_at: int) -> None:
        """Count so many events of a name."""
        seen = self._event(name)
        if seen is not None:
            _add(seen, count, first_at, last_at)

    def look(self, event: Event) -> None:
        """Learn the names and types of an event's properties."""
        for key, value in event.properties.items():
            found = self._property(event.name, key)
            if found is not None and value is not None:
                kind = _type_of(value)
                if kind not in found["types"]:
                    found["types"].append(kind)

    def note(self, findings: Sequence[Finding]) -> None:
        """Count properties that are watched and do not fit."""
        for one in findings:
            found = self._property(one.event, one.place.partition(".")[2])
            if found is not None:
                found["unfitting"] += 1

    def flush(self) -> None:
        """Write what was added since the last time."""
        self.gather()
        if not self._fresh:
            return
        stored = self._stored()
        for name, fresh in self._fresh.items():
            if name in stored or len(stored) < EVENTS_MAX:
                _join(stored.setdefault(name, _nothing()), fresh)
        self._control.set(LEARNED, json.dumps(stored))
        self._fresh = {}

    def shown(self) -> dict[str, Any]:
        """Return what was learned, for people: unexpected things first."""
        self.flush()
        events = [self._shown(name, seen) for name, seen in sorted(self._stored().items())]
        events.sort(key=lambda one: (one["is_expected"], one["event"]))
        return {"events": events, "schema": plan_additions(events)}

    def _shown(self, name: str, seen: Seen) -> dict[str, Any]:
        expectation = self._plan.traits if name == "identified" else self._plan.events.get(name)
        names = expectation.names if expectation is not None else frozenset()
        demands = (
            {one.name: one.demand.value for one in expectation.properties}
            if (expectation is not None)
            else {}
        )
        properties = [
            {
                "name": key,
                "is_expected": key in names,
                "plan": demands.get(key, UNKNOWN),
                **found,
            }
            for key, found in sorted(seen["properties"].items())
        ]
        properties.sort(key=lambda one: bool(one["is_expected"]))
        return {
            "event": name,
            "is_expected": expectation is not None,
            "plan": UNKNOWN if expectation is None else PLANNED,
            "count": seen["count"],
            "first_at": format_micros(seen["first_at"]),
            "last_at": format_micros(seen["last_at"]),
            "properties": properties,
        }

    def _event(self, name: str) -> Seen | None:
        seen = self._fresh.get(name)
        if seen is None and len(self._fresh) < EVENTS_MAX and len(name) <= NAME_LENGTH_MAX:
            seen = self._fresh[name] = _nothing()
        return seen

    def _property(self, event: str, key: str) -> Property | None:
        seen = self._event(event)
        if seen is None:
            return None
        found = seen["properties"].get(key)
        if len(key) > NAME_LENGTH_MAX:
            return None
        if found is None and len(seen["properties"]) < PROPERTIES_MAX:
            found = seen["properties"][key] = {"types": [], "unfitting": 0}
        return found

    def _stored(self) -> dict[str, Seen]:
        stored: dict[str, Seen] = json.loads(self._control.get(LEARNED) or "{}")
        return stored


def _nothing() -> Seen:
    return {"count": 0, "first_at": 0, "last_at": 0, "properties": {}}


def _add(seen: Seen, count: int, first_at: int, last_at: int) -> None:
    seen["first_at"] = min(seen["first_at"], first_at) if seen["count"] else first_at
    seen["last_at"] = max(seen["last_at"], last_at) if seen["count"] else last_at
    seen["count"] += count


def _join(stored: Seen, fresh: Seen) -> None:
    if fresh["count"]:
        _add(stored, fresh["count"], fresh["first_at"], fresh["last_at"])
    for key, one in fresh["properties"].items():
        known = stored["properties"].get(key)
        if known is not None:
            known["types"] = sorted({*known["types"], *one["types"]})
            known["unfitting"] += one["unfitting"]
        elif len(stored["properties"]) < PROPERTIES_MAX:
            stored["properties"][key] = one


def _type_of(value: Any) -> str:
    kinds = ("boolean", "number", "timestamp", "string", "list", "object")
    return next((kind for kind in kinds if TYPES[kind](value)), "any")
