"""ClickHouse as a warehouse: chdb, which is ClickHouse within the process."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import chdb.session

from tailorbird.language.oracle import Known
from tailorbird.language.warehouse.embedded import zone_names
from tailorbird.language.warehouse.engines import CLICKHOUSE
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.language.warehouse.lake import write_events
from tailorbird.testing.warehouses.peer import PROMOTED, escaped, profile_rows

_TABLES = """
CREATE TABLE events (profile_id Int64, known_at DateTime64(6, 'UTC'),
    timestamp DateTime64(6, 'UTC'), event_order Int64, event String, type String,
    properties String, context String, price__text Nullable(String),
    price__truth Nullable(Bool), price__number Nullable(Decimal(22, 9)))
    ENGINE = MergeTree ORDER BY (event, timestamp);
CREATE TABLE profiles (profile_id Int64, traits Nullable(String), context Nullable(String),
    timezone Nullable(String), predictions Nullable(String), clusters Nullable(String))
    ENGINE = MergeTree ORDER BY profile_id;
CREATE TABLE zones (name String) ENGINE = MergeTree ORDER BY name;
CREATE TABLE asked_rows (profile_id Int64, asked_at Int64) ENGINE = MergeTree ORDER BY profile_id;
"""


class ClickHousePeer:
    """See `Peer`."""

    engine = CLICKHOUSE

    def __init__(self) -> None:
        """Open a folder that goes with it."""
        self._folder = tempfile.TemporaryDirectory(prefix="tailorbird-clickhouse-")
        library: Any = chdb.session  # declares no types
        self._session = library.Session(f"{self._folder.name}/data")

    def keep(
        self, people: Mapping[int, Sequence[Known]], profiles: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """See `Peer`."""
        for statement in (self.engine.prelude() + _TABLES).split(";\n"):
            if statement.strip():
                self._session.query(statement)
        path = Path(self._folder.name) / "events.parquet"
        write_events(people, str(path), promoted=tuple(PROMOTED))
        self._session.query(f"INSERT INTO events SELECT * FROM file('{path}', 'Parquet')")
        for who, traits, context, _, predictions, clusters in profile_rows(profiles):
            given = (escaped(traits), escaped(context), "NULL", escaped(predictions))
            self._session.query(
                f"INSERT INTO profiles VALUES ({who}, {', '.join(given)}, {escaped(clusters)})"
            )
        names = ", ".join(f"('{name}')" for name in zone_names())
        self._session.query(f"INSERT INTO zones VALUES {names}")

    def ask_everybody(self) -> None:
        """See `Peer`."""
        self._session.query(
            "CREATE OR REPLACE VIEW asked AS SELECT profile_id FROM events"
            " UNION DISTINCT SELECT profile_id FROM profiles"
        )

    def ask_at(self, pairs: Iterable[tuple[int, int]]) -> None:
        """See `Peer`."""
        self._session.query("TRUNCATE TABLE asked_rows")
        rows = ", ".join(map(str, pairs))
        self._session.query(f"INSERT INTO asked_rows VALUES {rows}")
        self._session.query("CREATE OR REPLACE VIEW asked AS SELECT * FROM asked_rows")

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        """See `Peer`."""
        settings = "output_format_json_quote_64bit_integers = 0"
        try:
            found = str(self._session.query(f"{text}, {settings}", "JSONCompactStrings"))
        except RuntimeError as error:
            if "tailorbird: " in str(error) or "DECIMAL_OVERFLOW" in str(error):
                raise WarehouseError(str(error)) from error
            raise
        read = json.loads(found)
        kinds = [column["type"] for column in read["meta"]]
        return [tuple(map(_value, kinds, row)) for row in read["data"]]

    def close(self) -> None:
        """See `Peer`."""
        self._session.close()
        self._folder.cleanup()


def _value(kind: str, written: str | None) -> Any:  # as the column's type has it
    kind = kind.removeprefix("Nullable(")
    if written is None or (written == "ᴺᵁᴸᴸ"):
        return None
    if kind.startswith(("Int", "UInt16", "UInt32", "UInt64")):
        return int(written)
    if kind.startswith(("Bool", "UInt8")):
        return written in ("1", "true")
    return Decimal(written) if kind.startswith("Decimal") else written
