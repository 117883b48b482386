"""ClickHouse: lists are joined in, stamps are DateTime64, outer joins give nulls if told."""

from __future__ import annotations

from sqlglot import exp

from tailorbird.language.warehouse.engines.engine import Columns, Engine
from tailorbird.language.warehouse.engines.exact import exact
from tailorbird.language.warehouse.engines.lists import bare_items, without_escape


def _joined_list(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.Join) or not isinstance(node.this, exp.Unnest):
        return node
    items, has_pos = node.this.expressions[0], node.this.args.get("offset") is not None
    parts = [exp.alias_(items, "item")]
    if has_pos:
        places = exp.Anonymous(this="arrayEnumerate", expressions=[items.copy()])
        parts.append(exp.alias_(places, "pos"))
    return exp.Join(this=parts[0], expressions=parts[1:], kind="ARRAY")


def _stamp(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Cast) and node.to.is_type("TIMESTAMP"):
        parts = [node.this.copy(), exp.Literal.number(6), exp.Literal.string("UTC")]
        return exp.Anonymous(this="toDateTime64", expressions=parts)
    return node


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
    rewrites=(exact, _joined_list, bare_items, _stamp, without_escape),
    ending=" SETTINGS join_use_nulls = 1, prefer_column_name_to_alias = 1",
    limits=(
        "stamps reach from 1900 to 2299",
        "a date of the form 2026-W05-1 is refused where an anniversary is asked too",
    ),
)
