"""The steps in their order, and one event's way through them."""

from __future__ import annotations

from tailorbird.events.event import Event
from tailorbird.events.refusal import Refusal
from tailorbird.events.standardise.agents import standardise_agent
from tailorbird.events.standardise.commerce import EVENTS, FORMER, standardise_commerce
from tailorbird.events.standardise.countries import COUNTRIES, standardise_country
from tailorbird.events.standardise.currencies import CURRENCIES, standardise_currency
from tailorbird.events.standardise.dates import DATES, INSTANTS, standardise_dates
from tailorbird.events.standardise.emails import standardise_email
from tailorbird.events.standardise.hours import tell_hour
from tailorbird.events.standardise.names import ALIASES, standardise_name
from tailorbird.events.standardise.phones import standardise_phone
from tailorbird.events.standardise.plans import hold_to_plan
from tailorbird.events.standardise.step import Part, Run, Step, Surroundings
from tailorbird.events.standardise.whereabouts import find_place
from tailorbird.events.standardise.zones import (
    ZONE,
    standardise_own_time_zone,
    standardise_time_zone,
)

_TRAITS = frozenset({"identify", "group"})

STEPS: tuple[Step, ...] = (
    Step("name", standardise_name, Part.NAME, frozenset(ALIASES), frozenset({"track"})),
    Step("commerce", standardise_commerce, Part.NAME, EVENTS, frozenset({"track"}), FORMER),
    Step("email", standardise_email, Part.PROPERTIES, frozenset({"email"})),
    Step("country", standardise_country, Part.PROPERTIES, COUNTRIES, _TRAITS),
    Step("phone", standardise_phone, Part.PROPERTIES, frozenset({"phone"})),  # reads the country
    Step("currency", standardise_currency, Part.PROPERTIES, CURRENCIES),
    Step("date", standardise_dates, Part.PROPERTIES, frozenset((*DATES, *INSTANTS)), _TRAITS),
    Step(
        "own_time_zone", standardise_own_time_zone, Part.PROPERTIES, ZONE, frozenset({"identify"})
    ),
    Step("time_zone", standardise_time_zone, Part.CONTEXT, ZONE),
    Step("agent", standardise_agent, Part.CONTEXT, frozenset({"userAgent"})),
    Step("place", find_place, Part.CONTEXT, needs_places=True),
    Step("hour", tell_hour, Part.CONTEXT),  # reads the zones of context and place
    Step("plan", hold_to_plan, Part.PLAN),  # sees standard values
)

Way = tuple[tuple[int, Run], ...]


def way_of(event: Event, at: Surroundings) -> Way:
    """Return the steps that an event may concern, each with its place in `STEPS`.

    Told by call, name, and names of properties and context alone: events alike in these go the
    same way.
    """
    return tuple(
        (number, step.run) for number, step in enumerate(STEPS) if step.may_concern(event, at)
    )


def standardise(event: Event, at: Surroundings) -> Refusal | None:
    """Take one event through all steps, in place.

    What was replaced stays in the event's `as_sent`, what has no standard form in `unfit`.
    """
    for _, run in way_of(event, at):
        found = run(event, at)
        if isinstance(found, Refusal):
            at.sent, at.unfit = {}, {}
            return found
    close(event, at)
    return None


def close(event: Event, at: Surroundings) -> None:
    """Hand over to an event what the steps noted of it, and be ready for the next one."""
    if at.sent:
        event.as_sent = {**at.sent, **(event.as_sent or {})}
        at.sent = {}
    if at.unfit:
        event.unfit, at.unfit = at.unfit, {}
