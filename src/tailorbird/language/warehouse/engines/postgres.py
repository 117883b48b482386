"""Postgres: functions live in the session's own schema, and texts sort by the database's locale."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.generator import Generator

from tailorbird.language.warehouse.engines.engine import Columns, Engine, Spelling
from tailorbird.language.warehouse.engines.exact import wide
from tailorbird.language.warehouse.sql import TEXT_ORDER


def _qualified(generator: Generator, node: exp.Anonymous) -> str:
    # Functions of `pg_temp` are found by their full name only.
    return generator.func(f"pg_temp.{node.name}", *node.expressions, normalize=False)


def _by_code_point(sign: str) -> Spelling:
    def write(generator: Generator, node: exp.Binary) -> str:
        if not node.meta.get(TEXT_ORDER):
            return generator.binary(node, sign)
        left, right = generator.sql(node, "this"), generator.sql(node, "expression")
        return f'({left}) COLLATE "C" {sign} {right}'

    return write


POSTGRES = Engine(
    name="Postgres",
    dialect="postgres",
    columns=Columns("timestamp", "bigint", "jsonb", "numeric(22, 9)", "text", "boolean"),
    spelling={
        exp.Literal: wide,
        exp.LT: _by_code_point("<"),
        exp.LTE: _by_code_point("<="),
        exp.GT: _by_code_point(">"),
        exp.GTE: _by_code_point(">="),
    },
    call=_qualified,
    limits=(
        "Postgres 14 or later, with ICU, in a database in UTF-8",
        "a text with the character of code 0 cannot be stored",
    ),
)
