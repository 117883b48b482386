"""Spans of time and times of day as they are written in definitions: `3d`, `09:00`."""

from __future__ import annotations

import re

from tailorbird.base.time import MICROSECONDS, Duration

_DURATION = re.compile(r"(\d{1,6})(s|m|h|d|w|mo|y)")
_TIME = re.compile(r"(\d{1,2}):(\d{2})")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_MONTHS = {"mo": 1, "y": 12}


def parse_duration(text: str) -> Duration:
    """Read a span such as `30s 15m 24h 7d 2w 6mo 1y`.

    Raises:
        ValueError: the text is no such span, or it is zero.

    Example:
        >>> parse_duration("24h")
        Duration(months=0, micros=86400000000)
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"`{text}` is not a span of time")
    count, unit = int(found[1]), found[2]
    if count == 0:
        raise ValueError(f"`{text}` is no time at all")
    if unit in _MONTHS:
        return Duration(months=count * _MONTHS[unit])
    return Duration(micros=count * _SECONDS[unit] * MICROSECONDS)


def format_duration(duration: Duration) -> str:
    """Write a span in its largest whole unit."""
    if duration.months:
        years, months = divmod(duration.months, 12)
        return f"{duration.months}mo" if months else f"{years}y"
    seconds = duration.micros // MICROSECONDS
    for unit in ("w", "d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


def parse_time_of_day(text: str) -> int:
    """Read a local time such as `09:00` as minutes after midnight, 0 to 1439.

    Raises:
        ValueError: the text is no such time.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        raise ValueError(f"`{text}` is not a time of day")
    return int(found[1]) * 60 + int(found[2])
