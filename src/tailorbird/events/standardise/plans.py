"""The tracking plan: what `schema.yaml` demands, types, forbids or watches about an event.

What it only watches is noted as a `Finding` and kept; what it demands, types or forbids refuses the
event. The last of the steps, so that it sees standard values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tailorbird.base.time import parse_micros
from tailorbird.events.event import Event
from tailorbird.events.refusal import Refusal, Rule, excerpt

if TYPE_CHECKING:
    from tailorbird.events.standardise.step import Surroundings


class Demand(Enum):
    """What the plan says of a property."""

    DEMAND = "demand"  # it has to be there, with its type
    TYPE = "type"  # where it is there, it has its type
    FORBID = "forbid"  # it is not there
    WATCH = "watch"  # what does not fit is shown, and kept


@dataclass(frozen=True, slots=True)
class Expected:
    """One property or trait: its name, type (of `TYPES`) and what is demanded of it."""

    name: str
    type: str = "any"
    demand: Demand = Demand.WATCH


@dataclass(frozen=True, kw_only=True)  # no slots: what is derived is kept
class Expectation:
    """The properties of one event. `refuses_unknown`: others than those listed refuse it."""

    properties: tuple[Expected, ...] = ()
    refuses_unknown: bool = False

    @cached_property
    def names(self) -> frozenset[str]:
        """Return the names that are listed."""
        return frozenset(one.name for one in self.properties)

    @cached_property
    def quick(self) -> tuple[tuple[str, tuple[type, ...], Expected], ...]:
        """Return the properties with the types whose values need no further look."""
        return tuple(
            (one.name, () if one.demand is Demand.FORBID else _CLASSES[one.type], one)
            for one in self.properties
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All of a workspace's. `traits` are those of identify calls."""

    events: Mapping[str, Expectation] = field(default_factory=dict)
    traits: Expectation | None = None
    refuses_unknown: bool = False  # track calls of events that are not listed


NO_PLAN = Plan()
# Traits that mean something here, and those that steps put beside: no plan has to list them.
OWN_TRAITS = ("email", "phone", "timezone", "locale", "consent", "country_code", "region_code")


@dataclass(frozen=True, slots=True)
class Finding:
    """A property that was only watched and does not fit, as `revenue: number`."""

    event: str
    place: str
    expected: str


def _is_timestamp(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parse_micros(value if value.isupper() else value.upper())
    except (ValueError, OverflowError):
        return False
    return True


TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: type(value) is str,
    "number": lambda value: type(value) in (int, float),
    "boolean": lambda value: type(value) is bool,
    "timestamp": _is_timestamp,
    "list": lambda value: type(value) is list,
    "object": lambda value: type(value) is dict,
    "any": lambda value: True,
}

_CLASSES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "timestamp": (),
    "list": (list,),
    "object": (dict,),
    "any": (str, int, float, bool, list, dict),
}


def hold_to_plan(event: Event, at: Surroundings) -> bool | Refusal:
    """Refuse what the plan refuses, note what it watches."""
    plan = at.plan
    if event.type == "track":
        expectation = plan.events.get(event.name)
        if expectation is None:
            if not plan.refuses_unknown:
                return False
            detail = f"the event {excerpt(event.name)} is not in the tracking plan"
            return Refusal(Rule.PLAN_UNKNOWN, "event", excerpt(event.name), detail)
        part = "properties"
    elif event.type == "identify" and plan.traits is not None:
        expectation, part = plan.traits, "traits"
    else:
        return False
    properties = event.properties
    for name, classes, expected in expectation.quick:
        value = properties.get(name)
        if value.__class__ in classes and not at.unfit:
            continue
        refusal = _judge(event, expected, part, at)
        if refusal is not None:
            return refusal
    if expectation.refuses_unknown:
        for name in event.properties:
            if name not in expectation.names and (part != "traits" or name not in OWN_TRAITS):
                detail = f"{part}.{excerpt(name)} is not in the tracking plan of {event.name}"
                value = excerpt(event.properties[name])
                return Refusal(Rule.PLAN_UNKNOWN, f"{part}.{excerpt(name)}", value, detail)
    return True


def _judge(event: Event, expected: Expected, part: str, at: Surroundings) -> Refusal | None:
    name, demand = expected.name, expected.demand
    value = event.properties.get(name)
    if value is None:
        # Null says as little as nothing does.
        if demand is Demand.DEMAND:
            detail = f"{event.name} needs {part}.{name}"
            return Refusal(Rule.PLAN_MISSING, f"{part}.{name}", "", detail)
        return None
    if demand is Demand.FORBID:
        detail = f"{event.name} must not carry {part}.{name}"
        # The value stays out of the answer: it is forbidden for a reason.
        return Refusal(Rule.PLAN_FORBIDDEN, f"{part}.{name}", "…", detail)
    reason = at.unfit.get(name)
    if reason is None and TYPES[expected.type](value):
        return None
    if demand is Demand.WATCH:
        at.findings.append(Finding(event.name, f"{part}.{name}", expected.type))
        return None
    fault = "has no standard form: " + reason if reason else f"has to be of type {expected.type}"
    detail = f"{part}.{name} of {event.name} {fault}"
    return Refusal(Rule.PLAN_TYPE, f"{part}.{name}", excerpt(value), detail)
