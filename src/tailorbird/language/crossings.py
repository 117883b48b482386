"""When a value next changes while nothing happens: what generated code asks for its deadlines.

An answer is never later than the true change, and an instant after `now`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import log2
from typing import Any

from tailorbird.base.numbers import divide_half_even
from tailorbird.base.time import DAY, Duration
from tailorbird.language import decay
from tailorbird.language.accumulators import LOOK_AHEAD, NEVER, Cell, unpack
from tailorbird.language.runtime import (
    entries,
    expiry,
    latest_by_key,
    start_of,
    weighted_points,
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """`sum(..) op bound` or `avg(..) op bound`.

    `test` is asked (number of values, total). `stays` is the truth that it keeps when numbers leave
    that are not negative; None where each may turn it.
    """

    test: Callable[[int, int], bool]
    stays: bool | None


@cache
def threshold(kind: str, op: str, bound: int) -> Threshold:
    """Return what asks `sum(..) op bound` or `avg(..) op bound`."""
    if kind == "avg":
        test = _OPERATORS[op]
        # Cross-multiplied: exact, without a quotient.
        return Threshold(lambda count, total: count > 0 and test(total, bound * count), None)
    return Threshold(_SUM_TESTS[op](bound), _STAYS.get(op))


_OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# Written out: a walk asks one for each number that leaves.
_SUM_TESTS: dict[str, Callable[[int], Callable[[int, int], bool]]] = {
    "=": lambda bound: lambda _, total: total == bound,
    "!=": lambda bound: lambda _, total: total != bound,
    "<": lambda bound: lambda _, total: total < bound,
    "<=": lambda bound: lambda _, total: total <= bound,
    ">": lambda bound: lambda _, total: total > bound,
    ">=": lambda bound: lambda _, total: total >= bound,
}
_STAYS = {"<": True, "<=": True, ">": False, ">=": False}
_PLAIN = frozenset({int})
_NO_SUMS: tuple[list[int], list[int]] = ([], [0])


def summable(cell: Cell) -> tuple[list[int], list[int]] | None:
    """Return the timestamps of a series and its running totals, from 0 on.

    None where a number is negative or an entry holds none, or several: `sum_crossing` walks those.
    """
    if cell is None:
        return _NO_SUMS
    numbers = cell[2]
    if not _PLAIN.issuperset(map(type, numbers)) or min(numbers, default=0) < 0:
        return None
    return cell[0], list(accumulate(numbers, initial=0))


def sum_crossing(
    cell: Cell, window: int | Duration, now: int, asked: Threshold
) -> tuple[bool, int]:
    """Return a test's truth over the numbers in the window, and when it next differs."""
    test = asked.test
    if cell is None:
        return test(0, 0), NEVER
    timestamps = cell[0]
    start, end = start_of(timestamps, window, now), len(timestamps)
    totals = cell[2][start:]
    if _PLAIN.issuperset(map(type, totals)):
        count, total = end - start, sum(totals)
        truth = test(count, total)
        if truth is asked.stays and (not count or min(totals) >= 0):
            return truth, NEVER
        counts = [1] * count
    else:
        numbers = [_numbers_in(one) for one in totals]
        counts, totals = list(map(len, numbers)), list(map(sum, numbers))
        count, total = sum(counts), sum(totals)
        truth = test(count, total)
    for i in range(start, end):
        count -= counts[i - start]
        total -= totals[i - start]
        if test(count, total) is not truth:
            edge = expiry(timestamps[i], window)
            # What leaves in the same instant may turn it back.
            if i + 1 == end or expiry(timestamps[i + 1], window) > edge:
                return truth, edge
    return truth, NEVER


def _numbers_in(stored: Any) -> list[int]:
    value = unpack(stored)
    values = value if type(value) is tuple else (value,)
    return [one for one in values if type(one) is int]


