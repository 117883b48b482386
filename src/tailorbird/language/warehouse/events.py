"""Events that an argument takes, the latest N of each person, and the values on them.

Numbering the events of everybody would sort them all, and nearly nobody has more than N. At one
instant events are counted first, and numbered for those who have more; at rows of people and
instants, where counting would be the dearer part, for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from tailorbird.base.time import Duration
from tailorbird.language import tree
from tailorbird.language.warehouse import facets, sql
from tailorbird.language.warehouse.conditions import Reader
from tailorbird.language.warehouse.facets import Facets
from tailorbird.language.warehouse.frame import Frame
from tailorbird.language.warehouse.properties import (
    Carried,
    Once,
    each_of,
    json_of,
    listed,
    unnested,
)
from tailorbird.language.warehouse.sql import Sql
from tailorbird.language.warehouse.tables import Tables

ONE = sql.constant(sql.integer(1))
NOTHING = Carried({}, is_promoted=True)
_TIME = ("timestamp", "event_order")


@dataclass(frozen=True, kw_only=True)
class Events:
    """Reads the events of one frame."""

    frame: Frame
    tables: Tables
    holds: Callable[[tree.Node, Reader], Sql]

    def value(self, parts: tuple[str, ...]) -> Facets:
        """Return a property of the event as facets."""
        found = self.frame.property_of(parts)
        return facets.of_json(self._json(parts)) if found is None else found

    def each(self, parts: tuple[str, ...]) -> Sql:
        """Return the elements of a property of the event as a list."""
        return each_of(parts, has_items=self.frame.has_items)

    def _json(self, parts: tuple[str, ...]) -> Sql:
        return json_of(parts, has_items=self.frame.has_items)

    def carried(self, parts: tuple[str, ...]) -> Carried:
        """Return how a property is carried on."""
        promoted = self.frame.property_of(parts)
        if promoted is None:
            return Carried({"value": self._json(parts)}, is_promoted=False)
        return Carried(promoted.there(), is_promoted=True)

    def named(self, names: Sequence[str], window: Duration | None) -> exp.Select:
        """Return the keys of all events of some names inside the window."""
        name = sql.column("event", "e")
        options = [sql.text(one) for one in sorted(set(names))]
        is_named = (
            sql.compare("=", name, options[0])
            if len(options) == 1
            else exp.In(this=name, expressions=options)
        )
        found = self.frame.events().where(is_named, copy=False)
        return found if window is None else found.where(self.frame.is_inside(window), copy=False)

    def matching(self, selector: tree.Selector, window: Duration | None) -> exp.Select:
        """Return the keys of the events that an argument takes inside the window."""
        found = self.named([selector.event], window)
        if selector.where is None:
            return found
        if not self.frame.has_items:
            return found.where(self.holds(selector.where, self.value), copy=False)
        once = Once(self._json)
        holds = self.holds(
            selector.where,
            lambda parts: (
                once(parts) if self.frame.property_of(parts) is None else self.value(parts)
            ),
        )
        every = exp.Column(this=exp.Star(), table=exp.to_identifier("e"))
        found.set("expressions", [every, *once.named()])
        return self.of(found, "e").where(holds, copy=False)

    def latest(
        self, selector: tree.Selector, window: Duration | None, cap: int | None, carried: Carried
    ) -> exp.Query:
        """Return keys, time, order and a value of the latest N events of each person."""
        if cap is None:
            return self.timed(self.matching(selector, window), carried)
        if self.frame.now is None:
            return self.ranked(self.matching(selector, window), cap, carried)
        crowd = self.crowd([selector.event], window, cap)
        few = self.matching(selector, window).where(sql.negated(_is_of(crowd)), copy=False)
        many = self.matching(selector, window).where(_is_of(crowd), copy=False)
        latest = self.ranked(many, cap, carried)
        return exp.union(self.timed(few, carried), latest, distinct=False, copy=False)

    def ranked(self, events: exp.Select, cap: int, carried: Carried) -> exp.Select:
        """Return the latest N of events, all of which are numbered for that."""
        rank = sql.rank_of(self.frame.key_columns("e"), *place("e", falls=True))
        ranked = self.timed(events, carried).select(sql.named(rank, "back"), copy=False)
        wanted = (*self.frame.keys, *_TIME, *carried.columns)
        found = sql.select(*(sql.column(name, "r") for name in wanted))
        found = found.from_(ranked.subquery("r", copy=False), copy=False)
        return found.where(sql.compare("<=", sql.column("back", "r"), sql.integer(cap)), copy=False)

    def values(
        self, selector: tree.Selector, window: Duration | None, cap: int | None
    ) -> tuple[exp.Select, Carried]:
        """Return `select KEYS from the values of a property, as v`, and how to read a value.

        Lists are taken apart. `v` has time and order, and pos, the place within the list.
        """
        carried = self.carried(selector.path)
        rows = self.taken_apart(self.latest(selector, window, cap, carried), carried)
        return rows, carried

    def taken_apart(self, events: exp.Query, carried: Carried) -> exp.Select:
        """Return `select KEYS from the values on events, as v`."""
        time = [sql.column(name, "m") for name in _TIME]
        rows = self.of(events, "m").select(*time, copy=False)
        if carried.is_promoted:
            rows = rows.select(sql.named(ONE, "pos"), *carried.again("m"), copy=False)
        else:
            rows = rows.select(listed(sql.call("each", sql.column("value", "m"))), copy=False)
            item = sql.named(sql.column("item", "i"), "value")
            rows = self.of(rows, "m").select(
                *map(sql.own, time), item, sql.column("pos", "i"), copy=False
            )
            rows = sql.cross_joined(rows, unnested("m", with_position=True))
        return self.of(rows, "v")

    def of(self, rows: exp.Query, name: str) -> exp.Select:
        """Return `select KEYS from rows as NAME`."""
        mine = rows.subquery(name, copy=False)
        return sql.select(*self.frame.key_columns(name)).from_(mine, copy=False)

    def crowd(
        self, names: Sequence[str], window: Duration | None, cap: int, among: str | None = None
    ) -> exp.Select:
        """Return the profiles that have more than N events of some names.

        Filters are left out: they cost more than the few who are numbered for nothing. With
        `among` only the people of a table are looked at.
        """
        several = tuple(sorted(set(names)))

        def make() -> exp.Select:
            people = self.named(several, window)
            if among is not None:
                people = people.where(_is_of(people_of(among)), copy=False)
            people = people.group_by(*self.frame.key_columns("e"), copy=False)
            count = exp.Count(this=exp.Star())
            return people.having(sql.compare(">", count, sql.integer(cap)), copy=False)

        return people_of(self.tables.below(("crowd", several, window, cap, among), make))

    def timed(self, events: exp.Select, carried: Carried) -> exp.Select:
        """Return keys, time, order and a value of events."""
        time = (sql.column(name, "e") for name in _TIME)
        return events.select(*time, *carried.named(), copy=False)


def people_of(table: str) -> exp.Select:
    """Return the profiles of a table."""
    return sql.select(sql.column("profile_id", table)).from_(sql.table(table), copy=False)


def _is_of(people: exp.Select) -> Sql:
    return sql.is_in("profile_id", "e", people)


def place(table: str, *, falls: bool) -> list[tuple[Sql, bool]]:
    """Return the total order of events."""
    return [(sql.column(name, table), falls) for name in _TIME]


def place_of(table: str) -> Sql:
    """Return an event's place in the total order as one number."""
    at, order = (sql.column(name, table) for name in _TIME)
    return sql.call("place", at, order)
