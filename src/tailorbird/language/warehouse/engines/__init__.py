"""Engines that expressions are written for; `engine` tells what one overrides."""

from tailorbird.language.warehouse.engines.bigquery import BIGQUERY
from tailorbird.language.warehouse.engines.clickhouse import CLICKHOUSE
from tailorbird.language.warehouse.engines.duckdb import DUCKDB
from tailorbird.language.warehouse.engines.engine import Columns, Engine
from tailorbird.language.warehouse.engines.postgres import POSTGRES
from tailorbird.language.warehouse.engines.snowflake import SNOWFLAKE
from tailorbird.language.warehouse.engines.spark import SPARK

ENGINES = {one.dialect: one for one in (DUCKDB, POSTGRES, CLICKHOUSE, SPARK, BIGQUERY, SNOWFLAKE)}

__all__ = [
    "BIGQUERY",
    "CLICKHOUSE",
    "DUCKDB",
    "ENGINES",
    "POSTGRES",
    "SNOWFLAKE",
    "SPARK",
    "Columns",
    "Engine",
]