def decay_crossing(
    cells: tuple[tuple[Cell, int], ...], half_life: int, now: int, op: str, limit: int
) -> tuple[bool, int]:
    """Return whether a score that halves meets `op limit`, and when that next differs.

    A weight changes only at ticks of the half-life, so the crossing is searched among these, from
    where the logarithm puts it.
    """
    test = bound(op, limit)
    points = weighted_points(cells)
    value = decay.value_at(points, half_life, now)
    truth = test(value)
    if not points or test(0) is truth:
        return truth, NEVER
    newest = now // half_life
    oldest = newest - decay.KEPT
    total = sum(one << (index - oldest) for index, one in points.items() if index >= oldest)

    def differs(tick: int) -> bool:
        index, weight = decay.weight_of(tick)
        return test(divide_half_even(total, weight << (index - oldest))) is not truth

    low = now * decay.TICKS // half_life
    step = 1
    if limit and 0 < limit / value < 1:
        guess = low + int(decay.TICKS * log2(value / limit)) - _DOUBT
        if guess > low and not differs(guess):
            low, step = guess, 2 * _DOUBT
    high = low + step
    while not differs(high):
        low, step = high, step * 4
        high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if differs(middle) else (middle, high)
    # The first instant of that tick.
    edge = max(-(-high * half_life // decay.TICKS), now + 1)
    # What is too old to count by then was still counted here: the true answer may come earlier.
    if test(decay.value_at(points, half_life, edge)) is truth or (
        edge - 1 > now and test(decay.value_at(points, half_life, edge - 1)) is not truth
    ):
        edge = first_crossing(
            lambda at: test(decay.value_at(points, half_life, at)), truth, (), now
        )
    return truth, edge


# Ticks by which the logarithm in floating point may be wrong.
_DOUBT = 8


@cache
def bound(op: str, limit: int) -> Callable[[int], bool]:
    """Return a test of a number, `value op limit`."""
    test = _OPERATORS[op]
    return lambda value: test(value, limit)


def days_breaks(cells: tuple[tuple[Cell, int], ...], fades_over: int | None, now: int) -> list[int]:
    """Return the instants after `now` at which pooled points begin or end to fade."""
    points: set[int] = set()
    for cell, _ in cells:
        for day in cell or ():
            end = (day + 1) * DAY
            points.update((end, end + fades_over) if fades_over is not None else (end,))
    return sorted(point for point in points if point > now)


def abandoned_breaks(
    first: Cell, after: int | Duration, over: int | Duration | None, is_keyed: bool, now: int
) -> list[int]:
    """Return the instants after `now` at which a wait ends or a look-back lets an entry go."""
    points: list[int] = []
    for timestamp, _ in latest_by_key(entries(first, over, now), is_keyed).values():
        points.append(expiry(timestamp, after))
        if over is not None:
            points.append(expiry(timestamp, over))
    return sorted(point for point in points if point > now)[:LOOK_AHEAD]


def expiries(cell: Cell, window: int | Duration, now: int) -> list[int]:
    """Return the next instants after `now` at which the window lets an entry go."""
    if cell is None:
        return []
    timestamps = cell[0] if type(cell[0]) is list else cell
    start = start_of(timestamps, window, now)
    return [
        expiry(timestamps[i], window)
        for i in range(start, min(len(timestamps), start + LOOK_AHEAD))
    ]


def first_flip(
    value_at: Callable[[int], Any], value: Any, breaks: Iterable[list[int]], now: int
) -> int:
    """Return the first break point after `now` where a stepwise value differs from `value`.

    Where the list of break points may have been cut, the last one looked at: sound, never late.
    """
    lists = [points for points in breaks if points]
    if not lists:
        return NEVER
    limit = min((points[-1] for points in lists if len(points) >= LOOK_AHEAD), default=NEVER)
    points = sorted({point for points in lists for point in points if now < point <= limit})
    for seen, point in enumerate(points):
        if value_at(point) != value or seen == LOOK_AHEAD:
            return point
    return limit


def first_crossing(
    value_at: Callable[[int], Any], value: Any, breaks: Iterable[list[int]], now: int
) -> int:
    """Return the first instant after `now` where a truth differs, monotone between breaks."""
    low = now
    for point in [*sorted({p for points in breaks for p in points if p > now}), NEVER]:
        if value_at(point - 1) != value:
            return _bisect(value_at, value, low, point - 1)
        if point == NEVER or value_at(point) != value:
            return point
        low = point
    return NEVER


def _bisect(value_at: Callable[[int], Any], value: Any, low: int, high: int) -> int:
    # Gallop first: crossings are near, and far instants make large numbers.
    step = 1 << 20
    while low + step < high and value_at(low + step) == value:
        low += step
        step <<= 2
    high = min(high, low + step)
    while high - low > 1:
        middle = (low + high) // 2
        if value_at(middle) == value:
            low = middle
        else:
            high = middle
    return high
