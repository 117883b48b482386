"""DuckDB, for which the trees are made: nothing is spelled otherwise."""

from __future__ import annotations

from tailorbird.language.warehouse.engines.engine import Columns, Engine

DUCKDB = Engine(
    name="DuckDB",
    dialect="duckdb",
    columns=Columns("TIMESTAMP", "BIGINT", "JSON", "DECIMAL(22, 9)", "VARCHAR", "BOOLEAN"),
)
