"""Reads a lake back as the records that it was made of."""

from __future__ import annotations

from tailorbird.adapters.lake.parquet import ParquetLake
from tailorbird.events.event import Record
from tailorbird.services.lake import record_of


def records_in(lake: ParquetLake) -> list[Record]:
    """Return all that the lake holds, in the order of the log; doubles would be there twice."""
    found = [record_of(row) for row in lake.rows()]
    assert len(found) == sum(file.rows for file in lake.manifest().files)
    return sorted(found, key=lambda one: one.offset)
