"""Postgres: functions live in the session's own schema, and texts sort by the database's locale."""

from __future__ import annotations

from sqlglot import exp

from tailorbird.language.warehouse.engines.engine import Columns, Engine
from tailorbird.language.warehouse.engines.exact import wide
from tailorbird.language.warehouse.sql import TEXT_ORDER


def _qualified(node: exp.Expr) -> exp.Expr:
    # Functions of `pg_temp` are found by their full name only.
    if isinstance(node, exp.Anonymous):
        node.set("this", f"pg_temp.{node.name}")
    return node


def _by_code_point(node: exp.Expr) -> exp.Expr:
    if not node.meta.get(TEXT_ORDER):
        return node
    collation = exp.to_identifier("C", quoted=True)
    node.set("this", exp.Collate(this=exp.paren(node.this), expression=collation))
    return node


POSTGRES = Engine(
    name="Postgres",
    dialect="postgres",
    columns=Columns("timestamp", "bigint", "jsonb", "numeric(22, 9)", "text", "boolean"),
    rewrites=(wide, _by_code_point, _qualified),
    limits=(
        "Postgres 14 or later, with ICU, in a database in UTF-8",
        "a text with the character of code 0 cannot be stored",
    ),
)
