"""Snowflake: JSON is VARIANT, stamps are TIMESTAMP_NTZ in UTC."""

from __future__ import annotations

from tailorbird.language.warehouse.engines.engine import Columns, Engine

SNOWFLAKE = Engine(
    name="Snowflake",
    dialect="snowflake",
    columns=Columns(
        "TIMESTAMP_NTZ", "NUMBER(38, 0)", "VARIANT", "NUMBER(22, 9)", "VARCHAR", "BOOLEAN"
    ),
    limits=("a date of the form 2026-W05-1 is refused where an anniversary is asked too",),
)
