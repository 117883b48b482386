"""What a person is interested in: the values of a property, weighed by what the person did.

A weight is the points of the latest events with that value, faded by a half-life that all share; so
the order of the values changes by events alone. Weights are compared exactly, as integers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tailorbird.base.numbers import SCALE
from tailorbird.language import decay
from tailorbird.language.accumulators import Cell, unpack

# Half-lives before the newest event beyond which another counts no more for the order.
_ORDER_KEPT = 200


def top_interest(cells: tuple[tuple[Cell, int], ...], half_life: int | None) -> str | None:
    """Return the value that weighs most, of equals the first in the alphabet; missing if none."""
    weights = order_of(places(cells), half_life)
    return min(weights, key=lambda value: (-weights[value], value)) if weights else None


def interest_weight(
    cells: tuple[tuple[Cell, int], ...], half_life: int | None, value: str, at: int
) -> int:
    """Return the weight of one value, scaled."""
    return weight_at(places(cells), half_life, value, at)


def places(cells: Iterable[tuple[Cell, int]]) -> list[tuple[int, int, str]]:
    """Return (timestamp, scaled points, value) of everything that gives points."""
    found: list[tuple[int, int, str]] = []
    for cell, points in cells:
        if cell is None:
            continue
        for timestamp, stored in zip(cell[0], cell[2], strict=True):
            found += [(timestamp, points, value) for value in texts_of(unpack(stored))]
    return found


def texts_of(value: Any) -> list[str]:
    """Return the texts of a value, of a list each once."""
    if isinstance(value, tuple):
        return sorted({one for one in value if isinstance(one, str)})
    return [value] if isinstance(value, str) else []


def order_of(given: list[tuple[int, int, str]], half_life: int | None) -> dict[str, int]:
    """Return a weight for each value that has more than none, good for comparing only."""
    total: dict[str, int] = {}
    if half_life is None:
        for _, points, value in given:
            total[value] = total.get(value, 0) + points
    elif given:
        weighed = [(decay.weigh(at, half_life), points, value) for at, points, value in given]
        oldest = max(index for (index, _), _, _ in weighed) - _ORDER_KEPT
        for (index, weight), points, value in weighed:
            if index >= oldest:
                total[value] = total.get(value, 0) + (points * weight << (index - oldest))
    return {value: weight for value, weight in total.items() if weight > 0}


def weight_at(given: list[tuple[int, int, str]], half_life: int | None, value: str, at: int) -> int:
    """Return the weight of one value at an instant, scaled, added up exactly and rounded once."""
    mine = [(timestamp, points) for timestamp, points, one in given if one == value]
    if half_life is None:
        return sum(points for _, points in mine)
    buckets: dict[int, int] = {}
    for timestamp, points in mine:
        index, weight = decay.weigh(timestamp, half_life)
        buckets[index] = buckets.get(index, 0) + points * weight
    return decay.value_at(buckets, half_life, at)


def top_interests(
    cells: tuple[tuple[Cell, int], ...], half_life: int | None, at: int, limit: int
) -> list[tuple[str, float]]:
    """Return the values that weigh most, with their weights in points, heaviest first."""
    given = places(cells)
    weights = order_of(given, half_life)
    ranked = sorted(weights, key=lambda value: (-weights[value], value))[:limit]
    return [(value, weight_at(given, half_life, value, at) / SCALE) for value in ranked]
