"""Questions about the shape of a tree that the compilers ask."""

from __future__ import annotations

from tailorbird.base.numbers import SCALE
from tailorbird.language import tree

FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
BOOLEAN_AGGREGATES = ("any", "none", "abandoned", "followed", "sequence")
CALENDAR_PARTS = ("hour", "weekday", "month", "date")

_TRUTHS = (tree.Compare, tree.Match, tree.Between, tree.In, tree.IsNull, tree.And, tree.Or)


def is_condition(node: tree.Node) -> bool:
    """Say whether a node is a condition, whose truth is never missing."""
    if isinstance(node, tree.Aggregate):
        return node.kind in BOOLEAN_AGGREGATES
    if isinstance(node, tree.Call):
        return node.name == "anniversary"
    return isinstance(node, (*_TRUTHS, tree.Not, tree.InSegment, tree.Boolean))


def children(node: tree.Node) -> tuple[tree.Node, ...]:
    """Return the operand nodes of a node; aggregates have none, their filters see events only."""
    match node:
        case tree.Compare() | tree.Match() | tree.Arithmetic():
            return (node.left, node.right)
        case tree.Between():
            return (node.value, node.low, node.high)
        case tree.In():
            return (node.value, *node.options)
        case tree.IsNull() | tree.Negate():
            return (node.value,)
        case tree.And() | tree.Or():
            return node.parts
        case tree.Not():
            return (node.part,)
        case tree.Call():
            return node.arguments
    return ()


def counts_months(node: tree.Node) -> bool:
    """Say whether a value is time since an instant, to which calendar months can be added."""
    if isinstance(node, tree.Call):
        return node.name == "age"
    return isinstance(node, tree.Aggregate) and node.kind == "since"


def is_now(node: tree.Node) -> bool:
    """Say whether a node is the call `now`."""
    return isinstance(node, tree.Call) and node.name == "now"


def count_test(node: tree.Node) -> tuple[tree.Aggregate | None, int, bool]:
    """Read a node as `at least N matching events` (or its negation)."""
    if isinstance(node, tree.Aggregate) and node.kind in ("any", "none"):
        return node, 1, node.kind == "none"
    if not isinstance(node, tree.Compare) or node.op in ("=", "!="):
        return None, 0, False
    op, left, right = node.op, node.left, node.right
    if isinstance(left, tree.Number):
        op, left, right = FLIPPED[op], right, left
    if not isinstance(right, tree.Number) or not isinstance(left, tree.Aggregate):
        return None, 0, False
    if left.kind != "count" or left.selectors[0].path:
        return None, 0, False
    threshold = right.scaled
    least = threshold // SCALE + 1 if op in (">", "<=") else -(-threshold // SCALE)
    return left, least, op in ("<", "<=")
