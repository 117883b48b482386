"""The steps in their order, and one event's way through them."""

from __future__ import annotations

from tailorbird.events.event import Event
from tailorbird.events.refusal import Refusal
from tailorbird.events.standardise.agents import standardise_agent
from tailorbird.events.standardise.countries import standardise_country
from tailorbird.events.standardise.currencies import standardise_currency
from tailorbird.events.standardise.dates import standardise_dates
from tailorbird.events.standardise.emails import standardise_email
from tailorbird.events.standardise.hours import tell_hour
from tailorbird.events.standardise.names import standardise_name
from tailorbird.events.standardise.phones import standardise_phone
from tailorbird.events.standardise.plans import hold_to_plan
from tailorbird.events.standardise.step import Step, Surroundings
from tailorbird.events.standardise.whereabouts import find_place
from tailorbird.events.standardise.zones import standardise_time_zone

STEPS: tuple[Step, ...] = (
    Step("name", standardise_name),
    Step("email", standardise_email),
    Step("country", standardise_country),
    Step("phone", standardise_phone),  # reads the country beside it
    Step("currency", standardise_currency),
    Step("date", standardise_dates),
    Step("time_zone", standardise_time_zone),
    Step("agent", standardise_agent),
    Step("place", find_place),
    Step("hour", tell_hour),  # reads the zones of context and place
    Step("plan", hold_to_plan),
)


def standardise(event: Event, at: Surroundings) -> Refusal | None:
    """Take one event through all steps, in place.

    What was replaced stays in the event's `as_sent`, what has no standard form in `unfit`.
    """
    for step in STEPS:
        found = step.run(event, at)
        if found.__class__ is Refusal:
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
