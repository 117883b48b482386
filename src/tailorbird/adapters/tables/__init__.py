"""Rows of files that people export: JSON lines, CSV, Parquet."""

from tailorbird.adapters.tables.rows import TableProblem, read_rows

__all__ = ["TableProblem", "read_rows"]
