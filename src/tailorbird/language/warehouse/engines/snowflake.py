"""Snowflake: JSON is VARIANT, stamps are TIMESTAMP_NTZ in UTC."""

from __future__ import annotations

from tailorbird.language.warehouse.engines.engine import Columns, Engine


def _joined_list(items: str, *, has_place: bool) -> str:
    columns = (
        "seq, key, path, pos, item, this" if has_place else "seq, key, path, index, item, this"
    )
    return f"CROSS JOIN TABLE(FLATTEN(INPUT => {items})) AS i({columns})"


SNOWFLAKE = Engine(
    name="Snowflake",
    dialect="snowflake",
    columns=Columns(
        "TIMESTAMP_NTZ", "NUMBER(38, 0)", "VARIANT", "NUMBER(22, 9)", "VARCHAR", "BOOLEAN"
    ),
    joined_list=_joined_list,
    limits=("a date of the form 2026-W05-1 is refused where an anniversary is asked too",),
)
