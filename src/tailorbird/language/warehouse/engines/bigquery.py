"""BigQuery: stamps are TIMESTAMP, which is always UTC; decimals are NUMERIC or BIGNUMERIC."""

from __future__ import annotations

from sqlglot import exp

from tailorbird.language.warehouse.engines.engine import Columns, Engine
from tailorbird.language.warehouse.engines.exact import exact
from tailorbird.language.warehouse.engines.lists import bare_items, without_escape

_PLACE = exp.DataType.build("DECIMAL(38, 0)")


def _typed(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Cast) and node.to.is_type("TIMESTAMP"):
        node.set("to", exp.DataType.build("TIMESTAMPTZ"))
    elif isinstance(node, exp.Cast) and node.to.is_type("DECIMAL"):
        # A place in the order has 35 digits; NUMERIC has 29 before the point.
        kind = "BIGDECIMAL" if node.to == _PLACE else "DECIMAL"
        node.set("to", exp.DataType.build(kind))
    return node


def _default_order(node: exp.Expr) -> exp.Expr:
    # A window takes no NULLS LAST; what is sorted by is never null.
    if isinstance(node, exp.Ordered):
        node.set("nulls_first", not node.args.get("desc"))
    return node


BIGQUERY = Engine(
    name="BigQuery",
    dialect="bigquery",
    columns=Columns("TIMESTAMP", "INT64", "JSON", "NUMERIC", "STRING", "BOOL"),
    rewrites=(exact, _typed, _default_order, bare_items, without_escape),
    limits=("a date of the form 2026-W05-1 is refused where an anniversary is asked too",),
)
