"""Tables that are imported: JSON lines, CSV, Parquet, queries."""

from tailorbird.adapters.tables.csv_table import CsvOptions, CsvTable
from tailorbird.adapters.tables.opening import files_of, open_file, open_query
from tailorbird.adapters.tables.problem import TableProblem

__all__ = ["CsvOptions", "CsvTable", "TableProblem", "files_of", "open_file", "open_query"]
