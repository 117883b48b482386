"""The local hour and time of day at which it happened: `context.local`."""

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
def _local(zone: str, quarter: int) -> dict[str, Any] | None:
    """Return what goes into contexts, shared by all events of a quarter of an hour."""
    try:
        local = from_micros(quarter * _QUARTER).astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError, OverflowError):
        return None
    return {"hour": local.hour, "time_of_day": time_of_day(local)}


def tell_hour(event: Event, at: Surroundings) -> bool:
    """Tell the hour by the context's zone, else its place's, else the workspace's.

    Only where there is a context: one of ours alone would hide the one that the person has.
    """
    context = event.context
    zone: Any = context.get("timezone")
    if zone is None:
        place = context.get("geo")
        zone = place.get("timezone") if isinstance(place, dict) else None
    if zone.__class__ is not str or len(zone) > _ZONE_LENGTH_MAX:
        zone = at.timezone
    quarter = event.timestamp // _QUARTER
    found = _local(zone, quarter) or _local(at.timezone, quarter)
    if found is None:
        return False
    context["local"] = found
    return True
