"""The meaning of conditions and scalars in SQL, construct by construct as `oracle` has it.

What a node reads (history, traits, names) is left to `query`, which builds on this.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from sqlglot import exp

from tailorbird.language import tree
from tailorbird.language.values import Lapse, Moment
from tailorbird.language.warehouse import facets, sql
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.language.warehouse.facets import Facets
from tailorbird.language.warehouse.sql import Sql

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_TEXT_TESTS = {"contains": "contains", "starts_with": "starts", "ends_with": "ends"}

# Reads a property of the event, or of the item of a list, that a filter looks at.
Reader = Callable[[tuple[str, ...]], Facets]


class Conditions(ABC):
    """Turns nodes into facets."""

    lists: Mapping[str, Sequence[str]]
    now: Sql
    _reader: Reader | None = None

    def holds(self, where: tree.Node, reader: Reader) -> Sql:
        """Return the truth of a filter on what a reader reads."""
        known, self._reader = self._reader, reader
        found = self.truth(where)
        self._reader = known
        return found

    def truth(self, node: tree.Node) -> Sql:
        """Return whether a condition holds; never null."""
        return self.value(node).holds()

    def value(self, node: tree.Node) -> Facets:
        """Return the value of any node."""
        match node:
            case tree.Number():
                return facets.constant(node.scaled)
            case tree.Text() | tree.Boolean():
                return facets.constant(node.value)
            case tree.DurationValue():
                months = node.duration.months
                return facets.MISSING if months else facets.constant(Lapse(node.duration.micros))
            case tree.Instant():
                return facets.constant(Moment(node.micros))
            case tree.Property():
                return facets.MISSING if self._reader is None else self._reader(node.parts)
            case tree.Path():
                return self.path(node)
            case tree.Aggregate():
                return self.aggregate(node)
            case tree.Named():
                return self.named(node)
            case tree.Call():
                return self._call(node)
            case tree.Negate():
                return facets.negative(self.value(node.value))
            case tree.Arithmetic():
                return facets.joined(node.op, self.value(node.left), self.value(node.right))
        return Facets(truth=self._condition(node))

    @abstractmethod
    def path(self, node: tree.Path) -> Facets:
        """Return a trait, or what the context or the trigger has."""

    @abstractmethod
    def aggregate(self, node: tree.Aggregate, others: Sequence[tree.Node] = ()) -> Facets:
        """Return an aggregate that is compared with others."""

    @abstractmethod
    def ratio(self, node: tree.Aggregate) -> tuple[Sql, Sql]:
        """Return numerator and denominator of an `avg` or `rate`; the latter may be 0 or null."""

    @abstractmethod
    def named(self, node: tree.Named) -> Facets:
        """Return a score, prediction, cluster or interest."""

    @abstractmethod
    def segment(self, name: str) -> Sql:
        """Return the condition of a segment."""

    @abstractmethod
    def zone(self) -> Sql:
        """Return the name of the person's time zone."""

    def _condition(self, node: tree.Node) -> Sql:
        match node:
            case tree.And():
                return sql.both(*map(self.truth, node.parts))
            case tree.Or():
                return sql.either(*map(self.truth, node.parts))
            case tree.Not():
                return sql.negated(self.truth(node.part))
            case tree.InSegment():
                return self.segment(node.name)
            case tree.IsNull():
                is_there = self.value(node.value).is_there()
                return is_there if node.is_negated else sql.negated(is_there)
            case tree.Compare():
                return self._compare(node.op, node.left, node.right)
            case tree.Between():
                return self._is_between(node)
            case tree.In():
                return self._is_in(node)
            case tree.Match():
                return self._matches(node)
        raise AssertionError(f"no meaning for {type(node).__name__}")

    # -- comparisons -----------------------------------------------------------------------------

    def _compare(
        self, op: str, left: tree.Node, right: tree.Node, others: tuple[tree.Node, ...] = ()
    ) -> Sql:
        if isinstance(right, tree.Aggregate) and not isinstance(left, tree.Aggregate):
            return self._compare(_FLIPPED[op], right, left, others)
        if _has_months(left) and not _has_months(right):
            return self._compare(_FLIPPED[op], right, left, others)
        if isinstance(right, tree.DurationValue) and right.duration.months:
            return self._compare_months(op, left, right.duration.months)
        if isinstance(left, tree.Aggregate):
            if left.kind in ("avg", "rate") and isinstance(right, tree.Number):
                # Cross-multiplied: no quotient is rounded.
                top, bottom = self.ratio(left)
                limit = sql.times(sql.number(right.scaled), bottom)
                return sql.both(
                    sql.surely(sql.compare(">", bottom, sql.integer(0))),
                    sql.surely(sql.compare(op, top, limit)),
                )
            value = self.aggregate(left, (right, *others))
            return facets.compared(op, value, self.value(right))
        return facets.compared(op, self.value(left), self.value(right))

    def _compare_months(self, op: str, left: tree.Node, months: int) -> Sql:
        if not isinstance(left, (tree.Aggregate, tree.Call)):
            return sql.own(sql.FALSE)
        lapse = self.value(left).lapse
        if lapse is None:
            return sql.own(sql.FALSE)
        end = sql.call("after_months", sql.minus(self.now, lapse), sql.integer(months))
        return sql.surely(sql.compare(op, self.now, end))

    def _is_between(self, node: tree.Between) -> Sql:
        value, ends = node.value, (node.low, node.high)
        is_above = self._compare(">=", value, node.low, ends)
        is_below = self._compare("<=", value, node.high, ends)
        if not node.is_negated:
            return sql.both(is_above, is_below)
        # Neither side may be missing or of another type: one of the two orders holds for each.
        return sql.both(
            sql.either(is_above, self._compare("<", value, node.low, ends)),
            sql.either(is_below, self._compare(">", value, node.high, ends)),
            sql.negated(sql.both(is_above, is_below)),
        )

    def _is_in(self, node: tree.In) -> Sql:
        if isinstance(node.value, tree.Aggregate):
            value = self.aggregate(node.value, node.options)
        else:
            value = self.value(node.value)
        option = node.options[0]
        if isinstance(option, tree.ListRef):
            lines = tuple(self.lists.get(option.name, ()))
            return _is_one_of(value.text, list(map(sql.text, lines)), is_negated=node.is_negated)
        options: dict[str, list[Sql]] = {}
        for one in node.options:
            for name, constant in self.value(one).there().items():
                options.setdefault(name, []).append(constant)
        found = [
            _is_one_of(one, options[name], is_negated=node.is_negated)
            for name, one in value.there().items()
            if name in options
        ]
        return sql.either(*found)

    def _matches(self, node: tree.Match) -> Sql:
        left, right = self.value(node.left), self.value(node.right)
        found: list[Sql | None] = []
        if node.op == "contains" and left.items is not None:
            has = sql.call("has_key", left.items, right.key())
            is_askable = sql.both(sql.is_there(left.items), _is_single(right))
            found.append(_turned(has, is_askable, is_negated=node.is_negated))
        if left.text is not None and right.text is not None:
            if node.op == "like":
                has = _like(left.text, node.right)
            else:
                has = sql.call(_TEXT_TESTS[node.op], left.text, right.text)
            is_askable = sql.both(sql.is_there(left.text), sql.is_there(right.text))
            found.append(_turned(has, is_askable, is_negated=node.is_negated))
        return sql.either(*(one for one in found if one is not None))

    # -- functions -------------------------------------------------------------------------------

    def _call(self, node: tree.Call) -> Facets:
        values = [self.value(argument) for argument in node.arguments]
        match node.name:
            case "now":
                return Facets(moment=self.now)
            case "coalesce":
                return facets.first_there(values)
            case "lower":
                text = values[0].text
                return facets.MISSING if text is None else Facets(text=sql.call("lower", text))
            case "length":
                return _length(values[0])
            case "age":
                born = _instant_of(values[0])
                return facets.MISSING if born is None else Facets(lapse=sql.minus(self.now, born))
            case "anniversary":
                days = _days_of(values[0])
                if not days:
                    return Facets(truth=sql.own(sql.FALSE))
                day = sql.either_value(*days)
                return Facets(truth=sql.call("falls_on", day, self.now, self.zone()))
        at = values[0].moment if values else self.now
        if at is None:
            return facets.MISSING
        part = sql.call(node.name, at, self.zone())
        return Facets(text=part) if node.name == "date" else Facets(number=part)


