"""Time zones, to the names of the IANA data base."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any
from zoneinfo import available_timezones

from tailorbird.events.event import Event
from tailorbird.events.standardise.step import Surroundings, Unfit
from tailorbird.events.standardise.tables import tables

ZONE = frozenset({"timezone"})
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


# Names found to be standard; there are some six hundred.
_fine: set[str] = set()


def standardise_time_zone(event: Event, at: Surroundings) -> bool:
    """Standardise `timezone` of the context."""
    given = event.context.get("timezone")
    if given is None:
        return False
    if given.__class__ is str and given in _fine:
        return True
    return _standardise(event.context, given, "context.timezone", at)


def standardise_own_time_zone(event: Event, at: Surroundings) -> bool:
    """Standardise the trait `timezone`."""
    given = event.properties.get("timezone")
    if given is None:
        return False
    return _standardise(event.properties, given, "timezone", at)


def _standardise(holder: dict[str, Any], given: Any, place: str, at: Surroundings) -> bool:
    if given == "":
        return False
    found = time_zone(given) if isinstance(given, str) else None
    if found is None:
        at.mark(place, Unfit.UNKNOWN_TIME_ZONE)
    elif found != given:
        at.replaced(place, given)
        holder["timezone"] = found
    else:
        _fine.add(found)
    return True
