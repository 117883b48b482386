"""What a value can be at all, whatever has happened: counts are never negative, hours end at 23.

A count inside a calculation is taken over the latest events that are kept, so it has an upper end
too; compared by itself with a number it keeps as many as the number needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, copysign, floor, inf, isinf

from tailorbird.base.numbers import SCALE
from tailorbird.language import tree
from tailorbird.language.accumulators import LATEST_CAP

COUNTS = ("count", "distinct", "most")  # never missing, never negative
PARTS = {"hour": (0, 23), "weekday": (1, 7), "month": (1, 12)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """From `low` to `high`; an end may be left out. Empty where no value remains."""

    low: float = -inf  # scaled numbers and microseconds are exact integers
    high: float = inf
    has_low: bool = True
    has_high: bool = True

    def is_empty(self) -> bool:
        is_point = self.low == self.high
        return self.low > self.high or (is_point and not (self.has_low and self.has_high))

    def meet(self, other: Range) -> Range:
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Range(
            low=low,
            high=high,
            has_low=all(one.has_low for one in (self, other) if one.low == low),
            has_high=all(one.has_high for one in (self, other) if one.high == high),
        )


ANY = Range()


def range_of(value: tree.Node) -> Range:
    """Return what a value can be where it is compared by itself."""
    match value:
        case tree.Aggregate(kind="count" | "distinct" | "most" | "rate"):
            return Range(low=0)
        case tree.Call(name="length"):
            return Range(low=0)
        case tree.Call(name="hour" | "weekday" | "month"):
            low, high = PARTS[value.name]
            return Range(low=low * SCALE, high=high * SCALE)
        case tree.Arithmetic() | tree.Negate():
            return _calculated(value)
    return ANY


def kept(value: tree.Node, at: int) -> int:
    """Return how many events are kept to compare a value with a number, 0 for a plain number.

    Args:
        value: What is compared.
        at: The number, scaled.
    """
    if not isinstance(value, tree.Aggregate) or value.kind not in COUNTS:
        return 0
    if value.kind == "count" and value.within is None:
        return 0
    return max(LATEST_CAP, at // SCALE + 1)


def _calculated(value: tree.Node) -> Range:
    """Follow a range through a calculation, whose counts have the cap as their upper end."""
    match value:
        case tree.Number():
            return Range(low=value.scaled, high=value.scaled)
        case tree.Negate():
            inner = _calculated(value.value)
            return Range(low=-inner.high, high=-inner.low)
        case tree.Arithmetic(op="+" | "-" | "*" | "/"):
            return _joined(value.op, _calculated(value.left), _calculated(value.right))
    if is_capped(value):
        return Range(low=0, high=LATEST_CAP * SCALE)
    return range_of(value)


def is_capped(value: tree.Node) -> bool:
    """Say whether a calculation sees at most the latest events that are kept."""
    # Lists bring several items or values an event, so that their number has no end known here.
    return (
        isinstance(value, tree.Aggregate)
        and value.kind == "count"
        and value.within is not None
        and not value.selectors[0].path
    )


def _joined(op: str, left: Range, right: Range) -> Range:
    if op == "+":
        return Range(low=left.low + right.low, high=left.high + right.high)
    if op == "-":
        return Range(low=left.low - right.high, high=left.high - right.low)
    if right.low != right.high:
        return ANY  # only constant factors and divisors are followed
    if op == "/" and right.low == 0:
        return ANY
    # Quotients and products are rounded to nine places, which is monotone.
    factor = Fraction(right.low) / SCALE
    ends = [_times(end, factor if op == "*" else 1 / factor) for end in (left.low, left.high)]
    return Range(low=_floor(min(ends)), high=_ceil(max(ends)))


def _times(end: float, factor: Fraction) -> float | Fraction:
    if isinf(end):
        return 0 if factor == 0 else copysign(inf, end * factor)
    return Fraction(end) * factor


def _floor(end: float | Fraction) -> float:
    return end if isinstance(end, float) and isinf(end) else floor(end)


def _ceil(end: float | Fraction) -> float:
    return end if isinstance(end, float) and isinf(end) else ceil(end)
