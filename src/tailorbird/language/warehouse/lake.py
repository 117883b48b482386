"""Writes events as the lake holds them, so that a warehouse can be asked about a plain history."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb

from tailorbird.base.numbers import unscaled
from tailorbird.base.time import from_micros
from tailorbird.language.oracle import Known
from tailorbird.language.values import Value, event_property, from_json
from tailorbird.language.warehouse.errors import WarehouseError

_FACET_OF = {str: "text", bool: "truth", int: "number"}
_KIND_OF = {"text": "VARCHAR", "truth": "BOOLEAN", "number": "DECIMAL(22, 9)"}
# There, and no number of the language: as infinity is.
_TOO_LARGE = 1e300
COLUMNS = (
    "profile_id", "known_at", "timestamp", "event_order", "event", "type", "properties", "context"
)  # fmt: skip
_COLUMNS = (
    "profile_id BIGINT, known_at TIMESTAMP, timestamp TIMESTAMP, event_order BIGINT,"
    " event VARCHAR, type VARCHAR, properties VARCHAR, context VARCHAR"
)


def write_events(
    histories: Mapping[int, Sequence[Known]], path: str, *, promoted: Sequence[str] = ()
) -> None:
    """Write the events of each profile to one Parquet file, sorted by timestamp.

    Args:
        histories: What is known of each profile.
        path: The file to write.
        promoted: Properties that get columns of their own, one for each type that occurs.

    Raises:
        WarehouseError: a promoted property holds a list.
    """
    known = [(profile, one) for profile, history in histories.items() for one in history]
    known.sort(key=lambda row: (row[1].event.timestamp, row[1].event.order))
    columns = {name: _columns_of(name, known) for name in promoted}
    extra = [
        f"{name.replace('.', '__')}__{facet} {_KIND_OF[facet]}"
        for name, facets in columns.items()
        for facet in facets
    ]
    rows = [_row(profile, one, columns) for profile, one in known]
    connection = duckdb.connect()
    try:
        connection.execute(f"CREATE TABLE events ({', '.join([_COLUMNS, *extra])})")
        if rows:
            marks = ", ".join(["unnest(?)"] * len(rows[0]))
            columns_of_rows = [list(column) for column in zip(*rows, strict=True)]
            connection.execute(f"INSERT INTO events SELECT {marks}", columns_of_rows)
        quoted = path.replace("'", "''")
        connection.execute(f"COPY events TO '{quoted}' (FORMAT parquet, COMPRESSION zstd)")
    finally:
        connection.close()


def event_rows(
    histories: Mapping[int, Sequence[Known]], promoted: Mapping[str, Sequence[str]]
) -> list[list[Any]]:
    """Return the rows of `events`: `COLUMNS`, then one for each facet of promoted properties."""
    return [_row(who, one, promoted) for who, history in histories.items() for one in history]


def to_text(value: Any) -> str:
    """Write JSON as the lake keeps it; infinity, which JSON has not, as a number out of range."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _columns_of(name: str, known: Iterable[tuple[int, Known]]) -> tuple[str, ...]:
    values = {type(_value_on(one, name)) for _, one in known}
    if tuple in values:
        raise WarehouseError(f"`{name}` holds lists; only plain properties get a column")
    return tuple(facet for kind, facet in _FACET_OF.items() if kind in values) or ("text",)


def _row(profile: int, one: Known, columns: Mapping[str, Sequence[str]]) -> list[Any]:
    event = one.event
    row: list[Any] = [
        profile,
        from_micros(one.known_at).replace(tzinfo=None),
        from_micros(event.timestamp).replace(tzinfo=None),
        event.order,
        event.name,
        event.type,
        to_text(event.properties),
        to_text(event.context),
    ]
    for name, facets in columns.items():
        value = _value_on(one, name)
        for facet in facets:
            is_mine = _FACET_OF.get(type(value)) == facet
            row.append((unscaled(value) if type(value) is int else value) if is_mine else None)
    return row


def _value_on(one: Known, name: str) -> Value:
    event = one.event
    return from_json(event_property(event.properties, event.context, tuple(name.split("."))))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return _TOO_LARGE
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