def _has_months(node: tree.Node) -> bool:
    return isinstance(node, tree.DurationValue) and node.duration.months > 0


def _is_one_of(value: Sql | None, options: list[Sql], *, is_negated: bool) -> Sql:
    if value is None:
        return sql.own(sql.FALSE)
    if not options:
        return sql.is_there(value) if is_negated else sql.own(sql.FALSE)
    is_in: Sql = exp.In(this=sql.own(value), expressions=[sql.own(one) for one in options])
    return sql.surely(sql.negated(is_in) if is_negated else is_in)


def _is_single(value: Facets) -> Sql:
    """Ask whether a value is there and no list."""
    singles = [one for name, one in value.there().items() if name != "items"]
    return sql.either(*map(sql.is_there, singles))


def _turned(has: Sql, is_askable: Sql, *, is_negated: bool) -> Sql:
    if not is_negated:
        return sql.surely(has)
    return sql.both(is_askable, sql.negated(sql.surely(has)))


def _like(value: Sql, pattern: tree.Node) -> Sql:
    if not isinstance(pattern, tree.Text):
        raise WarehouseError("a warehouse is asked `like` with a constant only; write the text")
    # A backslash that protects nothing, or stands last, is unknown to some engines.
    written, at = "", 0
    while at < len(pattern.value):
        character = pattern.value[at]
        if character == "\\":
            at += 1
            character = pattern.value[at] if at < len(pattern.value) else "\\"
            written += "\\" * (character in "%_\\") + character
        else:
            written += character
        at += 1
    like = exp.Like(this=sql.own(value), expression=sql.text(written))
    return exp.Escape(this=like, expression=sql.text("\\"))


def _length(value: Facets) -> Facets:
    ways = []
    if value.text is not None:
        ways.append(sql.call("characters", value.text))
    if value.items is not None:
        ways.append(sql.call("length", value.items))
    return Facets(number=sql.either_value(*ways)) if ways else facets.MISSING


def _instant_of(value: Facets) -> Sql | None:
    ways = [] if value.moment is None else [value.moment]
    if value.text is not None:
        ways.append(sql.call("read_instant", value.text))
    return sql.either_value(*ways) if ways else None


def _days_of(value: Facets) -> list[Sql]:
    ways = [] if value.moment is None else [sql.call("day_of_instant", value.moment)]
    return ways + ([] if value.text is None else [sql.call("day", value.text)])
