"""From what people name (a file, a folder, a pattern, a query) to tables."""

from __future__ import annotations

import glob
from pathlib import Path

from tailorbird.adapters.tables.csv_table import CsvOptions, CsvTable
from tailorbird.adapters.tables.duckdb_table import DuckDbTable, ParquetTable
from tailorbird.adapters.tables.files import ending_of
from tailorbird.adapters.tables.json_table import JsonTable
from tailorbird.adapters.tables.problem import TableProblem
from tailorbird.adapters.tables.sql_table import SqlTable
from tailorbird.ports.table import Table

_JSON = (".jsonl", ".ndjson")
_CSV = (".csv", ".tsv", ".txt")
_PARQUET = (".parquet",)
_DUCKDB = "duckdb://"


def files_of(place: str) -> list[Path]:
    """Return the files of a path, a folder or a pattern such as `orders-*.csv`, by name.

    Raises:
        TableProblem: there are none.
    """
    path = Path(place)
    if path.is_file():
        return [path]
    if path.is_dir():
        known = (*_JSON, *_CSV, *_PARQUET)
        found = [one for one in path.iterdir() if one.is_file() and ending_of(one) in known]
    else:
        found = [Path(one) for one in glob.glob(place, recursive=True) if Path(one).is_file()]
    if not found:
        raise TableProblem(f"there is no file {place}")
    return sorted(found)


def open_file(path: Path, options: CsvOptions | None = None) -> Table:
    """Return the table of one file.

    Raises:
        TableProblem: its ending is unknown, or it cannot be read.
    """
    ending = ending_of(path)
    if ending in _JSON:
        return JsonTable(path)
    if ending in _CSV:
        return CsvTable(path, options)
    if ending in _PARQUET:
        return ParquetTable(path)
    raise TableProblem(
        f"{path.name} is of no kind that can be read; give it the ending .jsonl, .csv or .parquet"
    )


def open_query(url: str, sql: str) -> Table:
    """Return the answer of a database as a table; nothing is asked yet."""
    if url.startswith(_DUCKDB):
        return DuckDbTable(url.removeprefix(_DUCKDB).removeprefix("/"), sql)
    return SqlTable(url, sql)
