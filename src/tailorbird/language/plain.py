"""Values of the language as plain JSON values, for explanations and the API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tailorbird.base.numbers import unscaled
from tailorbird.base.time import DAY, MICROSECONDS, format_micros
from tailorbird.language.values import Lapse, Moment, Value


def to_plain(value: Value) -> Any:
    """Return JSON: numbers unscaled, instants as RFC 3339, durations in words such as `3d 4h`."""
    if isinstance(value, Moment):
        return format_micros(value)
    if isinstance(value, Lapse):
        return format_lapse(value)
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    number = unscaled(value)
    return str(number) if isinstance(number, Decimal) else number


def format_lapse(micros: int) -> str:
    """Write a duration with its two largest units."""
    if micros < 0:
        return "-" + format_lapse(-micros)
    parts: list[str] = []
    for unit, size in (("d", DAY), ("h", 3_600 * MICROSECONDS), ("m", 60 * MICROSECONDS)):
        count, micros = divmod(micros, size)
        if count:
            parts.append(f"{count}{unit}")
    if not parts or (len(parts) == 1 and parts[0].endswith("m")):
        seconds = micros / MICROSECONDS
        if seconds or not parts:
            parts.append(f"{seconds:g}s")
    return " ".join(parts[:2])
