"""Numbers of the language: decimals with nine places, held as scaled integers, up to 1e12."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Any

PLACES = 9
SCALE: int = 10**PLACES
LIMIT: int = 10**12 * SCALE

_CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_QUICK = 1e6
_STEP = Decimal(1).scaleb(-PLACES)


def scaled(value: Any) -> int | None:
    """Return `value` as an integer of 1e-9 units, or None where it is no number of ours.

    A float counts as the shortest decimal that names it; booleans, infinities, NaN and
    magnitudes above 1e12 are not numbers.

    Example:
        >>> scaled(2.55)
        2550000000
        >>> scaled("5") is None
        True
    """
    kind = type(value)
    if kind is int:
        number = value * SCALE
        return number if -LIMIT <= number <= LIMIT else None
    if kind is float:
        return _scaled_float(value)
    if kind is Decimal:
        return _scaled_decimal(value)
    return None


@lru_cache(maxsize=65_536)
def _scaled_float(value: float) -> int | None:
    if -_QUICK < value < _QUICK:
        # A decimal of up to fifteen digits that this float names is the shortest that does.
        number = round(value * SCALE)
        if number / SCALE == value:
            return number
    return _scaled_decimal(Decimal(repr(value)))


def _scaled_decimal(value: Decimal) -> int | None:
    if not value.is_finite() or value.adjusted() > 12:
        return None
    number = int(value.quantize(_STEP, context=_CONTEXT).scaleb(PLACES, context=_CONTEXT))
    return number if -LIMIT <= number <= LIMIT else None


def unscaled(number: int) -> int | float | Decimal:
    """Return the plain number that people and JSON see: int where whole, else float, else Decimal.

    The float is used only where it names exactly this decimal.
    """
    whole, rest = divmod(number, SCALE)
    if not rest:
        return whole
    exact = Decimal(number).scaleb(-PLACES, context=_CONTEXT)
    close = float(exact)
    return close if _scaled_float(close) == number else exact


def divide(numerator: int, denominator: int) -> int | None:
    """Divide two scaled integers, half even to nine places; division by zero is missing."""
    if denominator == 0:
        return None
    return divide_half_even(numerator * SCALE, denominator)


def divide_half_even(numerator: int, denominator: int) -> int:
    """Divide integers, rounding half to even."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    quotient, rest = divmod(numerator, denominator)
    double = 2 * rest
    if double > denominator or (double == denominator and quotient & 1):
        quotient += 1
    return quotient
