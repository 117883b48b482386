"""Postgres as a warehouse: a server of its own, asked over one connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg

from tailorbird.language.oracle import Known
from tailorbird.language.warehouse.embedded import zone_names
from tailorbird.language.warehouse.engines import POSTGRES
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.language.warehouse.lake import event_rows
from tailorbird.testing.brokers.broker import BrokerMissing
from tailorbird.testing.postgres import Postgres
from tailorbird.testing.warehouses.peer import PROMOTED, EngineMissing, profile_rows

_TABLES = """
CREATE TABLE events (profile_id bigint, known_at timestamp, timestamp timestamp,
    event_order bigint, event text, type text, properties jsonb, context jsonb,
    price__text text, price__truth boolean, price__number numeric(22, 9));
CREATE TABLE profiles (profile_id bigint, traits jsonb, context jsonb, timezone text,
    predictions jsonb, clusters jsonb);
CREATE TABLE zones (name text);
CREATE TABLE asked_rows (profile_id bigint, asked_at bigint);
"""


class PostgresPeer:
    """See `Peer`."""

    engine = POSTGRES

    def __init__(self) -> None:
        """Start a server.

        Raises:
            EngineMissing: it is not installed.
        """
        try:
            self._server = Postgres()
        except BrokerMissing as missing:
            raise EngineMissing(str(missing)) from missing
        url = self._server.url.replace("+psycopg", "")
        self._connection = psycopg.connect(url, autocommit=True)

    def keep(
        self, people: Mapping[int, Sequence[Known]], profiles: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """See `Peer`."""
        self._connection.execute(self.engine.prelude().encode())
        self._connection.execute(_TABLES)
        with self._connection.cursor() as cursor:
            with cursor.copy("COPY events FROM STDIN") as copy:
                for row in event_rows(people, PROMOTED):
                    copy.write_row(row)
            cursor.executemany("INSERT INTO zones VALUES (%s)", [[one] for one in zone_names()])
            marks = ", ".join(["%s"] * 6)
            for profile in profile_rows(profiles):
                cursor.execute(f"INSERT INTO profiles VALUES ({marks})".encode(), profile)
        self._connection.execute("ANALYZE")

    def ask_everybody(self) -> None:
        """See `Peer`."""
        self._connection.execute("DROP VIEW IF EXISTS asked")
        self._connection.execute(
            "CREATE VIEW asked AS"
            " SELECT profile_id FROM events UNION SELECT profile_id FROM profiles"
        )

    def ask_at(self, pairs: Iterable[tuple[int, int]]) -> None:
        """See `Peer`."""
        self._connection.execute("DROP VIEW IF EXISTS asked; TRUNCATE asked_rows")
        with (
            self._connection.cursor() as cursor,
            cursor.copy("COPY asked_rows FROM STDIN") as copy,
        ):
            for row in pairs:
                copy.write_row(row)
        self._connection.execute("CREATE VIEW asked AS SELECT * FROM asked_rows")

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        """See `Peer`."""
        try:
            return self._connection.execute(text.encode()).fetchall()
        except (psycopg.errors.NumericValueOutOfRange, psycopg.errors.RaiseException) as error:
            raise WarehouseError(str(error)) from error

    def close(self) -> None:
        """See `Peer`."""
        self._connection.close()
        self._server.stop()
