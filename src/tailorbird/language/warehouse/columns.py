"""Reads Parquet of whoever wrote it: which columns stand for which, and in what form.

What the lake writes is taken as it lies; `reference` tells what else is understood.
"""

from __future__ import annotations

from collections.abc import Mapping

from tailorbird.language.warehouse import items
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.language.warehouse.facets import NAMES

# Names of a column in the order in which they are looked for, and what it is where none is there.
_NAMES: dict[str, tuple[tuple[str, ...], str | None]] = {
    "profile_id": (("profile_id",), None),
    "timestamp": (("timestamp",), None),
    "event": (("event", "name"), None),
    "known_at": (("known_at", "received_at"), "CAST(NULL AS TIMESTAMP)"),
    # Of equal instants the row that comes first was first, as in a list of events.
    "event_order": (("event_order",), "(e.file_index << 40) + e.file_row_number"),
    "type": (("type",), "'track'"),
    "properties": (("properties",), "CAST('{}' AS JSON)"),
    "context": (("context",), "CAST('{}' AS JSON)"),
}
_OF_THE_MESSAGE = ("message_id", "user_id", "anonymous_id")
_WHOLE_NUMBERS = frozenset({"BIGINT", "UBIGINT", "INTEGER", "UINTEGER", "HUGEINT"})
_NUMBER = "DECIMAL(22,9)"

# Columns of a file: name -> type, as DuckDB spells it.
Kinds = Mapping[str, str]


def source_of(files: str, columns: Kinds, *, is_own: bool) -> str:
    """Return the call that reads files; with rows numbered where `columns` tell no order."""
    numbered = "" if is_own or "event_order" in columns else ", file_row_number = true"
    # Days of the lake are folders, which say nothing that a column does not.
    plain = ", hive_partitioning = false" if is_own else ""
    # Files grow columns: a property that a file lacks did not occur in it.
    return f"read_parquet({files}, union_by_name = true{plain}{numbered})"


def event_columns(
    columns: Kinds, place: str, names: Mapping[str, str], *, is_own: bool
) -> dict[str, str]:
    """Return what each column of `events` is made of, but `profile_id`.

    Args:
        columns: Those of the files.
        place: The files, for messages.
        names: Names of events as they were written -> as they are compared, where they differ.
        is_own: The lake wrote them, so that each event has all of its columns.

    Raises:
        WarehouseError: a column is missing, or holds what is not read.
    """
    found = _named(columns, place)
    timestamp, known_at = _instant("timestamp", columns, place), found["known_at"]
    parts = {"timestamp": timestamp, "event": event_name(columns, place)}
    if names:
        pairs = ", ".join(f"{quoted(sent)}: {quoted(name)}" for sent, name in names.items())
        parts["event"] = f"coalesce(MAP {{{pairs}}}[{parts['event']}], {parts['event']})"
    if known_at is None:
        parts["known_at"] = timestamp
    else:
        written = _instant(known_at, columns, place)
        parts["known_at"] = written if is_own else f"coalesce({written}, {timestamp})"
    for name in ("event_order", "type"):
        parts[name] = f"e.{name}" if found[name] else str(_NAMES[name][1])
    parts["context"] = json_column(columns, "context", place)
    if not found["properties"]:
        parts["properties"] = _of_others(columns)
    elif has_items(columns):
        parts["properties"] = "tb_whole(e.properties::JSON, e.items)"
        parts |= {"rest": "e.properties::JSON", "items": "e.items"}
    else:
        parts["properties"] = json_column(columns, "properties", place)
    return parts


def has_items(columns: Kinds) -> bool:
    """Say whether the items of lists lie apart from the properties' JSON."""
    return columns.get("properties") == "VARCHAR" and columns.get(items.COLUMN) == items.KIND


def event_name(columns: Kinds, place: str) -> str:
    """Return the name of the event as text."""
    name = _named(columns, place)["event"]
    assert name is not None, "a needed column is there"
    return _text(name, columns[name], place)


