"""What DuckDB reads: Parquet files, and queries to a DuckDB file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tailorbird.adapters.tables.files import content_hash
from tailorbird.adapters.tables.problem import TableProblem
from tailorbird.base.hashing import hash_text
from tailorbird.ports.table import Row

_FETCH_SIZE = 2_000


class ParquetTable:
    """One Parquet file."""

    is_text = False
    has_order = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.name
        self._query = _Query("", "SELECT * FROM read_parquet(?)", [str(path)], path.name)

    @property
    def columns(self) -> Sequence[str]:
        """Return the columns of the file."""
        return self._query.columns()

    def fingerprint(self) -> str:
        """Return a hash of the file."""
        return content_hash(self._path)

    def rows(self) -> Iterator[Row]:
        """Yield the rows."""
        return self._query.rows()


class DuckDbTable:
    """A query to a DuckDB file, or to files that the query itself names."""

    is_text = False
    has_order = False

    def __init__(self, database: str, sql: str) -> None:
        """`database` is a path; empty for none."""
        if database and not Path(database).is_file():
            raise TableProblem(f"there is no DuckDB file {database}")
        self.name = f"query of {Path(database).name}" if database else "query"
        self._place = (database, sql)
        self._query = _Query(database, sql, [], self.name)

    @property
    def columns(self) -> Sequence[str]:
        """Return the columns of the answer."""
        return self._query.columns()

    def fingerprint(self) -> str:
        """Return a hash of database and query."""
        return hash_text("duckdb", *self._place)

    def rows(self) -> Iterator[Row]:
        """Yield the rows."""
        return self._query.rows()


class _Query:
    def __init__(self, database: str, sql: str, values: list[Any], name: str) -> None:
        self._database = database
        self._sql = sql
        self._values = values
        self._name = name
        self._columns: tuple[str, ...] | None = None

    def columns(self) -> tuple[str, ...]:
        if self._columns is None:
            with self._run() as connection:
                self._columns = tuple(column[0] for column in connection.description or ())
        return self._columns

    def rows(self) -> Iterator[Row]:
        names, number = self.columns(), 0
        with self._run() as connection:
            while batch := connection.fetchmany(_FETCH_SIZE):
                for values in batch:
                    number += 1
                    yield Row(number, dict(zip(names, values, strict=True)))

    @contextmanager
    def _run(self) -> Iterator[Any]:
        try:
            # Imported here: DuckDB is an extra, and only these tables need it.
            import duckdb
        except ImportError as error:
            raise TableProblem(
                f"reading {self._name} needs DuckDB; run `pip install 'tailorbird[import]'`"
            ) from error
        try:
            is_file = bool(self._database)
            with duckdb.connect(self._database or ":memory:", read_only=is_file) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute(self._sql, self._values)
                yield connection
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise TableProblem(f"{self._name} cannot be read: {reason}") from error
