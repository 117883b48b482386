"""Properties of an event as a query reads them: their JSON, or the columns of promoted ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sqlglot import exp

from tailorbird.language.warehouse import facets, sql
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.language.warehouse.facets import Facets
from tailorbird.language.warehouse.sql import Sql

_LISTED = "listed"
_APART = tuple(sql.constant(sql.column(name, "e")) for name in ("rest", "items"))


@dataclass(frozen=True)
class Carried:
    """The columns in which the value of a property is carried from one table into the next.

    A promoted property has one for each facet; the others have their JSON, under `value`.
    """

    columns: dict[str, Sql]
    is_promoted: bool

    def named(self) -> list[Sql]:
        """Return the columns as read from the event."""
        return [sql.named(value, name) for name, value in self.columns.items()]

    def again(self, table: str) -> list[Sql]:
        """Return the columns as read from a table."""
        return [sql.column(name, table) for name in self.columns]

    def read(self, table: str) -> Facets:
        """Return the value as read from a table."""
        if not self.is_promoted:
            return facets.of_json(sql.column("value", table))
        return Facets(**{name: sql.column(name, table) for name in self.columns})

    def key(self, table: str) -> Sql:
        """Return a text that is the same for the same values only."""
        if not self.is_promoted:
            return sql.call("key", sql.column("value", table))
        if len(self.columns) == 1:  # always of one type: equal is equal
            return self.again(table)[0]
        return self.read(table).key()


@dataclass(frozen=True)
class Once:
    """Reads properties for a condition: each in a column of the table below, found once.

    A condition looks at what it reads several times, and JSON would be parsed at each.
    """

    json: Callable[[tuple[str, ...]], Sql]
    _names: dict[tuple[str, ...], str] = field(default_factory=dict)

    def __call__(self, parts: tuple[str, ...]) -> Facets:
        """Return a property as read from the table `e`."""
        name = self._names.setdefault(parts, f"of_{len(self._names)}")
        return facets.of_json(sql.column(name, "e"))

    def named(self) -> list[Sql]:
        """Return the columns of all that was read."""
        return [sql.named(self.json(parts), name) for parts, name in self._names.items()]


def json_of(parts: tuple[str, ...], *, has_items: bool = False) -> Sql:
    """Return a property of the event as JSON; with items read where they lie."""
    read = _own if has_items else partial(member, sql.column("properties", "e"))
    own = read(parts)
    if parts[0] not in ("context", "properties") or len(parts) < 2:
        return own
    # A property may have this name itself.
    is_context = parts[0] == "context"
    other = member(sql.column("context", "e"), parts[1:]) if is_context else read(parts[1:])
    return sql.case((sql.is_there(read(parts[:1])), own), otherwise=other)


def each_of(parts: tuple[str, ...], *, has_items: bool = False) -> Sql:
    """Return the elements of a property of the event as a list."""
    if has_items and len(parts) == 1:
        return sql.call("each_own", *_APART, _name(parts[0]))
    return sql.call("each", json_of(parts, has_items=has_items))


def _own(parts: tuple[str, ...]) -> Sql:
    return inside(sql.call("own", *_APART, _name(parts[0])), parts[1:])


def member(json_object: Sql, parts: tuple[str, ...]) -> Sql:
    """Follow a path from a JSON object."""
    return inside(sql.call("get", json_object, _name(parts[0])), parts[1:])


def inside(value: Sql, parts: tuple[str, ...]) -> Sql:
    """Follow a path from any JSON value; through a list it flattens."""
    for part in parts:
        value = sql.call("at", value, _name(part))
    return value


def _name(part: str) -> Sql:
    if '"' in part:
        raise WarehouseError(f"a warehouse is asked no name with a quote in it: {part}")
    return sql.text(part)


def listed(items: Sql) -> Sql:
    """Give a list its name as a column, which is what `unnested` takes apart.

    A list that were made where it is taken apart DuckDB would join to its event by the event's
    whole JSON, and Spark would refuse.
    """
    return sql.named(items, _LISTED)


def unnested(table: str, *, with_position: bool) -> Sql:
    """Return the table `i` of the items of a table's list, with item and, if asked, pos."""
    return exp.Unnest(
        expressions=[sql.column(_LISTED, table)],
        alias=exp.TableAlias(this=exp.to_identifier("i"), columns=[exp.to_identifier("item")]),
        offset=exp.to_identifier("pos") if with_position else None,
    )
