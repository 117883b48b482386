"""Instants are integer microseconds UTC; spans are `Duration`s whose months are calendar units."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The years that Python's datetime can show; instants outside are clamped by those who parse.
EARLIEST = -62_135_596_800 * MICROSECONDS
LATEST = 253_402_300_799 * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Duration:
    """A span: calendar months plus exact microseconds; one of the two is zero."""

    months: int = 0
    micros: int = 0

    def after(self, at: int) -> int:
        """Return the instant this span after `at` (microseconds UTC).

        Months are added in UTC. A day that does not exist becomes the first instant of the
        following month: clipping to the month's last day would not be monotone, so that an
        event could leave a window and come back.
        """
        if not self.months:
            return min(at + self.micros, LATEST)
        return min(add_months(at, self.months) + self.micros, LATEST)


def add_months(at: int, months: int) -> int:
    """Add calendar months to an instant in UTC; see `Duration.after` for missing days.

    An instant before year 1 or behind year 9999 counts as the first or last one: a text with an
    offset, such as 9999-12-31T23:59:59-14:00, names one.
    """
    moment = EPOCH + timedelta(microseconds=min(max(at, EARLIEST), LATEST))
    index = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(index, 12)
    month += 1
    if year > 9998:
        return LATEST
    if year < 1:
        return EARLIEST
    if moment.day > calendar.monthrange(year, month)[1]:
        following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        return to_micros(following)
    return to_micros(moment.replace(year=year, month=month))


def to_micros(moment: datetime) -> int:
    """Convert an aware datetime to microseconds UTC, exactly (no float in between)."""
    span = moment - EPOCH
    return (span.days * 86_400 + span.seconds) * MICROSECONDS + span.microseconds


def from_micros(at: int) -> datetime:
    """Convert microseconds UTC to an aware datetime."""
    return EPOCH + timedelta(microseconds=at)


def format_micros(at: int) -> str:
    """Write an instant as RFC 3339 with `Z`; fractions only where there are any."""
    text = from_micros(at).isoformat(timespec="auto")
    return text.removesuffix("+00:00") + "Z"


def parse_micros(text: str) -> int:
    """Read an RFC 3339 / ISO 8601 instant; a text without zone is UTC.

    Raises:
        ValueError: the text is not such an instant.
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # As `to_micros`: a call less for each event.
    span = moment - EPOCH
    return (span.days * 86_400 + span.seconds) * MICROSECONDS + span.microseconds
