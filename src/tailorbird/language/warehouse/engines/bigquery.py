"""BigQuery: stamps are TIMESTAMP, which is always UTC; decimals are NUMERIC or BIGNUMERIC."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.generator import Generator

from tailorbird.language.warehouse.engines.engine import Columns, Engine
from tailorbird.language.warehouse.engines.exact import exact
from tailorbird.language.warehouse.engines.lists import bare_item, without_escape
from tailorbird.language.warehouse.sql import STAMP

_PLACE = exp.DataType.build("DECIMAL(38, 0)")


def _typed(generator: Generator, node: exp.DataType) -> str:
    if node.this == STAMP.this:
        return "TIMESTAMP"
    if node.this == _PLACE.this:
        # A place in the order has 35 digits; NUMERIC has 29 before the point.
        return "BIGNUMERIC" if node == _PLACE else "NUMERIC"
    return generator.datatype_sql(node)


def _default_order(generator: Generator, node: exp.Ordered) -> str:
    # A window takes no NULLS LAST; what is sorted by is never null.
    return f"{generator.sql(node, 'this')} {'DESC' if node.args.get('desc') else 'ASC'}"


def _cast(generator: Generator, node: exp.Cast) -> str:
    # The dialect's own way takes precisions from the tree as it writes it.
    return generator.cast_sql(node)


def _joined_list(items: str, *, has_place: bool) -> str:
    return f"CROSS JOIN UNNEST({items}) AS item" + " WITH OFFSET AS pos" * has_place


BIGQUERY = Engine(
    name="BigQuery",
    dialect="bigquery",
    columns=Columns("TIMESTAMP", "INT64", "JSON", "NUMERIC", "STRING", "BOOL"),
    spelling={
        exp.Literal: exact,
        exp.Cast: _cast,
        exp.DataType: _typed,
        exp.Ordered: _default_order,
        exp.Column: bare_item,
        exp.Escape: without_escape,
    },
    joined_list=_joined_list,
    limits=("a date of the form 2026-W05-1 is refused where an anniversary is asked too",),
)
