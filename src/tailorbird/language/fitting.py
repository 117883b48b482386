"""Properties of an event, or a trait, with which a condition on them holds: one example of them.

What is found is a proposal: whoever uses it asks the condition again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tailorbird.base.numbers import SCALE, unscaled
from tailorbird.language import tree
from tailorbird.language.shape import FLIPPED

# Values by path.
Fit = dict[tuple[str, ...], Any]
# Tells under which path a node's value lies; None where it is no value of what is looked at.
PathOf = Callable[[tree.Node], "tuple[str, ...] | None"]

NEGATED = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
# Some value, where any will do.
ANY = "something"


def fitting(where: tree.Node | None, path_of: PathOf, *, wanted: bool = True) -> Fit | None:
    """Return values with which a condition is as wanted, None where none are found."""
    match where:
        case None:
            return {}
        case tree.Not():
            return fitting(where.part, path_of, wanted=not wanted)
        case tree.And() | tree.Or():
            found = [fitting(part, path_of, wanted=wanted) for part in where.parts]
            if isinstance(where, tree.And) != wanted:
                return next((one for one in found if one is not None), None)
            whole: Fit = {}
            for one in found:
                if one is None:
                    return None
                whole |= one
            return whole
    return _of_one(where, path_of, wanted=wanted)


def nested(fit: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Return values by path as an object of objects."""
    found: dict[str, Any] = {}
    for path, value in fit.items():
        inner = found
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
        inner[path[-1]] = value
    return found


def property_path(node: tree.Node) -> tuple[str, ...] | None:
    """Return where a filter finds a value."""
    return node.parts if isinstance(node, tree.Property) else None


def trait_path(node: tree.Node) -> tuple[str, ...] | None:
    """Return which trait a condition looks at."""
    return node.parts if isinstance(node, tree.Path) and node.root == "traits" else None


def _of_one(where: tree.Node, path_of: PathOf, *, wanted: bool) -> Fit | None:
    match where:
        case tree.Compare():
            op, value, constant = where.op, where.left, where.right
            if path_of(value) is None:
                op, value, constant = FLIPPED[op], constant, value
            found = _compared(op if wanted else NEGATED[op], constant)
        case tree.Between():
            value = where.value
            op = ">=" if wanted != where.is_negated else "<"
            found = _compared(op, where.low)
        case tree.In():
            value = where.value
            is_in = wanted != where.is_negated
            found = _compared("=", where.options[0]) if is_in else ANY
        case tree.Match():
            value, found = where.left, _matched(where, wanted=wanted)
        case tree.IsNull():
            value, found = where.value, ANY if wanted == where.is_negated else None
        case _:
            value, found = where, wanted
    path = path_of(value)
    return None if path is None or found is None else {path: found}


def _compared(op: str, constant: tree.Node) -> Any:
    match constant:
        case tree.Number():
            step = {">": SCALE, "<": -SCALE, "!=": SCALE}.get(op, 0)
            return plain_number(constant.scaled + step)
        case tree.Text():
            if op == "<":
                return "" if constant.value else None
            return constant.value + ("~" if op in (">", "!=") else "")
        case tree.Boolean():
            return constant.value if op == "=" else not constant.value
    return None


def _matched(where: tree.Match, *, wanted: bool) -> Any:
    if wanted == where.is_negated:
        return ANY
    if not isinstance(where.right, tree.Text):
        return None
    if where.op != "like":
        return where.right.value
    return where.right.value.replace("%", "").replace("_", "x")


def plain_number(scaled: int) -> int | float:
    """Return a number as an event has it."""
    number = unscaled(scaled)
    return number if isinstance(number, int) else float(number)
