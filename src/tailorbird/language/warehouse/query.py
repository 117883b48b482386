"""From an expression to one SQL query: a row for each person (and instant), a column for each type.

Aggregates and traits become tables of their own (`history`), joined to those who are asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from tailorbird.language import tree
from tailorbird.language.needs import PointsScore
from tailorbird.language.oracle import Person, value_at
from tailorbird.language.oracle_history import cap_of
from tailorbird.language.values import Moment, from_json, lookup
from tailorbird.language.walk import children
from tailorbird.language.warehouse import facets, sql
from tailorbird.language.warehouse.conditions import Conditions
from tailorbird.language.warehouse.engines import DUCKDB, Engine
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.language.warehouse.events import Events
from tailorbird.language.warehouse.facets import Facets
from tailorbird.language.warehouse.frame import Frame
from tailorbird.language.warehouse.history import History
from tailorbird.language.warehouse.properties import inside, member
from tailorbird.language.warehouse.sql import Sql
from tailorbird.language.warehouse.tables import Tables


@dataclass(frozen=True, kw_only=True)
class Query:
    """A query and the facets that it answers with, in the order of its columns after the keys."""

    select: exp.Query
    facets: tuple[str, ...]

    def text(self, engine: Engine = DUCKDB) -> str:
        """Write the query for an engine.

        Raises:
            WarehouseError: the engine does not have what the query needs.
        """
        return engine.write(self.select)


def value_query(node: tree.Node, frame: Frame, person: Person) -> Query:
    """Return a query for the value of an expression of everybody in `asked`.

    Raises:
        WarehouseError: the expression holds something that a warehouse cannot be asked.
    """
    compiler = _Compiler(frame, person)
    value = compiler.value(node)
    columns = value.there()
    select = compiler.select_of(columns)
    return Query(select=select, facets=tuple(columns))


def members_query(node: tree.Node, frame: Frame, person: Person) -> Query:
    """Return a query for the keys of those in `asked` for whom a condition holds.

    Raises:
        WarehouseError: the expression holds something that a warehouse cannot be asked.
    """
    compiler = _Compiler(frame, person)
    parts = node.parts if isinstance(node, tree.And) else (node,)
    truths: list[Sql] = []
    base: tuple[str, ...] = ()
    for part in parts:
        before = len(compiler.tables.asked_for)
        truths.append(compiler.truth(part))
        if not base and frame.now is not None and _needs_history(part, frame.now, person):
            base = tuple(dict.fromkeys(compiler.tables.asked_for[before:]))
    select = compiler.select_of({}, base)
    return Query(select=select.where(sql.asked_for_truth(sql.both(*truths)), copy=False), facets=())


_OF_HISTORY = (
    tree.Aggregate, tree.And, tree.Between, tree.Boolean, tree.Compare, tree.DurationValue, tree.In,
    tree.Instant, tree.Negate, tree.Arithmetic, tree.Not, tree.Number, tree.Or, tree.IsNull,
    tree.Text,
)  # fmt: skip


def _needs_history(node: tree.Node, now: int, person: Person) -> bool:
    """Say whether a condition that asks the history alone is false of who has none.

    Then only those with a row in one of its tables can be members.
    """
    stack = [node]
    while stack:
        one = stack.pop()
        if not isinstance(one, _OF_HISTORY):
            return False
        if not isinstance(one, tree.Aggregate):
            stack.extend(children(one))
    return value_at(node, [], now, person) is False


class _Compiler(Conditions):
    def __init__(self, frame: Frame, person: Person) -> None:
        self.frame = frame
        self.person = person
        self.lists = person.lists
        self.now = frame.asked_now()
        self.tables = Tables()
        events = Events(frame=frame, tables=self.tables, holds=self.holds)
        self.history = History(
            frame=frame, tables=self.tables, events=events, cap=person.latest_cap
        )
        self._has_profiles = False
        self._has_zones: Sql | None = None
        self._asking: tuple[tuple[str, str], ...] = ()

    def select_of(self, columns: Mapping[str, Sql], base: Sequence[str] = ()) -> exp.Select:
        """Return the query of some columns, with all tables that they read.

        With a base only those are asked who have a row in one of these tables.
        """
        alias = base[0] if len(base) == 1 else "q"
        keys = self.frame.key_columns(alias)
        named = (sql.named(value, name) for name, value in columns.items())
        found = sql.select(*keys, *named).from_(self._asked(base), copy=False)
        for name in self.tables.selects:
            if name != alias and name in self.tables.asked_for:
                mine = zip(self.frame.key_columns(name), keys, strict=True)
                same = (sql.compare("=", one, key) for one, key in mine)
                found = sql.left_joined(found, sql.table(name, name), sql.both(*same))
        sql.with_tables(found, self.tables.selects)
        if self._has_profiles:
            is_mine = sql.compare("=", sql.column("profile_id", "p"), keys[0])
            found = sql.left_joined(found, sql.table("profiles", "p"), is_mine)
        if self._has_zones is not None:
            is_named = sql.compare("=", sql.column("name", "z"), self._has_zones)
            found = sql.left_joined(found, sql.table("zones", "z"), is_named)
        return found

    def _asked(self, base: Sequence[str]) -> Sql:
        if not base:
            return sql.table("asked", "q")
        if len(base) == 1:
            return sql.table(base[0], base[0])
        parts = [sql.select(*self.frame.key_columns(n)).from_(sql.table(n, n)) for n in base]
        return exp.union(*parts).subquery("q")

    # -- aggregates ------------------------------------------------------------------------------

    def aggregate(self, node: tree.Aggregate, others: Sequence[tree.Node] = ()) -> Facets:
        """Return an aggregate's value."""
        history, cap = self.history, cap_of(node, others, self.person.latest_cap)
        match node.kind:
            case "count":
                return _number(sql.either_value(history.counted(node, cap), sql.integer(0)))
            case "any":
                return Facets(truth=sql.is_there(history.counted(node, cap)))
            case "none":
                return Facets(truth=sql.is_null(history.counted(node, cap)))
            case "sum":
                total, _ = history.numbers(node, cap)
                return _number(sql.either_value(total, sql.integer(0)))
            case "min" | "max":
                return _number(history.numbers(node, cap)[0])
            case "avg":
                return Facets(number=sql.call("mean", *history.numbers(node, cap)))
            case "rate":
                ups, downs = self._counts(node)
                return Facets(number=sql.call("over", sql.as_number(ups), sql.as_number(downs)))
            case "since":
                return Facets(lapse=sql.minus(self.now, history.latest_at(node)))
            case "first" | "last":
                return history.edge(node, cap)
            case "distinct":
                return _number(sql.either_value(history.distinct(node, cap), sql.integer(0)))
            case "most":
                return _number(sql.either_value(history.most(node, cap), sql.integer(0)))
            case "favourite":
                return history.favourite(node, cap)
        return Facets(truth=sql.surely(history.chain(node, cap)))

    def ratio(self, node: tree.Aggregate) -> tuple[Sql, Sql]:
        """Return what `avg` or `rate` divides."""
        if node.kind == "rate":
            ups, downs = self._counts(node)
        else:
            ups, downs = self.history.numbers(node, self.person.latest_cap)
        return ups, exp.Cast(this=downs, to=exp.DataType.build("DECIMAL(16, 0)"))

    def _counts(self, node: tree.Aggregate) -> tuple[Sql, Sql]:
        zero = sql.integer(0)
        ups, downs = self.history.rate(node, self.person.latest_cap)
        return sql.either_value(ups, zero), sql.either_value(downs, zero)

    # -- what is known of the person -------------------------------------------------------------

    def path(self, node: tree.Path) -> Facets:
        """Return a trait, or what the context or the trigger has."""
        match node.root:
            case "traits":
                return facets.of_json(inside(self._trait(node.parts[0]), node.parts[1:]))
            case "event":
                return self._trigger(node.parts)
            case "context":
                return facets.of_json(member(self._context(), node.parts))
        return facets.of_json(member(self._context(), (node.root, *node.parts)))

    def _trigger(self, parts: tuple[str, ...]) -> Facets:
        event = self.person.event
        if not event:
            return facets.MISSING
        if parts == ("timestamp",):
            at = event.get("timestamp")
            return facets.constant(Moment(at)) if isinstance(at, int) else facets.MISSING
        if parts[0] in event:
            found = from_json(lookup(event, parts))
        else:
            found = from_json(lookup(event.get("properties"), parts))
        if isinstance(found, tuple):
            raise WarehouseError(
                f"event.{'.'.join(parts)} is a list; a warehouse is asked no constant list"
            )
        return facets.constant(found)

    def _trait(self, name: str) -> Sql:
        """Return a trait's JSON: of the latest call that writes it, else as given."""
        given = member(self._profile("traits"), (name,))
        return sql.either_value(self.history.trait(name), given)

    def _context(self) -> Sql:
        return sql.either_value(self.history.context(), self._profile("context"))

    def zone(self) -> Sql:
        """Return the zone that the trait names, else the person's given one."""
        own = sql.call("text", self._trait("timezone"))
        self._has_zones = own
        given = self._profile("timezone")
        return sql.either_value(sql.column("name", "z"), given, sql.text(self.person.timezone))

    def named(self, node: tree.Named) -> Facets:
        """Return a score, prediction, cluster or interest."""
        if node.kind in ("prediction", "cluster"):
            return facets.of_json(member(self._profile(f"{node.kind}s"), (node.name,)))
        if node.kind == "interest":
            return self._interest(node)
        score = self.person.scores.get(node.name)
        if score is None:
            return facets.MISSING
        if isinstance(score, PointsScore):
            return self._points(score)
        return self._once(("score", node.name), score)

    def _interest(self, node: tree.Named) -> Facets:
        interest = self.person.interests.get(node.name)
        if interest is None:
            return facets.MISSING
        found = self.history.interest(interest, node.of or "", self.person.latest_cap)
        if not node.of:
            return Facets(text=found)
        return _number(sql.call("unscaled", sql.either_value(found, sql.integer(0))))

    def _points(self, score: PointsScore) -> Facets:
        if score.glides or score.is_pooled:
            total = sql.either_value(self.history.points(score), sql.integer(0))
            return _number(sql.call("unscaled", total))
        parts = []
        for event, points, where in score.points:
            selector = tree.Selector(event=event, where=where)
            count = self.history.counted(tree.Aggregate(kind="count", selectors=(selector,)), 0)
            parts.append(
                sql.times(
                    sql.as_number(sql.number(points)), sql.either_value(count, sql.integer(0))
                )
            )
        total = parts[0]
        for part in parts[1:]:
            total = sql.plus(total, part)
        return _number(total)

    def segment(self, name: str) -> Sql:
        """Return the condition of a segment."""
        inner = self.person.segments.get(name)
        if inner is None:
            return sql.own(sql.FALSE)
        return self._once(("segment", name), inner).holds()

    def _once(self, place: tuple[str, str], inner: tree.Node) -> Facets:
        # A definition that refers to itself is refused by `types`; here it is missing.
        if place in self._asking:
            return facets.MISSING
        asking, self._asking = self._asking, (*self._asking, place)
        found = self.value(inner)
        self._asking = asking
        return found

    def _profile(self, name: str) -> Sql:
        self._has_profiles = True
        return sql.column(name, "p")


def _number(value: Sql) -> Facets:
    return Facets(number=sql.as_number(value))
