"""Exponential decay in integers, so that order, merging and machines change nothing.

A point given at t weighs 2^(t / half-life). The whole part of the exponent is the index of a
bucket, the fraction comes from two tables of 4,096 integers (24 bits of fraction; the relative
error is below 2^-24), so no platform's floating point takes part. Buckets more than `KEPT`
half-lives old are dropped: they weigh less than 2^-60 of a fresh point.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from functools import cache

from tailorbird.base.numbers import divide_half_even
from tailorbird.base.time import DAY

KEPT = 60
_BITS = 12
_STEPS = 1 << _BITS
_SHIFT = 40


@cache
def tables() -> tuple[list[int], list[int]]:
    """Return 2^(i / 4096) and 2^(i / 4096^2) for i below 4096, in units of 2^-40."""
    return _powers(_STEPS), _powers(_STEPS * _STEPS)


def _powers(parts: int) -> list[int]:
    # Correctly rounded decimal arithmetic gives the same integers on every machine.
    with localcontext() as context:
        context.prec = 60
        ratio = (Decimal(2).ln() / parts).exp()
        found, power = [], Decimal(1 << _SHIFT)
        for _ in range(_STEPS):
            found.append(int(power))
            power *= ratio
    return found


def weigh(timestamp: int, half_life: int) -> tuple[int, int]:
    """Return (half-life index, 2^fraction as an integer of 2^-40 units) of an instant."""
    index = timestamp // half_life
    fraction = ((timestamp - index * half_life) << 24) // half_life
    coarse, fine = tables()
    return index, (coarse[fraction >> 12] * fine[fraction & 4095]) >> 40


def weigh_lines(half_life: int) -> list[str]:
    """Source of `weigh` for generated code: `ts` gives `i` and `w`, by the tables COARSE and FINE.

    A call costs more than what it does, and each event with points needs one.
    """
    return [
        f"i = ts // {half_life}; q = ((ts - i * {half_life}) << 24) // {half_life}",
        "w = (COARSE[q >> 12] * FINE[q & 4095]) >> 40",
    ]


def value_at(buckets: Mapping[int, int], half_life: int, now: int) -> int:
    """Return the decayed sum at `now` in the scaled units of the points, half even."""
    newest, weight = weigh(now, half_life)
    oldest = newest - KEPT
    total = 0
    for index, points in buckets.items():
        if index >= oldest:
            total += points << (index - oldest)
    return divide_half_even(total, weight << KEPT)


def days_kept(half_life: int | None, fades_over: int | None) -> int:
    """Return how long after its end a day's pooled points can still count."""
    return fades_over if fades_over is not None else (KEPT + 2) * (half_life or 0)


def linear_value(days: Mapping[int, int], fades_over: int, now: int) -> int:
    """Return the pooled points at `now`, each day's falling evenly to nothing from its end."""
    total = 0
    for day, points in days.items():
        age = max(0, now - (day + 1) * DAY)
        total += points * max(0, fades_over - age)
    return divide_half_even(total, fades_over)


def value_of_days(days: Mapping[int, int], half_life: int, now: int) -> int:
    """Return the pooled points at `now`, each day's halving from its end."""
    whole = 0
    faded: dict[int, int] = {}
    for day, points in days.items():
        end = (day + 1) * DAY
        if now <= end:
            whole += points
        else:
            index, weight = weigh(end, half_life)
            faded[index] = faded.get(index, 0) + points * weight
    return whole + value_at(faded, half_life, now)


TICKS = _STEPS * _STEPS  # steps of a half-life in which a weight changes


def weight_of(tick: int) -> tuple[int, int]:
    """Return what `weigh` does, of an instant counted in ticks of a half-life since the epoch."""
    index, fraction = divmod(tick, TICKS)
    coarse, fine = tables()
    return index, (coarse[fraction >> _BITS] * fine[fraction & (_STEPS - 1)]) >> _SHIFT
