"""Spark as a warehouse: local mode, one thread, its Java in a process of its own."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.types import VariantVal

from tailorbird.language.oracle import Known
from tailorbird.language.warehouse.embedded import zone_names
from tailorbird.language.warehouse.engines import SPARK
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.language.warehouse.lake import write_events
from tailorbird.testing.warehouses.peer import PROMOTED, EngineMissing, escaped, profile_rows

_EVENTS = """
CREATE OR REPLACE TEMPORARY VIEW events AS SELECT profile_id,
    CAST(known_at AS TIMESTAMP) AS known_at, CAST(timestamp AS TIMESTAMP) AS timestamp,
    event_order, event, type, parse_json(properties) AS properties, parse_json(context) AS context,
    price__text, price__truth, price__number FROM kept
"""
_PROFILES = """
CREATE OR REPLACE TEMPORARY VIEW profiles AS SELECT profile_id, parse_json(traits) AS traits,
    parse_json(context) AS context, CAST(timezone AS STRING) AS timezone,
    parse_json(one) AS predictions, parse_json(other) AS clusters FROM kept_profiles
"""


class SparkPeer:
    """See `Peer`."""

    engine = SPARK

    def __init__(self) -> None:
        """Start it.

        Raises:
            EngineMissing: there is no Java.
        """
        if shutil.which("java") is None:
            raise EngineMissing("Spark needs Java 17, which is not installed")
        self._folder = tempfile.TemporaryDirectory(prefix="tailorbird-spark-")
        settings: dict[str, bool | float | int | str | None] = {
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.warehouse.dir": self._folder.name,
            "spark.log.level": "OFF",
        }
        builder = SparkSession.builder.master("local[1]")
        self._session = builder.config(map=settings).getOrCreate()

    def keep(
        self, people: Mapping[int, Sequence[Known]], profiles: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """See `Peer`."""
        for statement in self.engine.prelude().split(";\n"):
            words = re.sub(r"(?m)^--.*$", "", statement).strip()
            if words:
                self._session.sql(words)
        path = str(Path(self._folder.name) / "events.parquet")
        write_events(people, path, promoted=tuple(PROMOTED))
        self._session.read.parquet(path).cache().createOrReplaceTempView("kept")
        self._session.sql(_EVENTS)
        rows = [
            f"({who}, NULL, {', '.join(map(escaped, (traits, context, one, other)))})"
            for who, traits, context, _, one, other in profile_rows(profiles)
        ]
        self._view("kept_profiles", "profile_id, timezone, traits, context, one, other", rows)
        self._session.sql(_PROFILES)
        self._view("zones", "name", [f"'{one}'" for one in zone_names()])

    def ask_everybody(self) -> None:
        """See `Peer`."""
        self._session.sql(
            "CREATE OR REPLACE TEMPORARY VIEW asked AS SELECT DISTINCT profile_id FROM events"
        )

    def ask_at(self, pairs: Iterable[tuple[int, int]]) -> None:
        """See `Peer`."""
        self._view("asked", "profile_id, asked_at", [f"({who}, {at})" for who, at in pairs])

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        """See `Peer`."""
        try:
            found = self._session.sql(text).collect()
        except PySparkException as error:
            if (
                "tailorbird: " in str(error)
                or "OVERFLOW" in str(error)
                or "OUT_OF_RANGE" in str(error)
            ):
                raise WarehouseError(str(error)) from error
            raise
        return [
            tuple(one.toJson() if isinstance(one, VariantVal) else one for one in row)
            for row in found
        ]

    def close(self) -> None:
        """See `Peer`."""
        self._session.stop()
        self._folder.cleanup()

    def _view(self, name: str, columns: str, rows: list[str]) -> None:
        self._session.sql(
            f"CREATE OR REPLACE TEMPORARY VIEW {name} AS"
            f" SELECT * FROM VALUES {', '.join(rows)} AS t({columns})"
        )
