"""The rows of a lake's files, as they were added."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tailorbird.language.warehouse.items import COLUMN, Item, whole
from tailorbird.ports.lake import LakeEvent, LakeRecord

_ROWS_AT_ONCE = 10_000
# What is made of the properties is not read again.
_NAMES = {
    LakeEvent: LakeEvent._fields[: -len(("promoted", "lists"))],
    LakeRecord: LakeRecord._fields,
}


def rows_of(source: Any, kind: type[LakeEvent] | type[LakeRecord]) -> Iterator[Any]:
    """Yield the rows of a Parquet file in its order: LakeEvents, or LakeRecords."""
    names = _NAMES[kind]
    file = pq.ParquetFile(source)
    has_items = COLUMN in file.schema_arrow.names
    wanted = [*names, COLUMN] if has_items else list(names)
    for batch in file.iter_batches(_ROWS_AT_ONCE, columns=wanted):
        columns = {name: _plain(batch.column(name)) for name in wanted}
        if has_items:
            columns["properties"] = list(map(_whole, columns["properties"], columns.pop(COLUMN)))
        for row in zip(*(columns[name] for name in names), strict=True):
            yield kind(*row)


def _whole(properties: str, items: list[dict[str, Any]] | None) -> str:
    return whole(properties, None if items is None else [Item(**one) for one in items])


def _plain(column: pa.Array) -> list[Any]:
    is_instant = pa.types.is_timestamp(column.type)
    return list((column.cast(pa.int64()) if is_instant else column).to_pylist())
