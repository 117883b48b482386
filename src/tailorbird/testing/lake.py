"""Reads a lake back as the records that it was made of."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tailorbird.adapters.lake.parquet import ParquetLake
from tailorbird.events.event import Record
from tailorbird.language.warehouse.items import COLUMN, Item, whole
from tailorbird.ports.lake import LakeEvent, LakeRecord
from tailorbird.services.lake import record_of


def records_in(lake: ParquetLake) -> list[Record]:
    """Return all that the lake holds, in the order of the log; doubles would be there twice."""
    found: list[Record] = []
    for file in lake.manifest().files:
        names = list(LakeEvent._fields[:-2] if file.day else LakeRecord._fields)
        with lake.place.open(file.path) as source:
            table = pq.ParquetFile(source).read()
        assert len(table) == file.rows
        columns = [_plain(table[name]) for name in names]
        if COLUMN in table.column_names:
            place = names.index("properties")
            columns[place] = list(map(_whole, columns[place], table[COLUMN].to_pylist()))
        kind = LakeEvent if file.day else LakeRecord
        found += [record_of(kind(*row)) for row in zip(*columns, strict=True)]
    return sorted(found, key=lambda one: one.offset)


def _whole(properties: str, items: list[dict[str, Any]] | None) -> str:
    return whole(properties, None if items is None else [Item(**one) for one in items])


def _plain(column: pa.ChunkedArray) -> list[Any]:
    is_instant = pa.types.is_timestamp(column.type)
    return list((column.cast(pa.int64()) if is_instant else column).to_pylist())
