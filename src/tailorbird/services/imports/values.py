"""What the texts of a table mean: numbers, instants, truths, lists, by the type of their column."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

import msgspec

Convert = Callable[[Any], Any]

TYPES = ("text", "number", "boolean", "timestamp", "list", "json")
YES = ("true", "yes", "y", "1", "t")
NO = ("false", "no", "n", "0", "f")
UNIX = {"unix": 1, "unix_ms": 1_000, "unix_us": 1_000_000}
_SIGNS = "$€£¥ \u00a0'"


def plain(value: Any) -> Any:
    """Turn what tables hold into JSON: instants as RFC 3339, decimals as numbers.

    What is not a number (NaN), as some tables have it for nothing, is missing.

    Raises:
        ValueError: a number is infinite.
    """
    match value:
        case str() | bool() | int() | None:
            return value
        case float() | Decimal():
            return _finite(value)
        case datetime():
            return instant_text(value, UTC)
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): plain(part) for key, part in value.items()}
        case list() | tuple():
            return [plain(part) for part in value]
        case bytes() | memoryview():
            return bytes(value).decode("utf-8", "replace")
    return str(value)


def _finite(value: float | Decimal) -> int | float | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise ValueError("no finite number")
    if isinstance(value, float):
        return value
    return int(value) if value == value.to_integral_value() else float(value)


def instant_text(moment: datetime, zone: tzinfo) -> str:
    """Write an instant as RFC 3339 in UTC; one without an offset is local time of the zone."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def number(decimal: str = ".") -> Convert:
    """Return what reads numbers; signs of currencies and marks of thousands are left out."""
    thousands = "," if decimal == "." else "."

    def convert(value: Any) -> Any:
        if not isinstance(value, str):
            return plain(value)
        text = value.strip(_SIGNS)
        try:
            return int(text)
        except ValueError:
            text = text.replace(thousands, "").replace(decimal, ".")
            found = float(text)
            if found != found or found in (float("inf"), float("-inf")):
                raise ValueError("no finite number") from None
            return int(text) if text.lstrip("-+").isdecimal() else found

    return convert


def boolean(yes: Sequence[str] = YES, no: Sequence[str] = NO) -> Convert:
    """Return what reads truths; a word that is in neither list is missing."""
    words = {**{one.lower(): True for one in yes}, **{one.lower(): False for one in no}}

    def convert(value: Any) -> Any:
        return value if isinstance(value, bool) else words.get(str(value).strip().lower())

    return convert


def timestamp(form: str = "", zone: tzinfo = UTC) -> Convert:
    """Return what reads instants, to RFC 3339.

    Args:
        form: `unix`, `unix_ms`, `unix_us`, a form of `strptime`, or empty for ISO 8601.
        zone: The zone of what has no offset.
    """
    if form in UNIX:
        divisor = UNIX[form]
        start = datetime(1970, 1, 1, tzinfo=UTC)

        def convert(value: Any) -> Any:
            seconds = timedelta(microseconds=round(Decimal(str(value)) * 1_000_000 / divisor))
            return instant_text(start + seconds, UTC)

        return convert

    def read(value: Any) -> Any:
        if isinstance(value, datetime):
            return instant_text(value, zone)
        text = str(value).strip()
        if form:
            return instant_text(datetime.strptime(text, form), zone)  # noqa: DTZ007  # zone follows
        if text.endswith(" UTC"):
            text = text.removesuffix(" UTC") + "Z"
        return instant_text(datetime.fromisoformat(text), zone)

    return read


def listed(separator: str = ",") -> Convert:
    """Return what reads lists: parts between separators, quoted where they hold one."""

    def convert(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        # A cell may hold several lines.
        lines = csv.reader(value.splitlines(), delimiter=separator, skipinitialspace=True)
        try:
            return [cell.strip() for line in lines for cell in line if cell.strip()]
        except csv.Error as error:
            raise ValueError("no list") from error

    return convert


def json_value(value: Any) -> Any:
    """Read a value that a table holds as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise ValueError("no JSON") from error
