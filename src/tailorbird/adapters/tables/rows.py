"""Reads the rows of a file one by one: JSON lines by msgspec, CSV and Parquet by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tailorbird.base.problems import OperationalError

_FETCH_SIZE = 2_000
_READERS = {".csv": "read_csv", ".tsv": "read_csv", ".parquet": "read_parquet"}


class TableProblem(OperationalError):
    """A file cannot be read, or is not of a kind that we read."""


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a `.jsonl`, `.ndjson`, `.csv`, `.tsv` or `.parquet` file.

    Raises:
        TableProblem: the file is missing or damaged, its ending is unknown, or the extra that
            reads it is not installed. Rows yielded before stay good.
    """
    if not path.is_file():
        raise TableProblem(f"there is no file {path}", is_retry_safe=False)
    ending = path.suffix.lower()
    if ending in (".jsonl", ".ndjson"):
        return _json_lines(path)
    if ending in _READERS:
        return _table(path, _READERS[ending])
    raise TableProblem(
        f"{path.name} is of no kind that can be read; give it the ending .jsonl, .csv or .parquet",
        is_retry_safe=False,
    )


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield decode(line)
            except msgspec.DecodeError as error:
                raise TableProblem(
                    f"{path.name}:{number} is no JSON object: {error}", is_retry_safe=False
                ) from error


def _table(path: Path, reader: str) -> Iterator[dict[str, Any]]:
    try:
        # Imported here: DuckDB is an extra, and only imports of tables need it.
        import duckdb
    except ImportError as error:
        raise TableProblem(
            f"reading {path.suffix} files needs DuckDB; run `pip install 'tailorbird[import]'`",
            is_retry_safe=False,
        ) from error
    try:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"SELECT * FROM {reader}(?)", [str(path)])
            names = [column[0] for column in connection.description or ()]
            while batch := connection.fetchmany(_FETCH_SIZE):
                for row in batch:
                    yield dict(zip(names, row, strict=True))
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise TableProblem(f"{path.name} cannot be read: {reason}", is_retry_safe=False) from error
