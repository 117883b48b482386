"""The answer of a database, by SQLAlchemy, streamed where its driver can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tailorbird.adapters.tables.problem import TableProblem
from tailorbird.base.hashing import hash_text
from tailorbird.ports.table import Row

_FETCH_SIZE = 2_000
# Drivers whose package has another name than their module.
_PACKAGE_OF = {"MySQLdb": "mysqlclient", "duckdb_engine": "duckdb-engine"}


class SqlTable:
    """One query; nothing but reading is meant, but the database's rights are what forbids more."""

    is_text = False
    has_order = False

    def __init__(self, url: str, sql: str) -> None:
        """`url` is SQLAlchemy's: postgresql+psycopg://user:password@host/database."""
        self._url = url
        self._sql = sql
        self._columns: tuple[str, ...] | None = None
        self.name = f"query of {url.partition(':')[0].partition('+')[0]}"

    @property
    def columns(self) -> Sequence[str]:
        """Return the columns of the answer."""
        if self._columns is None:
            with self._run() as answer:
                self._columns = tuple(answer.keys())
        return self._columns

    def fingerprint(self) -> str:
        """Return a hash of the query and of where it is asked; the password is no part of it."""
        scheme, _, rest = self._url.partition("://")
        return hash_text("sql", scheme, rest.rpartition("@")[2], self._sql)

    def rows(self) -> Iterator[Row]:
        """Yield the rows."""
        with self._run() as answer:
            names = tuple(answer.keys())
            for number, values in enumerate(answer, 1):
                yield Row(number, dict(zip(names, values, strict=True)))

    @contextmanager
    def _run(self) -> Iterator[Any]:
        try:
            # Imported here: SQLAlchemy is an extra, and only queries need it.
            import sqlalchemy
        except ImportError as error:
            raise TableProblem(
                "asking a database needs SQLAlchemy; run `pip install 'tailorbird[import]'`"
            ) from error
        try:
            engine = sqlalchemy.create_engine(self._url)
        except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError) as error:
            # The URL may hold a password: it is not shown.
            raise TableProblem(
                "`--url` is no database URL; write postgresql+psycopg://USER@HOST/DATABASE,"
                " sqlite:///FILE or duckdb:///FILE"
            ) from error
        except ImportError as error:
            raise TableProblem(
                "the driver of this database is not installed: run"
                f" `pip install {_PACKAGE_OF.get(error.name or '', error.name)}`"
            ) from error
        try:
            with engine.connect() as connection:
                streamed = connection.execution_options(stream_results=True, yield_per=_FETCH_SIZE)
                # A colon means itself: no query of an import has parameters.
                with streamed.execute(sqlalchemy.text(self._sql.replace(":", r"\:"))) as answer:
                    yield answer
        except sqlalchemy.exc.SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise TableProblem(f"the database answers: {reason}") from error
        finally:
            engine.dispose()
