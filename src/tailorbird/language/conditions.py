"""Source of conditions and values: the expression language, node by node."""

from __future__ import annotations

from typing import Any

from tailorbird.base.numbers import SCALE
from tailorbird.language import tree
from tailorbird.language.emission import Emission
from tailorbird.language.needs import CompileError, PointsScore
from tailorbird.language.runtime import like_pattern
from tailorbird.language.shape import (
    BOOLEAN_AGGREGATES,
    CALENDAR_PARTS,
    FLIPPED,
    counts_months,
    is_condition,
    is_now,
)
from tailorbird.language.values import Lapse, Moment

# Of nothing they are 0.
_NEVER_MISSING = ("count", "sum", "distinct", "most")


class ConditionEmitter(Emission):
    """Writes the source of a condition or a value at an instant named in the source."""

    def condition(self, node: tree.Node, at: str) -> str:
        """Return source of a truth (bool) at the instant named `at`."""
        match node:
            case tree.Boolean():
                return str(node.value)
            case tree.And() | tree.Or():
                word = " and " if isinstance(node, tree.And) else " or "
                return "(" + word.join(self.condition(part, at) for part in node.parts) + ")"
            case tree.Not():
                return f"(not {self.condition(node.part, at)})"
            case tree.InSegment():
                return self._within(
                    ("segment", node.name), lambda: self.condition(self._segment(node), at)
                )
            case tree.Compare():
                return self._compare(node, at)
            case tree.Match():
                return self._match(node, at)
            case tree.Between():
                return self._between(node, at)
            case tree.In():
                return self._in(node, at)
            case tree.IsNull():
                word = "is not" if node.is_negated else "is"
                return f"({self.expression(node.value, at)} {word} None)"
            case tree.Aggregate() if node.kind in BOOLEAN_AGGREGATES:
                return self._boolean_aggregate(node, at)
            case tree.Call() if node.name == "anniversary":
                self.uses_clock = True
                return f"anniversary({self.expression(node.arguments[0], at)}, {at}, v.timezone)"
        return f"({self.expression(node, at)} is True)"

    def expression(self, node: tree.Node, at: str) -> str:
        """Return source of a value of the language at the instant named `at`."""
        match node:
            case tree.Number():
                return str(node.scaled) if node.scaled >= 0 else f"({node.scaled})"
            case tree.Text():
                return repr(node.value)
            case tree.Instant():
                return self.needs.constant(Moment(node.micros))
            case tree.DurationValue():
                if node.duration.months:
                    raise CompileError(
                        "months and years can only be compared with since(...);"
                        " write days instead, for example 180d"
                    )
                return self.needs.constant(Lapse(node.duration.micros))
            case tree.Path() | tree.Property():
                return self._path_value(node)
            case tree.Arithmetic():
                name = {"+": "add", "-": "subtract", "*": "multiply", "/": "quotient"}[node.op]
                return (
                    f"{name}({self.expression(node.left, at)}, {self.expression(node.right, at)})"
                )
            case tree.Negate():
                return f"negate({self.expression(node.value, at)})"
            case tree.Call():
                return self._call(node, at)
            case tree.Named():
                return self._named(node, at)
            case tree.Aggregate() if node.kind not in BOOLEAN_AGGREGATES:
                return self._aggregate(node, at)
            case tree.ListRef():
                return self.needs.constant(tuple(self.scope.lists.get(node.name, ())))
        if is_condition(node):
            return self.condition(node, at)
        raise CompileError(f"`{type(node).__name__}` cannot be used here")

    def _compare(self, node: tree.Compare, at: str, *others: tree.Node) -> str:
        op, left, right = node.op, node.left, node.right
        if isinstance(left, (tree.Number, tree.Text)):
            op, left, right = FLIPPED[op], right, left
        months = self._compare_months(op, left, right, at) or self._compare_months(
            FLIPPED[op], right, left, at
        )
        if months is not None:
            return months
        self.keep_countable(left, right, *others)
        self.keep_countable(right, left, *others)
        ratio = self._compare_ratio(op, left, right, at)
        if ratio is not None:
            return ratio
        sign = "==" if op == "=" else op
        if (
            isinstance(right, tree.Text)
            and op == "="
            and isinstance(left, (tree.Path, tree.Property))
        ):
            return f"({self._raw(left)} == {right.value!r})"
        if isinstance(right, tree.Number):
            source = self.expression(left, at)
            if isinstance(left, tree.Aggregate) and left.kind in _NEVER_MISSING:
                return f"(({source}) {sign} {right.scaled})"
            value = self.fresh()
            return f"(type({value} := {source}) is int and {value} {sign} {right.scaled})"
        return f"compare({op!r}, {self.expression(left, at)}, {self.expression(right, at)})"

    def _between(self, node: tree.Between, at: str) -> str:
        def test(op: str, end: tree.Node) -> str:
            compare = tree.Compare(op=op, left=node.value, right=end)
            return self._compare(compare, at, node.low, node.high)

        if not node.is_negated:
            return f"({test('>=', node.low)} and {test('<=', node.high)})"
        # Outside on one side; on the other neither missing nor of another type.
        is_below = f"{test('<', node.low)} and ({test('<=', node.high)} or {test('>', node.high)})"
        is_above = f"{test('>', node.high)} and ({test('>=', node.low)} or {test('<', node.low)})"
        return f"({is_below} or {is_above})"

    def _compare_months(self, op: str, left: tree.Node, right: tree.Node, at: str) -> str | None:
        """`since(..) op 6mo`: calendar months are added to the instant, not taken from a lapse."""
        if not isinstance(right, tree.DurationValue) or not right.duration.months:
            return None
        if not counts_months(left):
            return None
        lapse = self.fresh()
        sign = "==" if op == "=" else op
        moment = f"{self.needs.constant(right.duration)}.after({at} - {lapse})"
        return f"(({lapse} := {self.expression(left, at)}) is not None and {at} {sign} {moment})"

    def _compare_ratio(self, op: str, left: tree.Node, right: tree.Node, at: str) -> str | None:
        """`avg(..) op c`, `rate(..) op c` by cross-multiplication: exact, without a quotient."""
        if isinstance(left, tree.Number):
            op, left, right = FLIPPED[op], right, left
        if not isinstance(right, tree.Number) or not isinstance(left, tree.Aggregate):
            return None
        sign = "==" if op == "=" else op
        pair = self.fresh()
        if left.kind == "avg":
            source = self._sum_pair(left, at)
            return f"(({pair} := {source})[0] > 0 and {pair}[1] {sign} {right.scaled} * {pair}[0])"
        if left.kind == "rate":
            source = self._rate_pair(left, at)
            return (
                f"(({pair} := {source})[1] > 0 and"
                f" {pair}[0] * {SCALE} {sign} {right.scaled} * {pair}[1])"
            )
        return None

    def _match(self, node: tree.Match, at: str) -> str:
        value = self.expression(node.left, at)
        if node.op == "like" and isinstance(node.right, tree.Text):
            pattern = self.needs.constant(like_pattern(node.right.value))
            return f"like({value}, {pattern}, {node.is_negated})"
        right = self.expression(node.right, at)
        return f"match({node.op!r}, {value}, {right}, {node.is_negated})"

    def _in(self, node: tree.In, at: str) -> str:
        self.keep_countable(node.value, *node.options)
        options: dict[type, set[Any]] = {}
        for option in node.options:
            match option:
                case tree.ListRef():
                    options.setdefault(str, set()).update(self.scope.lists.get(option.name, ()))
                case tree.Text() | tree.Boolean():
                    options.setdefault(type(option.value), set()).add(option.value)
                case tree.Number():
                    options.setdefault(int, set()).add(option.scaled)
                case tree.Instant():
                    options.setdefault(Moment, set()).add(Moment(option.micros))
                case _:
                    raise CompileError("only constants may stand in the list after `in`")
        frozen = {kind: frozenset(values) for kind, values in options.items()}
        name = self.needs.constant(_Options(frozen))
        return f"member({self.expression(node.value, at)}, {name}, {node.is_negated})"

    def _call(self, node: tree.Call, at: str) -> str:
        if node.name in CALENDAR_PARTS:
            moment = at
            if node.arguments and not is_now(node.arguments[0]):
                moment = self.expression(node.arguments[0], at)
                return f"part_of({node.name!r}, {moment}, v.timezone)"
            self.uses_clock = True
            return f"part({node.name!r}, {moment}, v.timezone)"
        if node.name == "now":
            self.uses_clock = True
            return f"Moment({at})"
        arguments = ", ".join(self.expression(argument, at) for argument in node.arguments)
        if node.name == "lower":
            return f"lower_text({arguments})"
        if node.name == "age":
            self.uses_clock = True
            return f"age({arguments}, {at})"
        if node.name in ("coalesce", "length"):
            return f"{node.name}({arguments})"
        raise CompileError(f"`{node.name}(...)` is not available in live conditions yet")

    def _named(self, node: tree.Named, at: str) -> str:
        if node.kind == "interest":
            interest = self.scope.interests.get(node.name)
            if interest is None:
                raise CompileError(f"unknown interest '{node.name}'")
            asked = f"{self.interest(interest)}, {interest.half_life}"
            if not node.of:
                return f"top_interest({asked})"
            return f"interest_weight({asked}, {node.of!r}, {at})"
        if node.kind != "score":
            return f"from_json(v.named({node.kind!r}, {node.name!r}))"
        score = self.scope.scores.get(node.name)
        if score is None:
            raise CompileError(f"unknown score '{node.name}'")
        if isinstance(score, PointsScore):
            return self.points(score, at)
        return self._within(("score", node.name), lambda: f"({self.expression(score, at)})")


class _Options(dict[type, frozenset[Any]]):
    """Options of `in`, hashable so that equal ones share a constant."""

    def __hash__(self) -> int:  # type: ignore[override]  # frozen by use
        return hash(tuple(sorted((kind.__name__, values) for kind, values in self.items())))
