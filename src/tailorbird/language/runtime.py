"""What generated code calls: comparisons, arithmetic and the reading of cells at an instant.

Every function is total: a wrong type or a missing operand gives missing (None) or False, never an
exception. Windows are given as microseconds or, for calendar months, as a `Duration`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from tailorbird.base.numbers import SCALE, divide, divide_half_even
from tailorbird.base.time import Duration, parse_micros
from tailorbird.language import decay
from tailorbird.language.accumulators import Cell, unpack
from tailorbird.language.values import Lapse, Moment, Value, event_property, lookup

# --- scalars -----------------------------------------------------------------------------------


def compare(op: str, left: Any, right: Any) -> bool:
    """Compare two values of one type; anything else is False."""
    kind = type(left)
    if kind is not type(right) or left is None or kind is tuple:
        return False
    if op == "=":
        return left == right
    if op == "!=":
        return left != right
    if kind is bool:
        return False
    if op == "<":
        return left < right
    if op == "<=":
        return left <= right
    if op == ">":
        return left > right
    return left >= right


def add(left: Any, right: Any) -> Value:
    """`+` on numbers, durations, an instant and a duration."""
    kinds = (type(left), type(right))
    if kinds == (int, int):
        return left + right
    if kinds == (Lapse, Lapse):
        return Lapse(left + right)
    if kinds in ((Moment, Lapse), (Lapse, Moment)):
        return Moment(left + right)
    return None


def subtract(left: Any, right: Any) -> Value:
    """`-` on numbers, durations, instants."""
    kinds = (type(left), type(right))
    if kinds == (int, int):
        return left - right
    if kinds in ((Lapse, Lapse), (Moment, Moment)):
        return Lapse(left - right)
    if kinds == (Moment, Lapse):
        return Moment(left - right)
    return None


def multiply(left: Any, right: Any) -> Value:
    """`*` on numbers, a duration and a number."""
    kinds = (type(left), type(right))
    if kinds == (int, int):
        return divide_half_even(left * right, SCALE)
    if kinds in ((Lapse, int), (int, Lapse)):
        return Lapse(divide_half_even(int(left) * int(right), SCALE))
    return None


def quotient(left: Any, right: Any) -> Value:
    """`/` on numbers, a duration by a number, a duration by a duration; by zero is missing."""
    kinds = (type(left), type(right))
    if kinds == (int, int):
        return divide(left, right)
    if not right:
        return None
    if kinds == (Lapse, int):
        return Lapse(divide_half_even(int(left) * SCALE, int(right)))
    if kinds == (Lapse, Lapse):
        return divide(int(left), int(right))
    return None


def lower_text(value: Value) -> Value:
    """Lower case, one character for one: a mapping that changes lengths is left out."""
    if not isinstance(value, str):
        return None
    if value.isascii():
        return value.lower()
    return "".join(low if len(low := c.lower()) == 1 else c for c in value)


def negate(value: Any) -> Value:
    """Unary minus."""
    if type(value) is int:
        return -value
    return Lapse(-value) if type(value) is Lapse else None


def coalesce(*values: Value) -> Value:
    """The first value that is not missing."""
    for value in values:
        if value is not None:
            return value
    return None


def length(value: Value) -> Value:
    """Characters of a text, items of a list; a number."""
    return len(value) * SCALE if isinstance(value, (str, tuple)) else None


def like(value: Value, pattern: re.Pattern[str], negated: bool) -> bool:
    """SQL's like, compiled by `like_pattern`."""
    return isinstance(value, str) and (pattern.fullmatch(value) is None) is negated


def like_pattern(text: str) -> re.Pattern[str]:
    """Translate `%`, `_` and backslash escapes."""
    parts: list[str] = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            parts.append(re.escape(next(characters, "\\")))
        elif character == "%":
            parts.append(".*")
        elif character == "_":
            parts.append(".")
        else:
            parts.append(re.escape(character))
    return re.compile("".join(parts), re.DOTALL)


def match(op: str, left: Value, right: Value, negated: bool) -> bool:
    """contains (a list an element, a text a text), starts_with, ends_with, like."""
    if op == "contains" and type(left) is tuple:
        if right is None or type(right) is tuple:
            return False
        found = any(type(item) is type(right) and item == right for item in left)
        return found is not negated
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    if op == "like":
        return like(left, like_pattern(right), negated)
    if op == "contains":
        return (right in left) is not negated
    if op == "starts_with":
        return left.startswith(right) is not negated
    return left.endswith(right) is not negated


