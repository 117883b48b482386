"""What a step is, what it may look at, and the closed list of what it may find unfit.

Whether an event concerns a step at all is told by the keys of its parts: most events concern four
of the twelve. What is dear to read is read once and kept in a bounded cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, assert_never

from tailorbird.events.event import Event
from tailorbird.events.refusal import Refusal
from tailorbird.events.standardise.plans import NO_PLAN, Finding, Plan

TEXT_LENGTH_MAX = 512  # longer texts are no address, number or name of a country


class Unfit(Enum):
    """Why a value has no standard form; it stays as sent, and the event carries the reason."""

    NOT_TEXT = "not_text"
    BAD_EMAIL = "bad_email"
    BAD_PHONE = "bad_phone"
    PHONE_WITHOUT_COUNTRY = "phone_without_country"
    UNKNOWN_COUNTRY = "unknown_country"
    UNKNOWN_REGION = "unknown_region"
    UNKNOWN_CURRENCY = "unknown_currency"
    BAD_DATE = "bad_date"
    AMBIGUOUS_DATE = "ambiguous_date"
    UNKNOWN_TIME_ZONE = "unknown_time_zone"
    BAD_IP = "bad_ip"


@dataclass(slots=True)
class Surroundings:
    """What the steps need besides the event, and what they note about it.

    `look_up` finds the place of an address (`ports.places`); `ip` is where the request came from,
    None where that says nothing about the person. `timezone` is an IANA name. `sent`, `unfit` and
    `findings` are of one event: whoever takes it through the steps empties them.
    """

    default_country: str = ""
    timezone: str = "UTC"
    look_up: Callable[[str], Mapping[str, Any] | None] | None = None
    plan: Plan = NO_PLAN
    ip: str | None = None
    sent: dict[str, Any] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def replaced(self, place: str, sent: Any) -> None:
        """Keep a value as it was sent, since a standard form stands in its place."""
        self.sent[place] = sent

    def mark(self, place: str, reason: Unfit) -> None:
        """Note that a value has no standard form."""
        self.unfit[place] = reason.value


class Part(Enum):
    """The part of an event that a step looks at."""

    NAME = "name"
    PROPERTIES = "properties"  # traits of identify and group calls
    CONTEXT = "context"
    PLAN = "plan"  # all of it, where there is a plan


# True: the event concerned the step. A refusal ends the way of the event.
Run = Callable[[Event, Surroundings], bool | Refusal]


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `name` is what it is counted and timed under.

    It is asked only where the part of an event holds one of `keys`, or anything where there are no
    keys, and where the call is one of `calls`, or any where there are none. `properties` are names
    of which the event has one as well.
    """

    name: str
    run: Run
    part: Part
    keys: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    properties: frozenset[str] = frozenset()
    needs_places: bool = False

    def may_concern(self, event: Event, at: Surroundings) -> bool:
        """Say by the shape of an event alone whether the step is asked."""
        if self.calls and event.type not in self.calls:
            return False
        if self.needs_places and at.look_up is None:
            return False
        if self.properties and self.properties.isdisjoint(event.properties):
            return False
        match self.part:
            case Part.NAME:
                return event.name in self.keys
            case Part.PROPERTIES:
                return not self.keys.isdisjoint(event.properties)
            case Part.CONTEXT:
                return bool(event.context) and (
                    not self.keys or not self.keys.isdisjoint(event.context)
                )
            case Part.PLAN:
                return at.plan is not NO_PLAN
        assert_never(self.part)
