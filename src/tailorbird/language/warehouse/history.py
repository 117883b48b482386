"""Aggregates in SQL: each becomes a table with one row for each person who has something to count.

As `oracle_history` has it: filter, take the latest N, apply the window. A window holds the latest
events only, so that it may be applied first. Where what is folded is all the same cheaper than
finding who has more than N, everybody is folded, and those few again by their latest N.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from sqlglot import exp

from tailorbird.base.time import Duration
from tailorbird.language import tree
from tailorbird.language.needs import Interest, PointsScore
from tailorbird.language.warehouse import sql
from tailorbird.language.warehouse.chains import Chains
from tailorbird.language.warehouse.events import ONE, Events, people_of, place, place_of
from tailorbird.language.warehouse.facets import Facets
from tailorbird.language.warehouse.frame import Frame
from tailorbird.language.warehouse.interests import top_table, weight_table
from tailorbird.language.warehouse.points import points_table
from tailorbird.language.warehouse.properties import (
    Carried,
    Once,
    inside,
    listed,
    member,
    unnested,
)
from tailorbird.language.warehouse.sql import Sql
from tailorbird.language.warehouse.tables import Tables

_EXEMPT = ("count", "sum", "avg", "rate", "min", "max", "first", "last")
_WITH_ITEMS = ("any", "none", "count")
_CHAINS = ("abandoned", "followed", "sequence")
_EVENTS = "events"
# Where a value lies among those of a person.
_PLACE = ("timestamp", "event_order", "pos")


class _Folded(NamedTuple):
    """Values grouped by person: what is told of each, and how many events that took."""

    rows: exp.Select
    told: Mapping[str, Sql]
    events: Sql

    def select(self, *, with_events: bool = False) -> exp.Select:
        told = [sql.named(value, name) for name, value in self.told.items()]
        if with_events:
            told.append(sql.named(self.events, _EVENTS))
        return self.rows.select(*told, copy=False)


# Folds `select KEYS from values as v`.
_Fold = Callable[[exp.Select], _Folded]


@dataclass(frozen=True, kw_only=True)
class History:
    """Makes the tables of aggregates."""

    frame: Frame
    tables: Tables
    events: Events
    cap: int

    # -- one row for each person -----------------------------------------------------------------

    def counted(self, node: tree.Aggregate, cap: int | None) -> Sql:
        """Return how many events or items there are; null where none."""
        selector, window = node.selectors[0], _window_of(node)
        limit = cap if window is not None or node.kind not in _EXEMPT else None
        if selector.path and node.kind in _WITH_ITEMS:
            what = ("items", selector, window, limit)
            name = self.tables.keep(what, lambda: self._item_counts(selector, window, limit))
            return sql.column("n", name)
        count = _at_most(limit, exp.Count(this=exp.Star()))
        return self._gathered(selector, window, "n" if limit is None else f"n_{limit}", count)

    def rate(self, node: tree.Aggregate, cap: int) -> tuple[Sql, Sql]:
        """Return how many events of both arguments there are; null where none of either."""
        limit = cap if node.within is not None else None

        def make() -> exp.Select:
            names = [one.event for one in node.selectors]
            counts = {
                name: _at_most(limit, exp.Count(this=sql.case((self._is_taken(one), ONE))))
                for name, one in zip(("ups", "downs"), node.selectors, strict=True)
            }
            return self._grouped(self.events.named(names, node.within), "e", counts)

        name = self.tables.keep(("rate", node.selectors, node.within, limit), make)
        return sql.column("ups", name), sql.column("downs", name)

    def latest_at(self, node: tree.Aggregate) -> Sql:
        """Return the instant of the latest event in microseconds; null where none."""
        latest = sql.call("micros", exp.Max(this=sql.column("timestamp", "e")))
        return self._gathered(node.selectors[0], node.within, "latest_at", latest)

    def numbers(self, node: tree.Aggregate, cap: int) -> tuple[Sql, Sql]:
        """Return the sum, least or greatest of the numbers, and how many there are."""
        selector, limit = node.selectors[0], cap if node.within is not None else None
        carried = self.events.carried(selector.path)
        form = {"min": exp.Min, "max": exp.Max}.get(node.kind, exp.Sum)
        if limit is None and carried.is_promoted:
            value = carried.columns.get("number", _NO_NUMBER)
            stem = "_".join((form.__name__.lower(), *selector.path))
            return (
                self._gathered(selector, node.within, stem, form(this=sql.own(value))),
                self._gathered(selector, node.within, f"n_{stem}", exp.Count(this=sql.own(value))),
            )

        def fold(rows: exp.Select) -> _Folded:
            value = carried.read("v").number or _NO_NUMBER
            told = {"found": form(this=sql.own(value)), "n": exp.Count(this=sql.own(value))}
            return _Folded(self._by_person(rows, "v"), told, exp.Count(this=exp.Star()))

        name = self._folded(form.__name__, selector, node.within, limit, fold)
        return sql.column("found", name), sql.column("n", name)

    def edge(self, node: tree.Aggregate, cap: int) -> Facets:
        """Return the value on the first or the last event."""
        selector, is_last = node.selectors[0], node.kind == "last"
        limit = cap if node.within is not None and not is_last else None
        carried = self.events.carried(selector.path)

        def make() -> exp.Select:
            latest = self.events.latest(selector, node.within, limit, carried)
            rows = self.events.of(latest, "m").select(*carried.again("m"), copy=False)
            return self._first_of(rows, "m", carried, falls=is_last)

        name = self.tables.keep((node.kind, selector, node.within, limit), make)
        return carried.read(name)

    def distinct(self, node: tree.Aggregate, cap: int) -> Sql:
        """Return how many different values there are; null where none."""
        selector = node.selectors[0]

        def fold(rows: exp.Select) -> _Folded:
            return self._of_keys(rows, selector, exp.Count(this=sql.column("key", "k")))

        return sql.column("n", self._folded("distinct", selector, node.within, cap, fold))

    def most(self, node: tree.Aggregate, cap: int) -> Sql:
        """Return the largest count of one value; null where none."""
        selector = tree.Selector(
            event=node.selectors[0].event, path=node.by, where=node.selectors[0].where
        )

        def fold(rows: exp.Select) -> _Folded:
            is_value = sql.is_there(sql.column("key", "k"))
            count = sql.case((is_value, sql.column("n", "k")))
            return self._of_keys(rows, selector, exp.Max(this=count))

        return sql.column("n", self._folded("most", selector, node.within, cap, fold))

    def favourite(self, node: tree.Aggregate, cap: int) -> Facets:
        """Return the value seen most often; of equals the one seen latest."""
        selector = node.selectors[0]
        carried = self.events.carried(selector.path)
        if carried.is_promoted and len(carried.columns) == 1:
            fold = partial(self._favourite_key, carried=carried)
            return carried.read(self._folded("favourite", selector, node.within, cap, fold))

        def make() -> exp.Select:
            values, _ = self.events.values(selector, node.within, cap)
            return self._favourite_value(values, carried)

        name = self.tables.keep(("favourite", selector, node.within, cap), make)
        return carried.read(name)

    def _favourite_key(self, values: exp.Select, carried: Carried) -> _Folded:
        # Of one type a key is the value itself: groups are ranked, not what is in them.
        key, count = carried.key("v"), exp.Count(this=exp.Star())
        columns = {
            **dict.fromkeys(carried.columns, key),
            "n": count,
            "seen": sql.case((sql.is_there(key), count), otherwise=sql.integer(0)),
            "place": exp.Max(this=place_of("v")),
        }
        groups = self._grouped(values, "v", columns).group_by(sql.own(key), copy=False)
        keys = self.frame.key_columns("c")
        order = [(sql.column(name, "c"), True) for name in ("seen", "place")]
        ranked = self.events.of(groups, "c").select(
            *carried.again("c"),
            sql.named(sql.rank_of(keys, *order), "rank"),
            sql.named(sql.sum_from_here(sql.column("n", "c"), keys, *order), _EVENTS),
            copy=False,
        )
        best = self.events.of(ranked, "x")
        best = best.where(sql.compare("=", sql.column("rank", "x"), ONE), copy=False)
        told = {name: sql.column(name, "x") for name in carried.columns}
        return _Folded(best, told, sql.column(_EVENTS, "x"))

    def _favourite_value(self, values: exp.Select, carried: Carried) -> exp.Select:
        key = carried.key("v")
        partition = [*self.frame.key_columns("v"), key]
        order = [(sql.column(name, "v"), True) for name in _PLACE]
        count = exp.Window(this=exp.Count(this=exp.Star()), partition_by=partition)
        counted = values.where(sql.is_there(key), copy=False).select(
            sql.named(count, "n"),
            sql.named(sql.rank_of(partition, *order), "back"),
            *(sql.column(name, "v") for name in _PLACE),
            *carried.again("v"),
            copy=False,
        )
        best = self.events.of(counted, "c").select(*carried.again("c"), copy=False)
        order = [(sql.column(name, "c"), True) for name in ("n", *_PLACE)]
        rank = sql.rank_of(self.frame.key_columns("c"), *order)
        best = best.select(sql.named(rank, "rank"), copy=False)
        best = best.where(sql.compare("=", sql.column("back", "c"), ONE), copy=False)
        return self._of_rank_one(best, carried)

    def points(self, score: PointsScore) -> Sql:
        """Return a score's points in billionths; null where nobody gave any."""

        def make() -> exp.Select:
            return points_table(score, self.frame, lambda one: self.events.matching(one, None))

        return sql.column("total", self.tables.keep(("points", score), make))

    def interest(self, interest: Interest, of: str, cap: int) -> Sql:
        """Return the weight of a value in billionths of a point, or the value that weighs most.

        Null where there is none.
        """

        def values(selector: tree.Selector) -> tuple[exp.Select, Carried]:
            return self.events.values(selector, None, cap)

        def make() -> exp.Select:
            if of:
                return weight_table(interest, of, self.frame, values)
            return top_table(interest, self.frame, values)

        name = self.tables.keep(("interest", interest, of, cap), make)
        return sql.column("total" if of else "text", name)

    # -- what is known of the person -------------------------------------------------------------

    def trait(self, name: str) -> Sql:
        """Return the JSON that the latest call wrote; null where none did."""

        def make() -> exp.Select:
            value = member(sql.column("properties", "e"), (name,))
            kind = sql.column("type", "e")
            writes = sql.compare("=", kind, sql.text("identify"))
            if name == "group_id":
                # Of a group only that the person belongs to it.
                joins = sql.compare("=", kind, sql.text("group"))
                writes = sql.either(writes, sql.both(joins, sql.is_there(sql.call("text", value))))
            carried = Carried({"value": value}, is_promoted=False)
            rows = self.frame.events().where(writes, sql.is_there(value))
            return self._first_of(rows.select(*carried.named()), "e", carried, falls=True)

        return sql.column("value", self.tables.keep(("trait", name), make))

    def context(self) -> Sql:
        """Return the context of the latest event that carries one; null where none does."""

        def make() -> exp.Select:
            context = sql.column("context", "e")
            carried = Carried({"value": context}, is_promoted=False)
            rows = self.frame.events().where(sql.call("has_members", context))
            return self._first_of(rows.select(*carried.named()), "e", carried, falls=True)

        return sql.column("value", self.tables.keep("context", make))

    def _item_counts(
        self, selector: tree.Selector, window: Duration | None, cap: int | None
    ) -> exp.Select:
        """Count the items of the latest N events that have one."""
        at, order = sql.column("timestamp", "e"), sql.column("event_order", "e")
        lists = self.events.matching(tree.Selector(event=selector.event), window)
        lists = lists.select(at, order, listed(self.events.each(selector.path)), copy=False)
        item = sql.column("item", "i")
        items = sql.cross_joined(self.events.of(lists, "e"), unnested("e", with_position=False))
        items = items.select(at, order, copy=False).where(sql.call("is_value", item), copy=False)
        events = items
        if selector.where is not None:
            once = Once(partial(inside, item))
            holds = self.events.holds(selector.where, once)
            items = items.select(*once.named(), copy=False)
            events = self.events.of(items, "e").select(at, order, copy=False)
            events = events.where(holds, copy=False)
        keys = self.frame.key_columns("e")
        events = events.select(sql.named(exp.Count(this=exp.Star()), "n"), copy=False)
        events = events.group_by(*keys, at, order, copy=False)
        if cap is not None:
            ranked = self.events.of(events, "m").select(
                sql.column("n", "m"),
                sql.named(
                    sql.rank_of(self.frame.key_columns("m"), *place("m", falls=True)), "back"
                ),
            )
            latest = self.events.of(ranked, "m").select(sql.column("n", "m"))
            events = latest.where(sql.compare("<=", sql.column("back", "m"), sql.integer(cap)))
        total = exp.Sum(this=sql.column("n", "c"))
        return self._grouped(self.events.of(events, "c"), "c", {"n": total})

    def chain(self, node: tree.Aggregate, cap: int) -> Sql:
        """Return true where a chain is there; null where not."""
        chains = Chains(frame=self.frame, tables=self.tables, events=self.events)
        what = (node.kind if node.kind == "abandoned" else "sequence", _without_kind(node), cap)
        return sql.column("is_there", self.tables.keep(what, lambda: chains.table(node, cap)))

    # -- shapes ----------------------------------------------------------------------------------

    def _gathered(
        self, selector: tree.Selector, window: Duration | None, name: str, value: Sql
    ) -> Sql:
        """Return what is told of all events of an argument, in one table whatever is asked."""
        of_event = tree.Selector(event=selector.event, where=selector.where)

        def make() -> exp.Select:
            return self._by_person(self.events.matching(of_event, window), "e")

        table = self.tables.keep(("gathered", of_event, window), make)
        select = self.tables.selects[table]
        assert isinstance(select, exp.Select)
        if name not in select.named_selects:
            select.select(sql.named(value, name), copy=False)
        return sql.column(name, table)

    def _folded(
        self,
        kind: str,
        selector: tree.Selector,
        window: Duration | None,
        cap: int | None,
        fold: _Fold,
    ) -> str:
        """Keep the fold of the values on the latest N events; return the table's name."""
        events, carried = self.events, self.events.carried(selector.path)
        what = (kind, selector, window, cap)

        def all_of_them() -> exp.Select:
            values, _ = events.values(selector, window, None)
            return fold(values).select(with_events=True)

        def make() -> exp.Query:
            if cap is None or self.frame.now is None or not carried.is_promoted:
                return fold(events.values(selector, window, cap)[0]).select()
            name = self.tables.below((*what, _EVENTS), all_of_them)
            count = sql.column(_EVENTS, name)
            crowd = people_of(name).where(sql.compare(">", count, sql.integer(cap)), copy=False)
            matching = events.matching(selector, window)
            matching = matching.where(sql.is_in("profile_id", "e", crowd), copy=False)
            again = fold(events.taken_apart(events.ranked(matching, cap, carried), carried))
            few = sql.select(
                *self.frame.key_columns(name), *(sql.column(one, name) for one in again.told)
            ).from_(sql.table(name), copy=False)
            few = few.where(sql.compare("<=", count, sql.integer(cap)), copy=False)
            return exp.union(few, again.select(), distinct=False, copy=False)

        return self.tables.keep(what, make)

    def _of_keys(self, values: exp.Select, selector: tree.Selector, found: Sql) -> _Folded:
        """Fold the counts of each value, as `k`; a value that is missing has a null key."""
        key = sql.named(self.events.carried(selector.path).key("v"), "key")
        rows = self.events.of(values.select(key, copy=False), "y")
        key = sql.column("key", "y")
        counts = self._grouped(rows, "y", {"key": key, "n": exp.Count(this=exp.Star())})
        groups = self.events.of(counts.group_by(sql.own(key), copy=False), "k")
        count = exp.Sum(this=sql.column("n", "k"))
        return _Folded(self._by_person(groups, "k"), {"n": found}, count)

    def _is_taken(self, selector: tree.Selector) -> Sql:
        is_named = sql.compare("=", sql.column("event", "e"), sql.text(selector.event))
        if selector.where is None:
            return is_named
        return sql.both(is_named, self.events.holds(selector.where, self.events.value))

    def _by_person(self, rows: exp.Select, table: str) -> exp.Select:
        return rows.group_by(*self.frame.key_columns(table), copy=False)

    def _grouped(self, rows: exp.Select, table: str, columns: Mapping[str, Sql]) -> exp.Select:
        named = (sql.named(value, name) for name, value in columns.items())
        return self._by_person(rows.select(*named, copy=False), table)

    def _first_of(
        self, rows: exp.Select, table: str, carried: Carried, *, falls: bool
    ) -> exp.Select:
        rank = sql.rank_of(self.frame.key_columns(table), *place(table, falls=falls))
        return self._of_rank_one(rows.select(sql.named(rank, "rank"), copy=False), carried)

    def _of_rank_one(self, ranked: exp.Select, carried: Carried) -> exp.Select:
        found = self.events.of(ranked, "x").select(*carried.again("x"), copy=False)
        return found.where(sql.compare("=", sql.column("rank", "x"), ONE), copy=False)


_NO_NUMBER = sql.constant(exp.Cast(this=sql.NULL.copy(), to=sql.NUMBER.copy()))


def _at_most(limit: int | None, count: Sql) -> Sql:
    return count if limit is None else exp.Least(this=count, expressions=[sql.integer(limit)])


def _window_of(node: tree.Aggregate) -> Duration | None:
    return node.over if node.kind in _CHAINS else node.within


def _without_kind(node: tree.Aggregate) -> tuple[object, ...]:
    return (node.selectors, node.by, node.within, node.over, node.after)