def member(value: Value, options: dict[type, frozenset[Any]], negated: bool) -> bool:
    """Whether a scalar is among options of its own type; no option of its type: False."""
    same = options.get(type(value))
    return same is not None and (value in same) is not negated


def age(value: Value, at: int) -> Lapse | None:
    """Return the time since an instant, or since a text that is one."""
    if isinstance(value, Moment):
        return Lapse(at - value)
    if not isinstance(value, str) or len(value) < 10:
        return None
    try:
        return Lapse(at - parse_micros(value))
    except (ValueError, OverflowError):
        return None


def event_path(event: Any, parts: tuple[str, ...]) -> Any:
    """Read `event.*` of a trigger {name, message_id, timestamp, properties}; raw JSON."""
    if not event:
        return None
    if parts[0] in event:
        return lookup(event, parts)
    return lookup(event.get("properties"), parts)


def moment_of(event: Any) -> Moment | None:
    """Return the instant of a trigger."""
    return Moment(event["timestamp"]) if event and "timestamp" in event else None


def items_of(
    properties: Any, context: Any, path: tuple[str, ...], matches: Callable[[Any], bool]
) -> int:
    """Return how many items of the list at `path` match."""
    raw = event_property(properties, context, path)
    if raw is None:
        return 0
    return sum(1 for item in (raw if isinstance(raw, list) else (raw,)) if matches(item))


# --- windows -----------------------------------------------------------------------------------


def start_of(timestamps: list[int], window: int | Duration | None, at: int) -> int:
    """Return the index of the first timestamp that a window still holds at `at`."""
    if window is None:
        return 0
    if isinstance(window, Duration):
        return bisect_right(timestamps, at, key=window.after)
    return bisect_right(timestamps, at - window)


def expiry(timestamp: int, window: int | Duration) -> int:
    """Return the first instant at which a window no longer holds a timestamp."""
    if isinstance(window, Duration):
        return window.after(timestamp)
    return timestamp + window


def count_times(times: list[int] | None, window: int | Duration | None, at: int) -> int:
    """Return how many timestamps the window holds (not scaled)."""
    return 0 if times is None else len(times) - start_of(times, window, at)


def values_latest(cell: Cell, window: int | Duration | None, at: int) -> list[Value]:
    """Return all values in the window in the total order, lists flattened, missing left out."""
    if cell is None:
        return []
    found: list[Value] = []
    for stored in cell[2][start_of(cell[0], window, at) :]:
        value = unpack(stored)
        if type(value) is tuple:
            found.extend(item for item in value if item is not None)
        elif value is not None:
            found.append(value)
    return found


def numbers_latest(cell: Cell, window: int | Duration | None, at: int) -> list[int]:
    """Return the scaled numbers in the window."""
    return [value for value in values_latest(cell, window, at) if type(value) is int]


def sum_of(cell: Cell) -> tuple[int, int]:
    """Return (number of values, exact total) of a `sum` cell."""
    return (cell[0], unpack(cell[1])) if cell is not None else (0, 0)


def edge_latest(cell: Cell, window: int | Duration | None, at: int, kind: str) -> Value:
    """Return the value on the first or last event of the window; missing where it has none."""
    if cell is None:
        return None
    start = start_of(cell[0], window, at)
    if start == len(cell[0]):
        return None
    value: Value = unpack(cell[2][start if kind == "first" else -1])
    return value


def since_times(times: list[int] | None, window: int | Duration | None, at: int) -> Lapse | None:
    """Return the time since the latest timestamp of the window."""
    if times is None or start_of(times, window, at) == len(times):
        return None
    return Lapse(at - times[-1])


def frequencies(cell: Cell, window: int | Duration | None, at: int) -> dict[tuple[type, Any], int]:
    """Count values; keys carry the type and lie in the order of their latest occurrence."""
    counts: dict[tuple[type, Any], int] = {}
    for value in values_latest(cell, window, at):
        key = (type(value), value)
        counts[key] = counts.pop(key, 0) + 1
    return counts


def most(cell: Cell, window: int | Duration | None, at: int) -> int:
    """Return the largest count of one value, scaled."""
    return max(frequencies(cell, window, at).values(), default=0) * SCALE