def json_column(columns: Kinds, name: str, place: str) -> str:
    """Return a column of objects as JSON; whatever form they have in the files."""
    kind = columns.get(name)
    if kind is None:
        return "CAST('{}' AS JSON)"
    if kind == "BLOB":
        return f"decode(e.{name})::JSON"
    if kind in ("JSON", "VARCHAR", "VARIANT") or kind.startswith(("STRUCT", "MAP")):
        return f"e.{name}::JSON"
    # A column without any value is written with whatever type the writer took.
    if kind in ('"NULL"', "NULL", "INTEGER"):
        return f"e.{name}::VARCHAR::JSON"
    raise WarehouseError(
        f"{place}: column {name} is of type {kind}; write objects, as JSON texts or as structs"
    )


def profile_column(columns: Kinds, name: str, place: str) -> str:
    """Return a column of what is given beside the events."""
    if name not in columns:
        return "NULL"
    return f"e.{name}" if name == "timezone" else json_column(columns, name, place)


def promoted_columns(columns: Kinds) -> dict[str, tuple[str, str]]:
    """Return the columns of promoted properties: name -> (property, facet)."""
    found = {}
    for name in columns:
        stem, _, facet = name.rpartition("__")
        if stem and facet in NAMES:
            found[name] = (stem.replace("__", "."), facet)
    return found


def promoted_column(name: str, facet: str, kind: str) -> str:
    """Return a promoted property in the form of its facet."""
    if facet == "number" and kind.replace(" ", "") != _NUMBER and not kind.startswith("DECIMAL"):
        return f"tb_rounded(TRY_CAST(e.{identifier(name)} AS DECIMAL(38, 25)))"
    return f"e.{identifier(name)}"


def identifier(name: str) -> str:
    """Quote a name of a column."""
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """Quote a text."""
    return "'" + text.replace("'", "''") + "'"


def _named(columns: Kinds, place: str) -> dict[str, str | None]:
    """Return which column of the files stands for which, None where it may be missing."""
    found = {
        name: next((one for one in names if one in columns), None)
        for name, (names, _) in _NAMES.items()
    }
    for name, column in found.items():
        if column is None and _NAMES[name][1] is None:
            raise WarehouseError(f"{place} has no column {name}; it has {', '.join(columns)}")
    return found


def _instant(column: str, columns: Kinds, place: str) -> str:
    kind = columns[column]
    if kind == "TIMESTAMP":
        return f"e.{column}"
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return f"CAST(e.{column} AS TIMESTAMP)"
    if kind == "VARCHAR":
        return f"CAST(CAST(e.{column} AS TIMESTAMPTZ) AS TIMESTAMP)"
    if kind in _WHOLE_NUMBERS:
        return f"make_timestamp(e.{column}::BIGINT)"
    raise WarehouseError(
        f"{place}: column {column} is of type {kind}; write timestamps in UTC, texts like"
        " 2026-01-31T10:00:00Z, or integer microseconds"
    )


def _text(column: str, kind: str, place: str) -> str:
    if kind == "VARCHAR":
        return f"e.{column}"
    if kind == "BLOB":
        return f"decode(e.{column})"
    if kind.startswith("ENUM"):
        return f"e.{column}::VARCHAR"
    raise WarehouseError(f"{place}: column {column} is of type {kind}; write names of events there")


def _of_others(columns: Kinds) -> str:
    """Without `properties` each column that says nothing else is a property."""
    taken = {name for names, _ in _NAMES.values() for name in names[:1]} | {*_OF_THE_MESSAGE}
    for names, _ in _NAMES.values():
        taken |= {next((name for name in names if name in columns), "")}
    others = [name for name in columns if name not in taken | {*promoted_columns(columns)}]
    if not others:
        return str(_NAMES["properties"][1])
    pairs = ", ".join(f"{quoted(name)}, e.{identifier(name)}" for name in others)
    return f"json_object({pairs})"
