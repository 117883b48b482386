"""Aggregates in SQL: each becomes a table with one row for each person who has something to count.

As `oracle_history` has it: filter, take the latest N, apply the window. A window holds the latest
events only, so that it may be applied first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot import exp

from tailorbird.base.time import Duration
from tailorbird.language import tree
from tailorbird.language.needs import Interest, PointsScore
from tailorbird.language.warehouse import facets, sql
from tailorbird.language.warehouse.conditions import Reader
from tailorbird.language.warehouse.facets import Facets
from tailorbird.language.warehouse.frame import Frame, after
from tailorbird.language.warehouse.interests import top_table, weight_table
from tailorbird.language.warehouse.points import points_table
from tailorbird.language.warehouse.properties import Carried, inside, json_of, member, unnested
from tailorbird.language.warehouse.sql import Sql

_EXEMPT = ("count", "sum", "avg", "rate", "min", "max", "first", "last")
_WITH_ITEMS = ("any", "none", "count")
_CHAINS = ("abandoned", "followed", "sequence")
_ONE = sql.integer(1)


@dataclass(slots=True)
class Tables:
    """The tables that a query is made of, each once, by name."""

    selects: dict[str, exp.Query] = field(default_factory=dict)
    asked_for: list[str] = field(default_factory=list)
    _names: dict[object, str] = field(default_factory=dict)

    def keep(self, what: object, make: Callable[[], exp.Query]) -> str:
        """Keep a table under what it is; return its name."""
        if what not in self._names:
            select = make()
            self._names[what] = f"h{len(self._names) + 1}"
            self.selects[self._names[what]] = select
        self.asked_for.append(self._names[what])
        return self._names[what]


@dataclass(frozen=True, kw_only=True)
class History:
    """Makes the tables of aggregates."""

    frame: Frame
    tables: Tables
    holds: Callable[[tree.Node, Reader], Sql]
    cap: int

    # -- one row for each person -----------------------------------------------------------------

    def counted(self, node: tree.Aggregate, at: int, cap: int | None) -> Sql:
        """Return how many events or items there are; null where none."""
        selector, window = node.selectors[at], _window_of(node)
        has_items = bool(selector.path) and node.kind in _WITH_ITEMS
        limit = cap if window is not None or node.kind not in _EXEMPT else None

        def make() -> exp.Select:
            if has_items:
                return self._item_counts(selector, window, limit)
            count: Sql = exp.Count(this=exp.Star())
            if limit is not None:
                count = exp.Least(this=count, expressions=[sql.integer(limit)])
            return self._grouped(self._matching(selector, window), "e", n=count)

        name = self.tables.keep(("count", selector, window, limit, has_items), make)
        return sql.column("n", name)

    def latest_at(self, node: tree.Aggregate) -> Sql:
        """Return the instant of the latest event in microseconds; null where none."""
        selector, window = node.selectors[0], node.within

        def make() -> exp.Select:
            latest = sql.call("micros", exp.Max(this=sql.column("timestamp", "e")))
            return self._grouped(self._matching(selector, window), "e", latest_at=latest)

        return sql.column("latest_at", self.tables.keep(("latest", selector, window), make))

    def numbers(self, node: tree.Aggregate, cap: int) -> tuple[Sql, Sql]:
        """Return the sum, least or greatest of the numbers, and how many there are."""
        selector, limit = node.selectors[0], cap if node.within is not None else None
        form = {"min": exp.Min, "max": exp.Max}.get(node.kind, exp.Sum)

        def make() -> exp.Select:
            values, carried = self._values(selector, node.within, limit)
            value = carried.read("v").number or _NO_NUMBER
            count = exp.Count(this=value.copy())
            return self._grouped(values, "v", found=form(this=value.copy()), n=count)

        name = self.tables.keep((form.__name__, selector, node.within, limit), make)
        return sql.column("found", name), sql.column("n", name)

    def edge(self, node: tree.Aggregate, cap: int) -> Facets:
        """Return the value on the first or the last event."""
        selector, is_last = node.selectors[0], node.kind == "last"
        limit = cap if node.within is not None and not is_last else None
        carried = self._carried(selector.path)

        def make() -> exp.Select:
            found = self._matching(selector, node.within)
            if limit is None:
                return self._first_of(found.select(*carried.named()), "e", carried, falls=is_last)
            latest = self._latest(found, limit, carried)
            rows = self._from(latest, "m").select(*carried.again("m"))
            return self._first_of(rows, "m", carried, falls=False)

        name = self.tables.keep((node.kind, selector, node.within, limit), make)
        return carried.read(name)

    def distinct(self, node: tree.Aggregate, cap: int) -> Sql:
        """Return how many different values there are; null where none."""
        selector = node.selectors[0]

        def make() -> exp.Select:
            values, carried = self._values(selector, node.within, cap)
            keys = exp.Distinct(expressions=[carried.key("v")])
            return self._grouped(values, "v", n=exp.Count(this=keys))

        name = self.tables.keep(("distinct", selector, node.within, cap), make)
        return sql.column("n", name)

    def most(self, node: tree.Aggregate, cap: int) -> Sql:
        """Return the largest count of one value; null where none."""
        selector = tree.Selector(
            event=node.selectors[0].event, path=node.by, where=node.selectors[0].where
        )

        def make() -> exp.Select:
            values, carried = self._values(selector, node.within, cap)
            counts = self._keyed(values, carried.key("v"), n=exp.Count(this=exp.Star()))
            most = self._from(counts, "k")
            most = most.select(sql.named(exp.Max(this=sql.column("n", "k")), "n"), copy=False)
            return most.group_by(*self.frame.key_columns("k"), copy=False)

        name = self.tables.keep(("most", selector, node.within, cap), make)
        return sql.column("n", name)

    def favourite(self, node: tree.Aggregate, cap: int) -> Facets:
        """Return the value seen most often; of equals the one seen latest."""
        selector = node.selectors[0]
        carried = self._carried(selector.path)

        def make() -> exp.Select:
            values, _ = self._values(selector, node.within, cap)
            key = carried.key("v")
            partition = [*self.frame.key_columns("v"), key]
            order = [(sql.column(name, "v"), True) for name in ("place", "pos")]
            count = exp.Window(this=exp.Count(this=exp.Star()), partition_by=partition)
            counted = values.where(sql.is_there(key), copy=False).select(
                sql.named(count, "n"),
                sql.named(sql.rank_of(partition, *order), "back"),
                sql.column("place", "v"),
                sql.column("pos", "v"),
                *carried.again("v"),
                copy=False,
            )
            best = self._from(counted, "c").select(*carried.again("c"), copy=False)
            order = [(sql.column(name, "c"), True) for name in ("n", "place", "pos")]
            rank = sql.rank_of(self.frame.key_columns("c"), *order)
            best = best.select(sql.named(rank, "rank"), copy=False)
            best = best.where(sql.compare("=", sql.column("back", "c"), _ONE), copy=False)
            return self._of_rank_one(best, carried)

        name = self.tables.keep(("favourite", selector, node.within, cap), make)
        return carried.read(name)

    def points(self, score: PointsScore) -> Sql:
        """Return a score's points in billionths; null where nobody gave any."""

        def make() -> exp.Select:
            return points_table(score, self.frame, lambda one: self._matching(one, None))

        return sql.column("total", self.tables.keep(("points", score), make))

    def interest(self, interest: Interest, of: str, cap: int) -> Sql:
        """Return the weight of a value in billionths of a point, or the value that weighs most.

        Null where there is none.
        """

        def values(selector: tree.Selector) -> tuple[exp.Select, Carried]:
            return self._values(selector, None, cap)

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

    # -- chains ----------------------------------------------------------------------------------

    def chain(self, node: tree.Aggregate, cap: int) -> Sql:
        """Return true where a chain is there; null where not."""
        make = self._abandoned if node.kind == "abandoned" else self._sequence
        what = (node.kind if node.kind == "abandoned" else "sequence", _without_kind(node), cap)
        return sql.column("is_there", self.tables.keep(what, lambda: make(node, cap)))

    def _abandoned(self, node: tree.Aggregate, cap: int) -> exp.Select:
        firsts, thens = (self._latest_of_step(node, at, cap) for at in (0, 1))
        keys = (*self.frame.keys, "key")
        same = [sql.compare("=", sql.column(k, "f"), sql.column(k, "t")) for k in keys]
        first, then = sql.column("place", "f"), sql.column("place", "t")
        found = self._people("f").from_(firsts.subquery("f", copy=False), copy=False)
        latest = thens.subquery("t", copy=False)
        found = found.join(latest, on=sql.both(*same), join_type="left", copy=False)
        is_open = sql.either(sql.is_null(then), sql.compare("<=", then, first))
        at = sql.call("micros_of_place", first)
        has_come = self.frame.has_come(node.after or Duration(), at)
        return found.where(is_open, has_come, copy=False)

    def _latest_of_step(self, node: tree.Aggregate, at: int, cap: int) -> exp.Select:
        keys = [*self.frame.key_columns("s"), sql.column("key", "s")]
        latest = sql.named(exp.Max(this=sql.column("place", "s")), "place")
        step = self._step(node, at, cap)
        found = exp.select(*keys, latest).from_(step.subquery("s", copy=False), copy=False)
        return found.group_by(*keys, copy=False)

    def _sequence(self, node: tree.Aggregate, cap: int) -> exp.Select:
        start = sql.named(sql.column("place", "s"), "start")
        columns = [*self.frame.key_columns("s"), sql.column("key", "s")]
        first = self._step(node, 0, cap).subquery("s")
        chain = exp.select(*columns, start, sql.column("place", "s")).from_(first)
        for at in range(1, len(node.selectors)):
            chain = self._carried_on(chain, self._step(node, at, cap))
        found = self._people("f").from_(chain.subquery("f", copy=False), copy=False)
        if node.within is None:
            return found
        begin, end = (sql.call("micros_of_place", sql.column(n, "f")) for n in ("start", "place"))
        return found.where(sql.compare("<=", end, after(begin, node.within)))

    def _carried_on(self, chain: exp.Select, step: exp.Select) -> exp.Select:
        """Carry each chain on by the next event of a step.

        Both lie in one list by their places, an event before a chain that ends with it: what
        follows a chain is strictly later.
        """
        keys = (*self.frame.keys, "key")
        links = exp.select(*(sql.column(key, "c") for key in keys))
        links = links.from_(chain.subquery("c", copy=False), copy=False).select(
            sql.column("start", "c"),
            sql.column("place", "c"),
            sql.named(exp.Cast(this=sql.NULL.copy(), to=_PLACE.copy()), "step"),
            sql.named(_ONE, "is_chain"),
            copy=False,
        )
        steps = exp.select(*(sql.column(key, "s") for key in keys))
        steps = steps.from_(step.subquery("s", copy=False), copy=False)
        place = sql.column("place", "s")
        steps = steps.select(
            sql.named(place, "start"),
            place,
            sql.named(place, "step"),
            sql.named(sql.integer(0), "is_chain"),
            copy=False,
        )
        following = exp.Window(
            this=exp.Min(this=sql.column("step", "u")),
            partition_by=[sql.column(key, "u") for key in keys],
            order=exp.Order(
                expressions=[
                    exp.Ordered(this=sql.column(name, "u"), desc=False, nulls_first=False)
                    for name in ("place", "is_chain")
                ]
            ),
            spec=exp.WindowSpec(
                kind="ROWS", start="1", start_side="FOLLOWING", end="UNBOUNDED",
                end_side="FOLLOWING",
            ),
        )  # fmt: skip
        both = exp.union(links, steps, distinct=False, copy=False).subquery("u", copy=False)
        found = exp.select(*(sql.column(key, "u") for key in keys)).from_(both, copy=False)
        found = found.select(
            sql.column("start", "u"),
            sql.column("is_chain", "u"),
            sql.named(following, "place"),
            copy=False,
        )
        onward = exp.select(*(sql.column(name, "w") for name in (*keys, "start", "place")))
        onward = onward.from_(found.subquery("w", copy=False), copy=False)
        return onward.where(
            sql.compare("=", sql.column("is_chain", "w"), _ONE),
            sql.is_there(sql.column("place", "w")),
            copy=False,
        )

    def _step(self, node: tree.Aggregate, at: int, cap: int) -> exp.Select:
        """Return the keys and places of a step's events."""
        selector = node.selectors[at]
        of_step = tree.Selector(event=selector.event, path=node.by, where=selector.where)
        if node.by:
            values, carried = self._values(of_step, node.over, cap)
            key = carried.key("v")
            found = values.select(sql.column("place", "v"), sql.named(key, "key"), copy=False)
            return found.where(sql.is_there(key), copy=False)
        events = self._latest(self._matching(of_step, node.over), cap, _NOTHING)
        key = sql.named(sql.text(""), "key")
        return self._from(events, "m").select(_place_of("m"), key, copy=False)

    def _people(self, table: str) -> exp.Select:
        keys = self.frame.key_columns(table)
        return exp.select(*keys, sql.named(sql.TRUE, "is_there")).distinct()

    # -- events and values -----------------------------------------------------------------------

    def event_value(self, parts: tuple[str, ...]) -> Facets:
        """Return a property of the event as facets."""
        found = self.frame.property_of(parts)
        return facets.of_json(json_of(parts)) if found is None else found

    def _matching(self, selector: tree.Selector, window: Duration | None) -> exp.Select:
        """Return the keys of the events that an argument takes inside the window."""
        found = self.frame.events()
        found = found.where(
            sql.compare("=", sql.column("event", "e"), sql.text(selector.event)),
            copy=False,
        )
        if window is not None:
            found = found.where(self.frame.is_inside(window), copy=False)
        if selector.where is not None:
            found = found.where(self.holds(selector.where, self.event_value), copy=False)
        return found

    def _latest(self, events: exp.Select, cap: int, carried: Carried) -> exp.Select:
        """Return time, order and a value of the latest N events of each person."""
        rank = sql.rank_of(self.frame.key_columns("e"), *_place("e", falls=True))
        names = ["timestamp", "event_order"]
        ranked = events.select(
            *(sql.column(name, "e") for name in names),
            *carried.named(),
            sql.named(rank, "back"),
            copy=False,
        )
        wanted = (*self.frame.keys, *names, *carried.columns)
        found = exp.select(*(sql.column(name, "r") for name in wanted))
        found = found.from_(ranked.subquery("r", copy=False), copy=False)
        return found.where(sql.compare("<=", sql.column("back", "r"), sql.integer(cap)), copy=False)

    def _values(
        self, selector: tree.Selector, window: Duration | None, cap: int | None
    ) -> tuple[exp.Select, Carried]:
        """Return `select KEYS from the values of a property, as v`, and how to read a value.

        Lists are taken apart. `v` has place and pos, the value's place within its list.
        """
        events, carried = self._matching(selector, window), self._carried(selector.path)
        if cap is None:
            place = (sql.column(name, "e") for name in ("timestamp", "event_order"))
            events = events.select(*place, *carried.named(), copy=False)
        else:
            events = self._latest(events, cap, carried)
        rows = self._from(events, "m").select(_place_of("m"), copy=False)
        if carried.is_promoted:
            rows = rows.select(sql.named(_ONE, "pos"), *carried.again("m"), copy=False)
        else:
            each = sql.call("each", sql.column("value", "m"))
            item = sql.named(sql.column("item", "i"), "value")
            rows = rows.select(item, sql.column("pos", "i"), copy=False)
            each_row = unnested(each, with_position=True)
            rows = rows.join(each_row, join_type="cross", copy=False)
        return self._from(rows, "v"), carried

    def _carried(self, parts: tuple[str, ...]) -> Carried:
        promoted = self.frame.property_of(parts)
        if promoted is None:
            return Carried({"value": json_of(parts)}, is_promoted=False)
        return Carried(promoted.there(), is_promoted=True)

    def _item_counts(
        self, selector: tree.Selector, window: Duration | None, cap: int | None
    ) -> exp.Select:
        """Count the items of the latest N events that have one."""
        events = self._matching(tree.Selector(event=selector.event), window)
        each = sql.call("each", json_of(selector.path))
        item = sql.column("item", "i")
        events = events.join(unnested(each, with_position=False), join_type="cross")
        events = events.where(sql.call("is_value", item))
        if selector.where is not None:
            events = events.where(
                self.holds(selector.where, lambda parts: facets.of_json(inside(item, parts)))
            )
        at, order = sql.column("timestamp", "e"), sql.column("event_order", "e")
        keys = self.frame.key_columns("e")
        events = events.select(at, order, sql.named(exp.Count(this=exp.Star()), "n"))
        events = events.group_by(*keys, at, order)
        if cap is not None:
            ranked = self._from(events, "m").select(
                sql.column("n", "m"),
                sql.named(
                    sql.rank_of(self.frame.key_columns("m"), *_place("m", falls=True)), "back"
                ),
            )
            latest = self._from(ranked, "m").select(sql.column("n", "m"))
            events = latest.where(sql.compare("<=", sql.column("back", "m"), sql.integer(cap)))
        return self._grouped(self._from(events, "c"), "c", n=exp.Sum(this=sql.column("n", "c")))

    # -- shapes ----------------------------------------------------------------------------------

    def _from(self, rows: exp.Select, name: str) -> exp.Select:
        mine = rows.subquery(name, copy=False)
        return exp.select(*self.frame.key_columns(name)).from_(mine, copy=False)

    def _grouped(self, rows: exp.Select, table: str, **columns: Sql) -> exp.Select:
        named = (sql.named(value, name) for name, value in columns.items())
        found = rows.select(*named, copy=False)
        return found.group_by(*self.frame.key_columns(table), copy=False)

    def _keyed(self, values: exp.Select, key: Sql, **columns: Sql) -> exp.Select:
        """Group values by person and key."""
        named = [sql.named(value, name) for name, value in columns.items()]
        found = values.where(sql.is_there(key), copy=False)
        found = found.select(sql.named(key, "key"), *named, copy=False)
        return found.group_by(*self.frame.key_columns("v"), key, copy=False)

    def _first_of(
        self, rows: exp.Select, table: str, carried: Carried, *, falls: bool
    ) -> exp.Select:
        rank = sql.rank_of(self.frame.key_columns(table), *_place(table, falls=falls))
        return self._of_rank_one(rows.select(sql.named(rank, "rank"), copy=False), carried)

    def _of_rank_one(self, ranked: exp.Select, carried: Carried) -> exp.Select:
        found = self._from(ranked, "x").select(*carried.again("x"), copy=False)
        return found.where(sql.compare("=", sql.column("rank", "x"), _ONE), copy=False)


_NOTHING = Carried({}, is_promoted=True)
_NO_NUMBER: Sql = exp.Cast(this=sql.NULL.copy(), to=sql.NUMBER.copy())
_PLACE = exp.DataType.build("DECIMAL(38, 0)")


def _window_of(node: tree.Aggregate) -> Duration | None:
    return node.over if node.kind in _CHAINS else node.within


def _without_kind(node: tree.Aggregate) -> tuple[object, ...]:
    return (node.selectors, node.by, node.within, node.over, node.after)


def _place(table: str, *, falls: bool) -> list[tuple[Sql, bool]]:
    return [(sql.column(name, table), falls) for name in ("timestamp", "event_order")]


def _place_of(table: str) -> Sql:
    at, order = sql.column("timestamp", table), sql.column("event_order", table)
    return sql.named(sql.call("place", at, order), "place")