def favourite(cell: Cell, window: int | Duration | None, at: int) -> Value:
    """Return the most frequent value; of equals the one that occurred latest."""
    best: Value = None
    best_count = 0
    for (_, value), count in frequencies(cell, window, at).items():
        if count >= best_count:
            best, best_count = value, count
    return best


def distinct(cell: Cell, window: int | Duration | None, at: int) -> int:
    """Return the number of different values, scaled."""
    return len(frequencies(cell, window, at)) * SCALE


def decayed(cells: tuple[tuple[Cell, int], ...], half_life: int, at: int) -> int:
    """Return the points of some (cell, unit), faded by half-life; scaled."""
    return decay.value_at(weighted_points(cells), half_life, at)


def weighted_points(cells: tuple[tuple[Cell, int], ...]) -> dict[int, int]:
    """Return the weighted points by half-life index of all cells together."""
    total: dict[int, int] = {}
    for cell, unit in cells:
        for index, points in (cell or {}).items():
            total[index] = total.get(index, 0) + unpack(points) * unit
    return total


def pooled(
    cells: tuple[tuple[Cell, int], ...],
    half_life: int | None,
    fades_over: int | None,
    cap: int | None,
    at: int,
) -> int:
    """Return the points of all days, each day's at most `cap`, faded from its end; scaled."""
    days = weighted_points(cells)
    if cap is not None:
        days = {day: min(points, cap) for day, points in days.items()}
    if fades_over is not None:
        return decay.linear_value(days, fades_over, at)
    assert half_life is not None
    return decay.value_of_days(days, half_life, at)


# --- chains ------------------------------------------------------------------------------------


def entries(cell: Cell, over: int | Duration | None, at: int) -> list[tuple[int, int, Value]]:
    """Return (timestamp, order, key) of a cell's entries within the look-back."""
    if cell is None:
        return []
    start = start_of(cell[0], over, at)
    keys = cell[2] if len(cell) > 2 else [None] * len(cell[0])
    return [(cell[0][i], cell[1][i], unpack(keys[i])) for i in range(start, len(cell[0]))]


def abandoned(
    first: Cell,
    then: Cell,
    after: int | Duration,
    over: int | Duration | None,
    is_keyed: bool,
    at: int,
) -> bool:
    """There is an `a`, no `b` since the latest `a`, and `after` has passed since it; per key."""
    latest_a = latest_by_key(entries(first, over, at), is_keyed)
    if not latest_a:
        return False
    latest_b = latest_by_key(entries(then, None, at), is_keyed)
    return any(
        expiry(place[0], after) <= at and not (key in latest_b and latest_b[key] > place)
        for key, place in latest_a.items()
    )


def latest_by_key(
    rows: Iterable[tuple[int, int, Value]], is_keyed: bool
) -> dict[Any, tuple[int, int]]:
    """Return the latest place in the total order per key; entries without a key are left out."""
    latest: dict[Any, tuple[int, int]] = {}
    for timestamp, order, key in rows:
        if not is_keyed:
            latest[None] = (timestamp, order)
        else:
            for one in key if type(key) is tuple else (key,):
                if one is not None:
                    latest[type(one), one] = (timestamp, order)
    return latest


def chained(
    steps: list[Cell],
    span: int | Duration | None,
    over: int | Duration | None,
    is_keyed: bool,
    at: int,
) -> bool:
    """Distinct events in the total order, one per step, from first to last within `span`."""
    lists = [entries(cell, over, at) for cell in steps]
    if not all(lists):
        return False
    if not is_keyed:
        return _has_chain([[row[:2] for row in rows] for rows in lists], span)
    by_key: list[dict[Any, list[tuple[int, int]]]] = []
    for rows in lists:
        groups: dict[Any, list[tuple[int, int]]] = {}
        for timestamp, order, key in rows:
            for one in key if type(key) is tuple else (key,):
                if one is not None:
                    groups.setdefault((type(one), one), []).append((timestamp, order))
        by_key.append(groups)
    keys = set(by_key[0]).intersection(*by_key[1:])
    return any(_has_chain([groups[key] for groups in by_key], span) for key in keys)


def _has_chain(steps: list[list[tuple[int, int]]], span: int | Duration | None) -> bool:
    for start in steps[0]:
        place = start
        for rows in steps[1:]:
            position = bisect_right(rows, place)
            if position == len(rows):
                # Later starts find even less.
                return False
            place = rows[position]
        if span is None or place[0] <= expiry(start[0], span):
            return True
    return False
