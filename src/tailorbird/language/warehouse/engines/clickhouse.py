"""ClickHouse: lists are joined in, stamps are DateTime64, outer joins give nulls if told."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.generator import Generator

from tailorbird.language.warehouse.engines.engine import Columns, Engine
from tailorbird.language.warehouse.engines.exact import exact
from tailorbird.language.warehouse.engines.lists import bare_item, without_escape
from tailorbird.language.warehouse.sql import STAMP


def _joined_list(items: str, *, has_place: bool) -> str:
    return f"ARRAY JOIN {items} AS item" + f", arrayEnumerate({items}) AS pos" * has_place


def _stamp(generator: Generator, node: exp.Cast) -> str:
    if node.to.this == STAMP.this:
        return f"toDateTime64({generator.sql(node, 'this')}, 6, 'UTC')"
    return generator.cast_sql(node)


def _not(generator: Generator, node: exp.Not) -> str:
    # The dialect's own way puts the brackets into the tree as it writes it.
    written = generator.sql(node, "this")
    return f"NOT ({written})" if isinstance(node.this, exp.In) else f"NOT {written}"


CLICKHOUSE = Engine(
    name="ClickHouse",
    dialect="clickhouse",
    columns=Columns(
        stamp="DateTime64(6, 'UTC')",
        whole="Int64",
        json="Nullable(String)",
        decimal="Nullable(Decimal(22, 9))",
        text="Nullable(String)",
        truth="Nullable(Bool)",
    ),
    spelling={
        exp.Literal: exact,
        exp.Column: bare_item,
        exp.Cast: _stamp,
        exp.Not: _not,
        exp.Escape: without_escape,
    },
    joined_list=_joined_list,
    ending=" SETTINGS join_use_nulls = 1, prefer_column_name_to_alias = 1",
    limits=(
        "stamps reach from 1900 to 2299",
        "a date of the form 2026-W05-1 is refused where an anniversary is asked too",
    ),
)
