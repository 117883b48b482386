"""Constants for engines that take `0.5` for a float, or `1800000000` for a number of 32 bits."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.generator import Generator

from tailorbird.language.warehouse.sql import BIGINT, NUMBER

_RECKONS = (exp.Add, exp.Sub, exp.Mul, exp.Paren, exp.Neg)


def exact(generator: Generator, node: exp.Literal) -> str:
    """Write a constant with a point as a decimal."""
    if not node.is_string and "." in node.name:
        return f"CAST('{node.name}' AS {generator.sql(NUMBER)})"
    return generator.literal_sql(node)


def wide(generator: Generator, node: exp.Literal) -> str:
    """Write a small constant as a BIGINT where it is reckoned with: a sum of two would overflow."""
    written = generator.literal_sql(node)
    if node.is_string or "." in written or not isinstance(node.parent, _RECKONS):
        return written
    return f"CAST({written} AS {generator.sql(BIGINT)})"
