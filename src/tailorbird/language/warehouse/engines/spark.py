"""Spark 4: JSON is VARIANT, stamps are in the session's zone, which the prelude sets to UTC."""

from __future__ import annotations

from sqlglot import exp

from tailorbird.language.warehouse import sql
from tailorbird.language.warehouse.engines.engine import Columns, Engine
from tailorbird.language.warehouse.engines.exact import wide
from tailorbird.language.warehouse.engines.inline import inlining


def _listed_before(node: exp.Expr) -> exp.Expr:
    # LATERAL VIEW takes no functions of ours: the list is made in a table below.
    if not isinstance(node, exp.Select):
        return node
    for join in node.args.get("joins") or ():
        if not isinstance(join.this, exp.Unnest):
            continue
        source = node.args["from_"].this
        name, items = source.alias, join.this.expressions[0]
        below = exp.select(exp.Column(this=exp.Star(), table=exp.to_identifier(name)))
        below = below.select(sql.named(items.copy(), "listed")).from_(source.copy())
        node.args["from_"].set("this", below.subquery(name))
        items.replace(sql.column("listed", name))
    return node


_SESSION = """\
SET TIME ZONE 'UTC';
-- Else a sum of decimals loses places without a word.
SET spark.sql.decimalOperations.allowPrecisionLoss = false;
SET spark.sql.ansi.enabled = true;
"""

SPARK = Engine(
    name="Spark",
    dialect="spark",
    columns=Columns("TIMESTAMP", "BIGINT", "VARIANT", "DECIMAL(22, 9)", "STRING", "BOOLEAN"),
    rewrites=(wide, _listed_before, inlining("spark")),
    session=_SESSION,
    limits=(
        "Spark 4 or later; texts must be stored in NFC, for it has no normal forms",
        "a date of the form 2026-W05-1 is refused where an anniversary is asked too",
    ),
)
