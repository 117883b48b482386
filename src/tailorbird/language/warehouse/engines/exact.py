"""Constants for engines that take `0.5` for a float, or `1800000000` for a number of 32 bits."""

from __future__ import annotations

from sqlglot import exp

from tailorbird.language.warehouse.sql import NUMBER


def exact(node: exp.Expr) -> exp.Expr:
    """Write a constant with a point as a decimal."""
    if isinstance(node, exp.Literal) and not node.is_string and "." in node.name:
        return exp.Cast(this=exp.Literal.string(node.name), to=NUMBER.copy())
    return node


def wide(node: exp.Expr) -> exp.Expr:
    """Write a small constant as a BIGINT where it is reckoned with: a sum of two would overflow."""
    is_whole = isinstance(node, exp.Literal) and not node.is_string and "." not in node.name
    if is_whole and isinstance(node.parent, (exp.Add, exp.Sub, exp.Mul, exp.Paren, exp.Neg)):
        return exp.Cast(this=node.copy(), to=exp.DataType.build("BIGINT"))
    return node
