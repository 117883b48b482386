"""Values as the oracle compares, joins and tests them: plain, total, nothing coerced.

`runtime` does the same for generated code; the two are written apart on purpose.
"""

from __future__ import annotations

from typing import Any

from tailorbird.base.numbers import SCALE, divide, divide_half_even
from tailorbird.base.time import parse_micros
from tailorbird.language.values import Lapse, Moment, Value


def compare_values(op: str, left: Value, right: Value) -> bool:
    """Compare two values of one type; anything else is False."""
    if left is None or type(left) is not type(right) or isinstance(left, tuple):
        return False
    if op in ("<", "<=", ">", ">=") and isinstance(left, bool):
        return False
    return compare_ordered(op, left, right)


def compare_ordered(op: str, left: Any, right: Any) -> bool:
    """Compare two values that have an order."""
    match op:
        case "=":
            return bool(left == right)
        case "!=":
            return bool(left != right)
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
    return bool(left >= right)


def matches(op: str, left: Value, right: Value) -> bool | None:
    """Test a text or list; None where an operand is missing or of the wrong type."""
    if op == "contains" and isinstance(left, tuple):
        if right is None or isinstance(right, tuple):
            return None
        return any(type(item) is type(right) and item == right for item in left)
    if not isinstance(left, str) or not isinstance(right, str):
        return None
    match op:
        case "contains":
            return right in left
        case "starts_with":
            return left[: len(right)] == right
        case "ends_with":
            return left[max(len(left) - len(right), 0) :] == right
    return _is_like(left, right)


def _is_like(text: str, pattern: str) -> bool:
    # The set of pattern positions that the text read so far can have reached.
    steps = _like_steps(pattern)
    reached = _skip_any(steps, {0})
    for character in text:
        following = set()
        for place in reached:
            if place < len(steps):
                kind, wanted = steps[place]
                if kind == "%":
                    following.add(place)
                elif kind == "_" or wanted == character:
                    following.add(place + 1)
        reached = _skip_any(steps, following)
    return len(steps) in reached


def _like_steps(pattern: str) -> list[tuple[str, str]]:
    steps: list[tuple[str, str]] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\" and at + 1 < len(pattern):
            at += 1
            steps.append(("=", pattern[at]))
        elif character in "%_":
            steps.append((character, ""))
        else:
            steps.append(("=", character))
        at += 1
    return steps


def _skip_any(steps: list[tuple[str, str]], places: set[int]) -> set[int]:
    reached = set(places)
    for place in sorted(places):
        while place < len(steps) and steps[place][0] == "%":
            place += 1
            reached.add(place)
    return reached


def lower_text(value: Value) -> Value:
    """Lower case, one character for one."""
    if not isinstance(value, str):
        return None
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in value)


def instant_of(value: Value) -> int | None:
    """Read an instant, or a text that is one; None for anything else."""
    if isinstance(value, Moment):
        return int(value)
    if not isinstance(value, str) or len(value) < 10:
        return None
    try:
        return parse_micros(value)
    except (ValueError, OverflowError):
        return None


def negative(value: Value) -> Value:
    """Return the value with the other sign."""
    if type(value) is int:
        return -value
    return Lapse(-value) if isinstance(value, Lapse) else None


def _plus(left: Value, right: Value) -> Value:
    if isinstance(left, Lapse) and isinstance(right, (Lapse, Moment)):
        left, right = right, left
    if isinstance(right, Lapse):
        if isinstance(left, Moment):
            return Moment(left + right)
        return Lapse(left + right) if isinstance(left, Lapse) else None
    if type(left) is int and type(right) is int:
        return left + right
    return None


def _minus(left: Value, right: Value) -> Value:
    if isinstance(left, Moment) and isinstance(right, Moment):
        return Lapse(left - right)
    if isinstance(right, Lapse):
        return _plus(left, negative(right))
    if type(left) is int and type(right) is int:
        return left - right
    return None


def _times(left: Value, right: Value) -> Value:
    if type(left) is int and type(right) is int:
        return divide_half_even(left * right, SCALE)
    if type(left) is int and isinstance(right, Lapse):
        left, right = right, left
    if isinstance(left, Lapse) and type(right) is int:
        return Lapse(divide_half_even(left * right, SCALE))
    return None


def _over(left: Value, right: Value) -> Value:
    if type(left) is int and type(right) is int:
        return divide(left, right)
    if isinstance(left, Lapse) and isinstance(right, Lapse):
        return divide(int(left), int(right))
    if isinstance(left, Lapse) and type(right) is int and right:
        return Lapse(divide_half_even(left * SCALE, right))
    return None


ARITHMETIC = {"+": _plus, "-": _minus, "*": _times, "/": _over}
