"""The lake as Parquet files in a folder, written and read by DuckDB."""
