"""Rows of the lake as Arrow tables, and tables as the bytes of Parquet files.

Each column is encoded as its values are: instants and offsets as differences, words that come
again by dictionary, the items of lists apart from their JSON (`items`), texts that differ plainly;
Zstandard goes over all of it. Pages are large, as JSON of many events compresses several times
better than that of a few.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailorbird.adapters.lake import items
from tailorbird.base.time import DAY, from_micros
from tailorbird.ports.lake import LakeEvent, LakeRecord

# Of what is written once and merged soon, and of what stays, a tenth smaller at a third of the
# speed. Level 12 takes twice as long for another hundredth.
LEVEL_FRESH, LEVEL_SETTLED = 3, 9
_PAGE_BYTES = 8 * 1024 * 1024
_ROWS_PER_GROUP_MAX = 122_880
_ROWS_OF_SMALL_DAY = 5_000
_BYTES_PER_GROUP = 64 * 1024 * 1024

INSTANT = pa.timestamp("us")
_NUMBER = pa.decimal128(22, 9)
_KINDS = {
    "record_offset": pa.int64(),
    "partition": pa.uint8(),
    "now": INSTANT,
    "known_at": INSTANT,
    "profile_id": pa.int64(),
    "survivor_id": pa.int64(),
    "timestamp": INSTANT,
    "event_order": pa.int64(),
    "original_timestamp": INSTANT,
    "is_historical": pa.bool_(),
    "body": pa.binary(),
}
_FACETS: dict[type, tuple[str, pa.DataType]] = {
    str: ("text", pa.string()),
    bool: ("truth", pa.bool_()),
    int: ("number", _NUMBER),
}
# Sorted nearly, or differing by little: differences take fewest bytes.
_BY_DIFFERENCE = frozenset({"record_offset", "now", "known_at", "timestamp", "original_timestamp"})
# Each value once, or nearly so: a dictionary would only be in the way.
_PLAIN = frozenset({"event_order", "message_id", "properties", "as_sent", "unfit", "body"})
_STORED = LakeEvent._fields[: -len(("promoted", "lists"))]


def give_back_memory() -> None:
    """Return to the system what the last tables left: a process that rests needs none of it."""
    # Arrow's own allocator keeps tens of megabytes for later; the system's gives them back.
    pa.set_memory_pool(pa.system_memory_pool())
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it, and needs it
    if trim is not None:
        trim(0)


def table_of_events(events: Sequence[LakeEvent]) -> pa.Table:
    """Return events as columns, sorted by timestamp and order."""
    # Sorted as rows, which come nearly so: sorted columns would be a copy of all texts.
    events = sorted(events, key=attrgetter("timestamp", "event_order"))
    columns = zip(*events, strict=True)
    arrays = {
        name: pa.array(column, _kind_of(name))
        for name, column in zip(_STORED, columns, strict=False)
        if name != "properties"
    }
    arrays |= items.properties_apart([event.properties for event in events])
    arrays |= _promoted(events)
    return pa.table(arrays)


def table_of(rows: Iterable[Sequence[Any]], names: Sequence[str]) -> pa.Table:
    """Return plain rows as columns."""
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table(
        {
            name: pa.array(column, _kind_of(name))
            for name, column in zip(names, columns, strict=True)
        }
    )


def table_of_records(records: Sequence[LakeRecord]) -> pa.Table:
    """Return records of other kinds than event as columns."""
    return table_of(records, LakeRecord._fields)


def merged(tables: Sequence[pa.Table], *, are_events: bool) -> pa.Table:
    """Return the rows of several tables in order; a column that one lacks is missing there."""
    order = ("timestamp", "event_order") if are_events else ("record_offset",)
    whole = pa.concat_tables(tables, promote_options="default")
    return whole.sort_by([(name, "ascending") for name in order])


def by_span(table: pa.Table) -> list[pa.Table]:
    """Cut a table that is sorted by timestamp into its days; small days of a year stay together.

    Imports touch hundreds of days at once: each would be a file of a few rows, which tells anew
    the names of all products.
    """
    numbers = pc.divide(table["timestamp"].cast(pa.int64()), DAY)
    found: list[tuple[int, int, int]] = []  # year, first row, rows
    start = 0
    for one in pc.value_counts(numbers).to_pylist():
        year, rows = from_micros(one["values"] * DAY).year, one["counts"]
        if found and found[-1][0] == year and min(found[-1][2], rows) < _ROWS_OF_SMALL_DAY:
            found[-1] = (year, found[-1][1], found[-1][2] + rows)
        else:
            found.append((year, start, rows))
        start += rows
    return [table.slice(first, rows) for _, first, rows in found]


def facts_of(table: pa.Table) -> tuple[int, int, str, str]:
    """Return the first and last offset, and the first and last day ("" where there are none)."""
    offsets = pc.min_max(table["record_offset"]).as_py()
    first, last = offsets["min"], offsets["max"]
    if "timestamp" not in table.column_names:
        return first, last, "", ""
    times = pc.min_max(table["timestamp"]).as_py()
    return first, last, times["min"].date().isoformat(), times["max"].date().isoformat()


def to_parquet(table: pa.Table, level: int) -> pa.Buffer:
    """Return a table as a Parquet file, compressed at a level of Zstandard."""
    table = items.with_words_of_its_own(table)
    names = table.column_names
    rows = max(1, min(_ROWS_PER_GROUP_MAX, _BYTES_PER_GROUP * len(table) // (table.nbytes + 1)))
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=level,
        data_page_size=_PAGE_BYTES,
        dictionary_pagesize_limit=_PAGE_BYTES,
        row_group_size=rows,
        use_dictionary=[
            items.ITEM,
            *(one for one in names if one not in _PLAIN and one not in _BY_DIFFERENCE),
        ],
        column_encoding={
            items.QUANTITY: "BYTE_STREAM_SPLIT",
            **{one: "DELTA_BINARY_PACKED" for one in names if one in _BY_DIFFERENCE},
        },
        # What a question narrows by; of long texts they would cost more than they spare.
        write_statistics=[one for one in names if one not in _PLAIN],
        store_schema=False,
    )
    return sink.getvalue()


def read(source: Any, names: Sequence[str] | None = None) -> pa.Table:
    """Return some columns of a Parquet file, or all of them."""
    file = pq.ParquetFile(source)
    if items.has_items(file.schema_arrow):
        # As numbers of words: they are many times the words.
        file = pq.ParquetFile(source, metadata=file.metadata, read_dictionary=[items.ITEM])
    return file.read(columns=None if names is None else list(names))


def _kind_of(name: str) -> pa.DataType:
    return _KINDS.get(name, pa.string())


def _promoted(events: Sequence[LakeEvent]) -> dict[str, pa.Array]:
    """Return the columns of promoted properties, one for each type that occurs."""
    found: dict[str, pa.Array] = {}
    maps: list[Mapping[str, str | bool | int]] = [event.promoted for event in events]
    for name in sorted({name for one in maps for name in one}):
        values = [one.get(name) for one in maps]
        kinds = set(map(type, values))
        for kind, (facet, arrow) in _FACETS.items():
            if kind not in kinds:
                continue
            column = [value if type(value) is kind else None for value in values]
            found[f"{name}__{facet}"] = (
                _decimals(column) if arrow is _NUMBER else pa.array(column, arrow)
            )
    return found


def _decimals(scaled: Sequence[Any]) -> pa.Array:
    """Return integers of 1e-9 units as decimals; None is missing."""
    empty = bytes(16)
    data = b"".join(
        [empty if one is None else one.to_bytes(16, "little", signed=True) for one in scaled]
    )
    valid = pa.array([one is not None for one in scaled], pa.bool_())
    return pa.Array.from_buffers(_NUMBER, len(scaled), [valid.buffers()[1], pa.py_buffer(data)])
