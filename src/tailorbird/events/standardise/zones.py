"""Time zones, to the names of the IANA data base."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any
from zoneinfo import available_timezones

from tailorbird.events.event import Event
from tailorbird.events.standardise.step import Surroundings, Unfit
from tailorbird.events.standardise.tables import tables

_LENGTH_MAX = 64
_OFFSET = re.compile(r"(?:UTC|GMT)?\s?([+-])(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)


def time_zone(text: str) -> str | None:
    """Return the IANA name of a time zone, None where the text names none.

    Takes IANA names in any case, older names, those of Windows, and offsets in whole hours.

    Example:
        >>> time_zone("europe/zurich"), time_zone("US/Pacific"), time_zone("UTC+2")
        ('Europe/Zurich', 'America/Los_Angeles', 'Etc/GMT-2')
        >>> time_zone("W. Europe Standard Time"), time_zone("Middle Earth")
        ('Europe/Berlin', None)
    """
    return _time_zone(text.strip().replace(" ", "_")) if len(text) <= _LENGTH_MAX else None


@lru_cache(maxsize=2_048)
def _time_zone(text: str) -> str | None:
    lower = text.lower()
    if found := tables().zones.get(lower) or _known().get(lower):
        return found
    match = _OFFSET.fullmatch(text.replace("_", " "))
    if match is None:
        return None
    hours = int(match[2])
    if hours == 0 and not int(match[3] or 0):
        return "UTC"
    # POSIX counts westwards: Etc/GMT-2 is two hours ahead of UTC.
    name = f"Etc/GMT{'-' if match[1] == '+' else '+'}{hours}"
    return None if int(match[3] or 0) else _known().get(name.lower())


@cache
def _known() -> dict[str, str]:
    return {name.lower(): name for name in sorted(available_timezones())}


def standardise_time_zone(event: Event, at: Surroundings) -> bool:
    """Standardise `timezone` of the context and of traits."""
    context = event.context
    is_concerned = bool(context) and "timezone" in context and _one(context, "context.", at)
    if event.type == "identify" and "timezone" in event.properties:
        is_concerned |= _one(event.properties, "", at)
    return is_concerned


def _one(holder: dict[str, Any], place: str, at: Surroundings) -> bool:
    given = holder["timezone"]
    if given is None or given == "":
        return False
    found = time_zone(given) if isinstance(given, str) else None
    if found is None:
        at.mark(f"{place}timezone", Unfit.UNKNOWN_TIME_ZONE)
    elif found != given:
        at.replaced(f"{place}timezone", given)
        holder["timezone"] = found
    return True
