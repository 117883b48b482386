"""The local time of day at which it happened: `context.local_hour` and `context.time_of_day`."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from tailorbird.base.time import MICROSECONDS, from_micros
from tailorbird.events.event import Event
from tailorbird.events.standardise.step import Surroundings

# All zones of today, and nearly all of former times, differ by quarters of an hour.
_QUARTER = 15 * 60 * MICROSECONDS
_ZONE_LENGTH_MAX = 64
_PARTS = ((5, "night"), (12, "morning"), (17, "afternoon"), (22, "evening"), (24, "night"))


def time_of_day(at: datetime) -> str:
    """Return `morning` (from 5), `afternoon` (12), `evening` (17) or `night` (22) of a local time.

    Example:
        >>> time_of_day(datetime(2026, 1, 31, 11, 59)), time_of_day(datetime(2026, 1, 31, 4, 59))
        ('morning', 'night')
    """
    return next(part for until, part in _PARTS if at.hour < until)


@lru_cache(maxsize=4_096)
def _hour(zone: str, quarter: int) -> tuple[int, str] | None:
    try:
        local = from_micros(quarter * _QUARTER).astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError, OverflowError):
        return None
    return local.hour, time_of_day(local)


def tell_hour(event: Event, at: Surroundings) -> bool:
    """Tell the hour by the context's zone, else its place's, else the workspace's."""
    context = event.context
    if not context:
        return False  # a context of ours alone would hide the one that the person has
    zone: Any = context.get("timezone")
    if zone is None:
        place = context.get("geo")
        zone = place.get("timezone") if type(place) is dict else None
    if type(zone) is not str or len(zone) > _ZONE_LENGTH_MAX:
        zone = at.timezone
    found = _hour(zone, event.timestamp // _QUARTER)
    if found is None:
        found = _hour(at.timezone, event.timestamp // _QUARTER)
        if found is None:
            return False
    context["local_hour"], context["time_of_day"] = found
    return True
