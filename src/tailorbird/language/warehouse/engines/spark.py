"""Spark 4: JSON is VARIANT, stamps are in the session's zone, which the prelude sets to UTC."""

from __future__ import annotations

from sqlglot import exp

from tailorbird.language.warehouse.engines.engine import Columns, Engine
from tailorbird.language.warehouse.engines.exact import wide
from tailorbird.language.warehouse.engines.inline import inlining


def _joined_list(items: str, *, has_place: bool) -> str:
    if has_place:
        return f"LATERAL VIEW POSEXPLODE({items}) i AS pos, item"
    return f"LATERAL VIEW EXPLODE({items}) i AS item"


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
    spelling={exp.Literal: wide},
    call=inlining("spark"),
    joined_list=_joined_list,
    session=_SESSION,
    limits=(
        "Spark 4 or later; texts must be stored in NFC, for it has no normal forms",
        "a date of the form 2026-W05-1 is refused where an anniversary is asked too",
    ),
)
