"""For engines in which an item of a joined list is a column of no table, and `like` needs no word
for its escape.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.generator import Generator


def bare_item(generator: Generator, node: exp.Column) -> str:
    """Read what is joined in without the name of a table. No other table is called `i`."""
    return generator.sql(node, "this") if node.table == "i" else generator.column_sql(node)


def without_escape(generator: Generator, node: exp.Escape) -> str:
    """Drop ESCAPE: a backslash protects without it, and the word is unknown."""
    return generator.sql(node, "this")
