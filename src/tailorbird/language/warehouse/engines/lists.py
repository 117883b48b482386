"""For engines in which an item of a joined list is a column of no table, and `like` needs no word
for its escape.
"""

from __future__ import annotations

from sqlglot import exp


def bare_items(node: exp.Expr) -> exp.Expr:
    """Read what is joined in without the name of a table. No other table is called `i`."""
    if isinstance(node, exp.Column) and node.table == "i":
        return exp.column(node.name)
    return node


def without_escape(node: exp.Expr) -> exp.Expr:
    """Drop ESCAPE: a backslash protects without it, and the word is unknown."""
    return node.this if isinstance(node, exp.Escape) else node
