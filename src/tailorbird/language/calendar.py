"""The person's own calendar: local days, hours and anniversaries. UTC windows are not here."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tailorbird.base.numbers import SCALE
from tailorbird.base.time import from_micros, to_micros
from tailorbird.language.accumulators import LOOK_AHEAD, NEVER
from tailorbird.language.values import Moment, Value


@lru_cache(maxsize=1_024)
def zone_of(name: str) -> ZoneInfo:
    """Return a time zone; an unknown name is UTC."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def is_zone(name: str) -> bool:
    """Say whether a name is in the time-zone table."""
    return name == "UTC" or zone_of(name).key != "UTC"


def instant_of(zone: ZoneInfo, local: datetime) -> int:
    """Return the instant of a local time: after the gap where skipped, the first where doubled."""
    moment = local.replace(tzinfo=zone, fold=0)
    at = to_micros(moment)
    back = from_micros(at).astimezone(zone).replace(tzinfo=None)
    if back == local:
        return at
    # A skipped time: find the end of the gap, where the offset changes.
    low, high = at - 86_400_000_000, at + 86_400_000_000
    offset = from_micros(low).astimezone(zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if from_micros(middle).astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def local_of(at: int, timezone: str) -> datetime:
    """Return the local wall time of an instant."""
    return from_micros(at).astimezone(zone_of(timezone))


def part(name: str, at: int, timezone: str) -> Value:
    """`hour weekday month` as scaled numbers (Monday is 1), `date` as text YYYY-MM-DD."""
    local = local_of(at, timezone)
    if name == "hour":
        return local.hour * SCALE
    if name == "weekday":
        return local.isoweekday() * SCALE
    if name == "month":
        return local.month * SCALE
    return local.date().isoformat()


def part_of(name: str, moment: Value, timezone: str) -> Value:
    """`part` of an instant other than now."""
    return part(name, moment, timezone) if isinstance(moment, Moment) else None


def part_breaks(name: str, at: int, timezone: str) -> list[int]:
    """Return the next instants at which `part` changes: a year of months, else the next one.

    The list is filled up to LOOK_AHEAD with its last, which marks it as cut.
    """
    points = []
    for _ in range(13 if name == "month" else 1):
        at = _part_break(name, at, timezone)
        points.append(at)
    return points + [at] * (LOOK_AHEAD - len(points))


def _part_break(name: str, at: int, timezone: str) -> int:
    zone = zone_of(timezone)
    local = local_of(at, timezone).replace(tzinfo=None)
    if name == "hour":
        following = local.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    elif name == "month":
        following = datetime(local.year + local.month // 12, local.month % 12 + 1, 1)  # noqa: DTZ001  # local wall time
    else:
        following = datetime(local.year, local.month, local.day) + timedelta(days=1)  # noqa: DTZ001
    return max(instant_of(zone, following), at + 1)


def anniversary(value: Value, at: int, timezone: str) -> bool:
    """Whether the local day is the day of the year of a date; 29 February is kept on the 28th."""
    day = day_of(value)
    return day is not None and _falls_on(day, local_of(at, timezone).date())


def anniversary_breaks(value: Value, at: int, timezone: str) -> list[int]:
    """Return the next instant at which `anniversary` changes."""
    day = day_of(value)
    if day is None:
        return []
    zone = zone_of(timezone)
    today = local_of(at, timezone).date()
    if _falls_on(day, today):
        return [_midnight(zone, today + timedelta(days=1))]
    for year in (today.year, today.year + 1):
        kept = _kept_in(day, year)
        if kept > today:
            return [_midnight(zone, kept)]
    return [NEVER]


def day_of(value: Value) -> date | None:
    """Read a date from text (`1990-02-28`, also with a time behind it) or an instant."""
    if isinstance(value, Moment):
        return from_micros(value).date()
    if not isinstance(value, str) or len(value) < 10:
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        return None


def _kept_in(day: date, year: int) -> date:
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def _falls_on(day: date, today: date) -> bool:
    return _kept_in(day, today.year) == today


def _midnight(zone: ZoneInfo, day: date) -> int:
    return instant_of(zone, datetime(day.year, day.month, day.day))  # noqa: DTZ001
