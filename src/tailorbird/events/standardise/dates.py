"""Dates and instants as people and programs write them, to ISO 8601."""

from __future__ import annotations

import datetime
import re
from functools import lru_cache
from typing import Any

from tailorbird.base.time import MICROSECONDS, format_micros, parse_micros, to_micros
from tailorbird.events.event import Event
from tailorbird.events.standardise.step import Surroundings, Unfit

DATES = ("birthday", "birth_date", "date_of_birth")
INSTANTS = ("createdAt", "created_at")
_LENGTH_MAX = 64
_NUMBERS = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})")
_WITH_MONTH = re.compile(
    r"(?:(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?[ -](?P<month>[a-z]{3,9})\.?,?[ -](?P<year>\d{4})"
    r"|(?P<month2>[a-z]{3,9})\.? (?P<day2>\d{1,2})(?:st|nd|rd|th)?,? (?P<year2>\d{4}))"
)
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
# Seconds since 1970 of the years 1973 to 2286 have 9 or 10 digits; more digits: milliseconds, and
# so on. Shorter numbers are no instants.
_SCALES = ((10**11, MICROSECONDS), (10**14, 1_000), (10**17, 1))


def date(text: str) -> str | None:
    """Return a date as YYYY-MM-DD, None where the text is none or can be read in two ways.

    Example:
        >>> date("31.01.1990"), date("Jan 31, 1990"), date("1990-01-31T00:00:00Z")
        ('1990-01-31', '1990-01-31', '1990-01-31')
        >>> date("31/01/1990"), date("01/31/1990"), date("02/01/1990")
        ('1990-01-31', '1990-01-31', None)
    """
    found = _date(text.strip()) if len(text) <= _LENGTH_MAX else None
    return found if isinstance(found, str) else None


def instant(value: str | int | float) -> str | None:
    """Return an instant as RFC 3339 in UTC, None where the value is none.

    Takes ISO 8601, RFC 5322 (mail), dates, and seconds, milliseconds or microseconds since 1970 as
    numbers or digits. What names no zone is UTC.

    Example:
        >>> instant("2026-01-31T11:00:00+01:00"), instant(1769853600), instant("1769853600000")
        ('2026-01-31T10:00:00Z', '2026-01-31T10:00:00Z', '2026-01-31T10:00:00Z')
    """
    if isinstance(value, str):
        return _instant(value.strip()) if len(value) <= _LENGTH_MAX else None
    return None if isinstance(value, bool) else _of_number(value)


def _of_number(value: int | float) -> str | None:
    if not value >= 10**8:
        return None
    for limit, factor in _SCALES:
        if value < limit:
            try:
                return format_micros(round(value * factor))
            except OverflowError:
                return None
    return None


@lru_cache(maxsize=4_096)
def _instant(text: str) -> str | None:
    if text.isdecimal() and text.isascii() and len(text) != 8:
        return _of_number(int(text))
    upper = text if text.isupper() else text.upper()
    # Ruby, BigQuery and others write `2026-01-31 10:00:00 UTC`.
    plain = f"{upper[:-4]}Z" if upper.endswith((" UTC", " GMT")) else upper
    try:
        return format_micros(parse_micros(plain))
    except OverflowError:
        return None  # in another year than there are
    except ValueError:
        pass
    if found := _date(text):
        return f"{found}T00:00:00Z" if isinstance(found, str) else None
    # Imported when a date of a mail comes, or what is no date at all.
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    try:
        return format_micros(to_micros(moment)) if moment.tzinfo else None
    except OverflowError:
        return None


@lru_cache(maxsize=4_096)
def _date(text: str) -> str | Unfit | None:
    """Return the date, `AMBIGUOUS_DATE` where there are two, None where there is none."""
    if match := _NUMBERS.fullmatch(text):
        return _of_numbers(match[1], match[2], match[3], match[4])
    if match := _WITH_MONTH.fullmatch(text.lower()):
        month = match["month"] or match["month2"]
        numbers = [
            index
            for index, name in enumerate(_MONTHS, 1)
            if name.startswith(month) or month == f"{name[:3]}t"
        ]
        year, day = match["year"] or match["year2"], match["day"] or match["day2"]
        return _made(int(year), numbers[0], int(day)) if len(numbers) == 1 else None
    try:
        return datetime.datetime.fromisoformat(text.upper()).date().isoformat()
    except ValueError:
        return None


def _of_numbers(first: str, mark: str, middle: str, last: str) -> str | Unfit | None:
    if len(first) == 4 and len(last) <= 2:
        return _made(int(first), int(middle), int(last))
    if len(last) != 4 or len(first) > 2:
        return None
    one, other, year = int(first), int(middle), int(last)
    # With points the day comes first everywhere; with strokes it depends on who writes.
    if mark == "." or one == other:
        return _made(year, other, one)
    found = [made for made in (_made(year, other, one), _made(year, one, other)) if made]
    return Unfit.AMBIGUOUS_DATE if len(found) == 2 else next(iter(found), None)


def _made(year: int, month: int, day: int) -> str | None:
    try:
        return datetime.date(year, month, day).isoformat()
    except ValueError:
        return None


def standardise_dates(event: Event, at: Surroundings) -> bool:
    """Standardise birthdays (dates) and `created_at` (instants) of traits."""
    traits = event.properties
    found = [_standardise(traits, key, at) for key in (*DATES, *INSTANTS) if key in traits]
    return any(found)


def _standardise(traits: dict[str, Any], key: str, at: Surroundings) -> bool:
    given = traits[key]
    if given is None or given == "":
        return False
    found: str | None = None
    reason = Unfit.BAD_DATE
    if key in INSTANTS and isinstance(given, str | int | float):
        found = instant(given)
    elif isinstance(given, str):
        found = date(given)
    if found is None:
        if isinstance(given, str) and len(given) <= _LENGTH_MAX:
            read = _date(given.strip())
            reason = read if isinstance(read, Unfit) else reason
        at.mark(key, reason)
    elif found != given:
        at.replaced(key, given)
        traits[key] = found
    return True
