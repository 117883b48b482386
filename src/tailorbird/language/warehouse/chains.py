"""Chains of events in SQL: what was begun and not done, and what followed what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from tailorbird.base.time import Duration
from tailorbird.language import tree
from tailorbird.language.warehouse import sql
from tailorbird.language.warehouse.events import NOTHING, ONE, Events, people_of, place_of
from tailorbird.language.warehouse.frame import Frame, after
from tailorbird.language.warehouse.properties import Carried
from tailorbird.language.warehouse.sql import Sql
from tailorbird.language.warehouse.tables import Tables

_TIME = ("timestamp", "event_order")


# Returns the events of a step (`at`) that chains are made of: keys, time, order, value.
_Steps = Callable[[int], exp.Query]


@dataclass(frozen=True, kw_only=True)
class Chains:
    """Makes the tables of chains: a row `is_there` for each person who has one."""

    frame: Frame
    tables: Tables
    events: Events

    def table(self, node: tree.Aggregate, cap: int) -> exp.Query:
        """Return the people who have a chain."""
        if node.kind == "abandoned":
            return self._abandoned(node, cap)
        if self.frame.now is None:
            return self._sequence(node, lambda at: self._ranked(node, at, cap, None))
        # Who has no chain among all events has none among the latest N: few are left to count.
        found = self.tables.below(
            ("chains", node), lambda: self._sequence(node, lambda at: self._all(node, at))
        )
        names = [one.event for one in node.selectors]
        crowd = self.events.crowd(names, node.over, cap, among=found)
        many = self._sequence(node, lambda at: self._ranked(node, at, cap, sql.own(crowd)))
        few = people_of(found).select(sql.column("is_there", found), copy=False)
        few = few.where(sql.negated(sql.is_in("profile_id", found, crowd)), copy=False)
        return exp.union(few, many, distinct=False, copy=False)

    def _abandoned(self, node: tree.Aggregate, cap: int) -> exp.Select:
        firsts, thens = (self._latest_of_step(node, at, cap) for at in (0, 1))
        keys = self._keys(node)
        same = [sql.compare("=", sql.column(k, "f"), sql.column(k, "t")) for k in keys]
        first, then = sql.column("place", "f"), sql.column("place", "t")
        found = self._people("f").from_(firsts.subquery("f", copy=False), copy=False)
        latest = thens.subquery("t", copy=False)
        found = sql.left_joined(found, latest, sql.both(*same))
        is_open = sql.either(sql.is_null(then), sql.compare("<=", then, first))
        at = sql.call("micros_of_place", first)
        has_come = self.frame.has_come(node.after or Duration(), at)
        return found.where(is_open, has_come, copy=False)

    def _latest_of_step(self, node: tree.Aggregate, at: int, cap: int) -> exp.Select:
        keys = [sql.column(name, "s") for name in self._keys(node)]
        latest = sql.named(exp.Max(this=place_of("s")), "place")
        # The latest event of all is among the latest N; that of a key need not be.
        limit = cap if node.by else None
        rows = self.events.latest(_of_step(node, at), node.over, limit, self._carried(node))
        step = self._step(node, rows)
        found = sql.select(*keys, latest).from_(step.subquery("s", copy=False), copy=False)
        return found.group_by(*keys, copy=False)

    def _sequence(self, node: tree.Aggregate, steps: _Steps) -> exp.Select:
        keys = self._keys(node)
        names = [sql.column(name, "s") for name in (*keys, *_TIME)]
        start = sql.named(sql.column("timestamp", "s"), "start")
        first = self._step(node, steps(0))
        chain = sql.select(*names, start).from_(first.subquery("s", copy=False), copy=False)
        for at in range(1, len(node.selectors)):
            chain = self._carried_on(chain, self._step(node, steps(at)), keys)
        found = self._people("f").from_(chain.subquery("f", copy=False), copy=False)
        if node.within is None:
            return found
        begin, end = (sql.call("micros", sql.column(n, "f")) for n in ("start", "timestamp"))
        return found.where(sql.compare("<=", end, after(begin, node.within)), copy=False)

    def _all(self, node: tree.Aggregate, at: int) -> exp.Query:
        """Return all events of a step."""
        matching = self.events.matching(_of_step(node, at), node.over)
        last = node.selectors[-1].event
        if at < len(node.selectors) - 1:
            # Few have the last step of most chains; nobody else's events need be put in order.
            people = self.events.named([last], node.over)
            matching = matching.where(sql.is_in("profile_id", "e", people), copy=False)
        return self.events.timed(matching, self._carried(node))

    def _ranked(
        self, node: tree.Aggregate, at: int, cap: int, people: exp.Select | None
    ) -> exp.Query:
        """Return the latest N events of a step, of some people or of all."""
        matching = self.events.matching(_of_step(node, at), node.over)
        if people is not None:
            matching = matching.where(sql.is_in("profile_id", "e", people), copy=False)
        return self.events.ranked(matching, cap, self._carried(node))

    def _carried_on(self, chain: exp.Select, step: exp.Select, keys: tuple[str, ...]) -> exp.Select:
        """Carry chains on by the next event of a step.

        Both lie in one list in the total order, an event before a chain that ends with it: what
        follows a chain is strictly later. Of several chains before an event the last one goes on:
        it began latest, so that any span that holds another holds it too.
        """
        links = _listed(chain, "c", (*keys, *_TIME), sql.column("start", "c"), is_chain=True)
        steps = _listed(step, "s", (*keys, *_TIME), sql.column("timestamp", "s"), is_chain=False)
        both = exp.union(links, steps, distinct=False, copy=False).subquery("u", copy=False)
        following = [
            sql.named(_next(name, keys, default), f"next_{name}")
            for name, default in (*((one, None) for one in _TIME), ("is_chain", ONE))
        ]
        names = [sql.column(name, "u") for name in (*keys, "start", "is_chain")]
        found = sql.select(*names, *following).from_(both, copy=False)
        onward = sql.select(*(sql.column(name, "w") for name in keys))
        onward = onward.from_(found.subquery("w", copy=False), copy=False)
        onward = onward.select(
            *(sql.named(sql.column(f"next_{name}", "w"), name) for name in _TIME),
            sql.column("start", "w"),
            copy=False,
        )
        return onward.where(
            sql.compare("=", sql.column("is_chain", "w"), ONE),
            sql.compare("=", sql.column("next_is_chain", "w"), sql.integer(0)),
            copy=False,
        )

    def _step(self, node: tree.Aggregate, events: exp.Query) -> exp.Select:
        """Return the keys, time and order of a step's events."""
        if not node.by:
            return self.events.of(events, "m").select(*_time("m"), copy=False)
        carried = self._carried(node)
        values, key = self.events.taken_apart(events, carried), carried.key("v")
        found = values.select(*_time("v"), sql.named(key, "key"), copy=False)
        return found.where(sql.is_there(key), copy=False)

    def _carried(self, node: tree.Aggregate) -> Carried:
        return self.events.carried(node.by) if node.by else NOTHING

    def _keys(self, node: tree.Aggregate) -> tuple[str, ...]:
        return (*self.frame.keys, "key") if node.by else self.frame.keys

    def _people(self, table: str) -> exp.Select:
        keys = self.frame.key_columns(table)
        return sql.select(*keys, sql.named(sql.TRUE, "is_there")).distinct(copy=False)


def _of_step(node: tree.Aggregate, at: int) -> tree.Selector:
    selector = node.selectors[at]
    return tree.Selector(event=selector.event, path=node.by, where=selector.where)


def _time(table: str) -> list[Sql]:
    return [sql.column(name, table) for name in _TIME]


def _listed(
    rows: exp.Select, table: str, names: tuple[str, ...], start: Sql, *, is_chain: bool
) -> exp.Select:
    found = sql.select(*(sql.column(name, table) for name in names))
    found = found.from_(rows.subquery(table, copy=False), copy=False)
    mark = sql.named(sql.integer(int(is_chain)), "is_chain")
    return found.select(sql.named(start, "start"), mark, copy=False)


def _next(name: str, keys: tuple[str, ...], default: Sql | None) -> Sql:
    """Return a column of the next row of the list."""
    value = sql.column(name, "u")
    # An engine may give a zero where there is no next row, unless it is told.
    lead = (
        exp.Lead(this=value)
        if default is None
        else exp.Lead(this=value, offset=sql.own(ONE), default=sql.own(default))
    )
    order = [(sql.column(one, "u"), False) for one in (*_TIME, "is_chain")]
    return sql.over(lead, [sql.column(key, "u") for key in keys], order)
