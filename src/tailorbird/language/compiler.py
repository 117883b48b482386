"""Compiles expressions to Python source: cells to keep, code that fills them, code that asks them.

`Needs` collects the cells (shared by all expressions of a program), `Emitter` writes the source of
one expression. `program` puts the pieces together and runs them; `runtime` is what they call.
Generated code uses these names: `cells`, `v` (a view), `now`, `t` (the instant asked about), and in
filters `p` (properties), `x` (context), `item`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tailorbird.base.numbers import SCALE
from tailorbird.base.problems import TailorbirdError
from tailorbird.base.time import DAY, Duration
from tailorbird.language import tree
from tailorbird.language.accumulators import LATEST_CAP, NEVER, CellSpec, cell_id
from tailorbird.language.runtime import like_pattern
from tailorbird.language.values import Lapse, Moment

STATIC, STEPWISE, CONTINUOUS = 0, 1, 2

T = TypeVar("T")

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_TRUTHS = (tree.Compare, tree.Match, tree.Between, tree.In, tree.IsNull, tree.And, tree.Or)
_BOOLEAN_AGGREGATES = ("any", "none", "abandoned", "followed", "sequence")


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsScore:
    """A score of points per event: (event, scaled points, filter) and a half-life in microseconds."""

    points: tuple[tuple[str, int, tree.Node | None], ...]
    half_life: int | None


class CompileError(TailorbirdError):
    """The expression is well formed but cannot be kept live; the message names the mend."""


def is_condition(node: tree.Node) -> bool:
    """Say whether a node is a condition, whose truth is never missing."""
    if isinstance(node, tree.Aggregate):
        return node.kind in _BOOLEAN_AGGREGATES
    if isinstance(node, tree.Call):
        return node.name == "anniversary"
    return isinstance(node, (*_TRUTHS, tree.Not, tree.InSegment, tree.Boolean))


def horizon_of(window: Duration) -> int:
    """Return an age in microseconds beyond which a window certainly holds nothing."""
    return (window.months * 31 + 1) * DAY + window.micros if window.months else window.micros


class Needs:
    """The cells that a program keeps, and the constants that its source refers to."""

    def __init__(self) -> None:
        self.specs: dict[int, CellSpec] = {}
        self.constants: dict[str, Any] = {}
        self._names: dict[Any, str] = {}

    def constant(self, value: Any) -> str:
        """Return the name under which generated code finds a value."""
        key = (type(value), value if value.__hash__ else id(value))
        if key not in self._names:
            name = f"K{len(self._names)}"
            self._names[key] = name
            self.constants[name] = value
        return self._names[key]

    def window(self, duration: Duration | None) -> str:
        """Return source for a window: microseconds, or a constant for calendar months."""
        if duration is None:
            return "None"
        return self.constant(duration) if duration.months else str(duration.micros)

    def keep(self, spec: CellSpec) -> int:
        """Keep a cell; one cell serves all who ask for the same thing, with the longest need."""
        known = self.specs.get(spec.id)
        if known is not None:
            horizon = (
                None
                if known.horizon is None or spec.horizon is None
                else max(known.horizon, spec.horizon)
            )
            spec = replace(known, cap=max(known.cap, spec.cap), horizon=horizon)
        self.specs[spec.id] = spec
        return spec.id

    def latest(
        self,
        selector: tree.Selector,
        *,
        cap: int,
        window: Duration | None,
        path: tuple[str, ...] = (),
        has_values: bool = False,
        is_item: bool = False,
    ) -> int:
        """Keep the latest `cap` matching events, with the values at `path` if asked."""
        kind = "items" if is_item and has_values else "latest"
        spec = CellSpec(
            id=cell_id(kind, selector.event, path, _text(selector.where), int(is_item)),
            kind="latest",
            event=selector.event,
            path=path,
            where=selector.where,
            is_item=is_item,
            has_values=has_values,
            cap=cap,
            horizon=None if window is None else horizon_of(window),
        )
        return self.keep(spec)

    def number(self, kind: str, selector: tree.Selector, *, is_item: bool = False) -> int:
        """Keep a plain number: count, sum, min, max, first or last without a window."""
        spec = CellSpec(
            id=cell_id(kind, selector.event, selector.path, _text(selector.where), int(is_item)),
            kind=kind,
            event=selector.event,
            path=selector.path,
            where=selector.where,
            is_item=is_item,
        )
        return self.keep(spec)

    def points(self, score: PointsScore) -> list[int]:
        """Keep the cells of a points score: one for each event and filter, by half-life."""
        ids = []
        for event, points, where in score.points:
            kind = "decay" if score.half_life else "sum"
            spec = CellSpec(
                id=cell_id(f"points-{kind}", event, (), _text(where), points, score.half_life or 0),
                kind=kind,
                event=event,
                where=where,
                points=points,
                half_life=score.half_life or 0,
            )
            ids.append(self.keep(spec))
        return ids


def _text(where: tree.Node | None) -> str:
    # The representation leaves positions out: two spellings of one filter share a cell.
    return "" if where is None else repr(where)


@dataclass(slots=True)
class Scope:
    """What names in expressions stand for."""

    segments: Mapping[str, tree.Node]
    scores: Mapping[str, tree.Node | PointsScore]
    lists: Mapping[str, tuple[str, ...]]


class Emitter:
    """Writes the source of one expression. Filters are emitted with `target` p or item."""

    def __init__(self, needs: Needs, scope: Scope, target: str = "") -> None:
        self.needs = needs
        self.scope = scope
        self.target = target
        self.traits: set[str] = set()
        self.cells: set[int] = set()
        self.uses_context = False
        self.lines: list[str] = []
        self._temporaries = 0
        self._active: list[tuple[str, str]] = []

    # -- truth with deadline, as statements ------------------------------------------------------

    def truth(self, node: tree.Node) -> tuple[str, str]:
        """Emit statements that set a truth and the instant at which it may next change."""
        if isinstance(node, (tree.And, tree.Or)):
            return self._combine(node, [self.truth(part) for part in node.parts])
        if isinstance(node, tree.Not):
            truth, flip = self.truth(node.part)
            return self._set(f"not {truth}"), flip
        if isinstance(node, tree.InSegment):
            return self._within(("segment", node.name), lambda: self.truth(self._segment(node)))
        timing = self.timing(node)
        if timing == STATIC:
            return self._set(self.condition(node, "now")), str(NEVER)
        counted = self._counted(node)
        if counted is not None:
            return counted
        elapsed = self._elapsed(node)
        if elapsed is not None:
            return elapsed
        if timing == CONTINUOUS and isinstance(node, tree.Compare) and node.op in ("=", "!="):
            return self._split_equality(node)
        if timing == CONTINUOUS and isinstance(node, tree.Between):
            return self._split_between(node)
        truth = self._set(self.condition(node, "now"))
        finder = "first_crossing" if timing == CONTINUOUS else "first_flip"
        flip = self._set(
            f"{finder}(lambda t: {self.condition(node, 't')}, {truth},"
            f" ({self._tuple(self.breaks(node))}), now)"
        )
        return truth, flip

    def value(self, node: tree.Node) -> tuple[str, str]:
        """Emit statements that set a value and the instant at which it may next change."""
        if is_condition(node):
            return self.truth(node)
        timing = self.timing(node)
        value = self._set(self.expression(node, "now"))
        if timing == STATIC:
            return value, str(NEVER)
        if timing == CONTINUOUS:
            # A value that glides has no next change; who stores it samples it.
            return value, f"({value} is None and {NEVER} or now + 1)"
        flip = self._set(
            f"first_flip(lambda t: {self.expression(node, 't')}, {value},"
            f" ({self._tuple(self.breaks(node))}), now)"
        )
        return value, flip

    def _combine(self, node: tree.And | tree.Or, parts: list[tuple[str, str]]) -> tuple[str, str]:
        is_and = isinstance(node, tree.And)
        truth = self._set((" and " if is_and else " or ").join(name for name, _ in parts))
        flips = [flip for _, flip in parts]
        if all(flip == str(NEVER) for flip in flips):
            return truth, str(NEVER)
        # The whole changes when the earliest deciding part does, or when the last opposing one has.
        earliest = f"min({', '.join(flips)})" if len(set(flips)) > 1 else flips[0]
        rests = ", ".join(
            f"{'0 if' if is_and else flip + ' if'} {name} else {flip if is_and else '0'}"
            for name, flip in parts
        )
        latest = f"max({rests})"
        flip = (
            f"{earliest} if {truth} else {latest}"
            if is_and
            else f"{latest} if {truth} else {earliest}"
        )
        return truth, self._set(flip)

    def _counted(self, node: tree.Node) -> tuple[str, str] | None:
        """`count(..) op constant`, any, none: closed form over the latest k+1 timestamps."""
        aggregate, least, is_negated = _count_test(node)
        if aggregate is None or aggregate.within is None:
            return None
        if least <= 0:
            return self._set(str(not is_negated)), str(NEVER)
        cell = self._cell(self._count_cell(aggregate, least))
        self.lines.append(f"c = {cell}")
        window = self.needs.window(aggregate.within)
        size = self._set(f"count_latest(c, {window}, now)")
        holds = self._set(f"{size} >= {least}")
        expires = f"expiry(c[0][-{least}], {window})"
        if not aggregate.within.months:
            expires = f"c[0][-{least}] + {window}"
        flip = self._set(f"{expires} if {holds} else {NEVER}")
        return (self._set(f"not {holds}") if is_negated else holds), flip

    def _elapsed(self, node: tree.Node) -> tuple[str, str] | None:
        """`since(..) op duration` without a window: flips once, at a known instant."""
        if not isinstance(node, tree.Compare) or node.op in ("=", "!="):
            return None
        op, left, right = node.op, node.left, node.right
        if isinstance(left, tree.DurationValue):
            op, left, right = _FLIPPED[op], right, left
        if not isinstance(left, tree.Aggregate) or left.kind != "since" or left.within is not None:
            return None
        if not isinstance(right, tree.DurationValue):
            return None
        self.lines.append(
            f"c = {self._cell(self.needs.latest(left.selectors[0], cap=1, window=None))}"
        )
        strict = 1 if op in (">", "<=") else 0
        window = self.needs.window(right.duration)
        edge = self._set(f"{NEVER} if c is None else expiry(c[0][-1], {window}) + {strict}")
        flip = self._set(f"{edge} if {edge} > now else {NEVER}")
        if op in (">", ">="):
            return self._set(f"{edge} <= now"), flip
        return self._set(f"c is not None and {edge} > now"), flip

    def _split_equality(self, node: tree.Compare) -> tuple[str, str]:
        sides = [replace(node, op=op) for op in ((">=", "<=") if node.op == "=" else (">", "<"))]
        return self.truth((tree.And if node.op == "=" else tree.Or)(parts=tuple(sides)))

    def _split_between(self, node: tree.Between) -> tuple[str, str]:
        low_op, high_op = ("<", ">") if node.is_negated else (">=", "<=")
        sides = (
            tree.Compare(op=low_op, left=node.value, right=node.low),
            tree.Compare(op=high_op, left=node.value, right=node.high),
        )
        return self.truth((tree.Or if node.is_negated else tree.And)(parts=sides))

    # -- conditions and values, as expressions at an instant -------------------------------------

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
                low, high = self.expression(node.low, at), self.expression(node.high, at)
                value = self.needs_name()
                first, second = ("<", ">") if node.is_negated else (">=", "<=")
                word = "or" if node.is_negated else "and"
                missing = (
                    f" and {low} is not None and {high} is not None" if node.is_negated else ""
                )
                return (
                    f"(({value} := {self.expression(node.value, at)}) is not None{missing} and"
                    f" (compare({first!r}, {value}, {low}) {word} compare({second!r}, {value}, {high})))"
                )
            case tree.In():
                return self._in(node, at)
            case tree.IsNull():
                return f"({self.expression(node.value, at)} {'is not' if node.is_negated else 'is'} None)"
            case tree.Aggregate() if node.kind in _BOOLEAN_AGGREGATES:
                return self._boolean_aggregate(node, at)
            case tree.Call() if node.name == "anniversary":
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
            case tree.Aggregate() if node.kind not in _BOOLEAN_AGGREGATES:
                return self._aggregate(node, at)
            case tree.ListRef():
                return self.needs.constant(tuple(self.scope.lists.get(node.name, ())))
        if is_condition(node):
            return self.condition(node, at)
        raise CompileError(f"`{type(node).__name__}` cannot be used here")

    def _compare(self, node: tree.Compare, at: str) -> str:
        op, left, right = node.op, node.left, node.right
        if isinstance(left, (tree.Number, tree.Text)):
            op, left, right = _FLIPPED[op], right, left
        months = self._compare_months(op, left, right, at) or self._compare_months(
            _FLIPPED[op], right, left, at
        )
        if months is not None:
            return months
        self._keep_countable(left, right)
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
            value = self.needs_name()
            return f"(type({value} := {self.expression(left, at)}) is int and {value} {sign} {right.scaled})"
        return f"compare({op!r}, {self.expression(left, at)}, {self.expression(right, at)})"

    def _keep_countable(self, left: tree.Node, right: tree.Node) -> None:
        # A count compared with k must be able to exceed k, whatever the cap.
        if not isinstance(left, tree.Aggregate) or not isinstance(right, tree.Number):
            return
        if left.kind == "count" and left.within is not None and not left.selectors[0].path:
            cap = max(LATEST_CAP, right.scaled // SCALE + 1)
            self.needs.latest(left.selectors[0], cap=cap, window=left.within)

    def _compare_months(self, op: str, left: tree.Node, right: tree.Node, at: str) -> str | None:
        """`since(..) op 6mo`: calendar months are added to the event, not taken from a lapse."""
        if not isinstance(right, tree.DurationValue) or not right.duration.months:
            return None
        if not isinstance(left, tree.Aggregate) or left.kind != "since":
            return None
        lapse = self.needs_name()
        sign = "==" if op == "=" else op
        moment = f"{self.needs.constant(right.duration)}.after({at} - {lapse})"
        return f"(({lapse} := {self.expression(left, at)}) is not None and {at} {sign} {moment})"

    def _compare_ratio(self, op: str, left: tree.Node, right: tree.Node, at: str) -> str | None:
        """`avg(..) op c`, `rate(..) op c` by cross-multiplication: exact, without a quotient."""
        if isinstance(left, tree.Number):
            op, left, right = _FLIPPED[op], right, left
        if not isinstance(right, tree.Number) or not isinstance(left, tree.Aggregate):
            return None
        sign = "==" if op == "=" else op
        pair = self.needs_name()
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
        options: dict[type, set[Any]] = {}
        for option in node.options:
            match option:
                case tree.ListRef():
                    options.setdefault(str, set()).update(self.scope.lists.get(option.name, ()))
                case tree.Text() | tree.Boolean():
                    options.setdefault(type(option.value), set()).add(option.value)
                case tree.Number():
                    options.setdefault(int, set()).add(option.scaled)
                case _:
                    tests = " or ".join(
                        f"compare('=', {self.expression(node.value, at)}, {self.expression(o, at)})"
                        for o in node.options
                    )
                    return f"(not ({tests}))" if node.is_negated else f"({tests})"
        frozen = {kind: frozenset(values) for kind, values in options.items()}
        name = self.needs.constant(_Options(frozen))
        return f"member({self.expression(node.value, at)}, {name}, {node.is_negated})"

    def _boolean_aggregate(self, node: tree.Aggregate, at: str) -> str:
        window = self.needs.window(node.within)
        if node.kind in ("any", "none"):
            cell = self._cell(self._count_cell(node, 1))
            sign = "> 0" if node.kind == "any" else "== 0"
            return f"(count_latest({cell}, {window}, {at}) {sign})"
        over = self.needs.window(node.over)
        keyed = bool(node.by)
        cells = [self._cell(cell) for cell in self._chain_cells(node)]
        if node.kind == "abandoned":
            after = self.needs.window(node.after or Duration())
            return f"abandoned({cells[0]}, {cells[1]}, {after}, {over}, {keyed}, {at})"
        return f"chained([{', '.join(cells)}], {window}, {over}, {keyed}, {at})"

    def _chain_cells(self, node: tree.Aggregate) -> list[int]:
        keyed = bool(node.by)
        cap = LATEST_CAP if keyed or node.kind != "abandoned" else 1
        window = node.over
        return [
            self.needs.latest(
                selector, cap=cap, window=window, path=node.by if keyed else (), has_values=keyed
            )
            for selector in node.selectors
        ]

    def _aggregate(self, node: tree.Aggregate, at: str) -> str:
        selector, kind, within = node.selectors[0], node.kind, node.within
        window = self.needs.window(within)
        if kind == "count":
            if within is None and selector.path:
                return f"sum_of({self._cell(self.needs.number('sum', selector, is_item=True))})[1]"
            if within is None:
                return f"({self._cell(self.needs.number('count', selector))} or 0) * {SCALE}"
            return self._count(node, at)
        if kind == "sum":
            return f"{self._sum_pair(node, at)}[1]"
        if kind == "avg":
            pair = self.needs_name()
            return (
                f"(divide_half_even({pair}[1], {pair}[0])"
                f" if ({pair} := {self._sum_pair(node, at)})[0] else None)"
            )
        if kind == "rate":
            pair = self.needs_name()
            return (
                f"(divide({pair}[0] * {SCALE}, {pair}[1] * {SCALE})"
                f" if ({pair} := {self._rate_pair(node, at)})[1] else None)"
            )
        if kind in ("min", "max"):
            if within is None:
                return f"unpack({self._cell(self.needs.number(kind, selector))})"
            return f"{kind}(numbers_latest({self._values_cell(selector, within)}, {window}, {at}), default=None)"
        if kind in ("first", "last"):
            if within is None:
                cell = self.needs_name()
                source = self._cell(self.needs.number(kind, selector))
                return f"(None if ({cell} := {source}) is None else unpack({cell}[2]))"
            return f"edge_latest({self._values_cell(selector, within)}, {window}, {at}, {kind!r})"
        if kind == "since":
            cell = self._cell(self.needs.latest(selector, cap=1, window=within))
            return f"since_latest({cell}, {window}, {at})"
        if kind == "most":
            cell = self._values_cell(replace(selector, path=node.by), within)
            return f"most({cell}, {window}, {at})"
        return f"{kind}({self._values_cell(selector, within)}, {window}, {at})"

    def _count(self, node: tree.Aggregate, at: str) -> str:
        selector, window = node.selectors[0], self.needs.window(node.within)
        if not selector.path:
            cell = self._cell(self.needs.latest(selector, cap=LATEST_CAP, window=node.within))
            return f"count_latest({cell}, {window}, {at}) * {SCALE}"
        # Items are counted: each event keeps how many of its items matched.
        cell = self._cell(
            self.needs.latest(
                selector,
                cap=LATEST_CAP,
                window=node.within,
                path=selector.path,
                has_values=True,
                is_item=True,
            )
        )
        return f"sum(numbers_latest({cell}, {window}, {at}))"

    def _count_cell(self, node: tree.Aggregate, least: int) -> int:
        selector = node.selectors[0]
        if selector.path:
            return self.needs.latest(
                selector, cap=least, window=node.within, path=selector.path, is_item=True
            )
        return self.needs.latest(selector, cap=least, window=node.within)

    def _values_cell(self, selector: tree.Selector, within: Duration | None) -> str:
        return self._cell(
            self.needs.latest(
                selector, cap=LATEST_CAP, window=within, path=selector.path, has_values=True
            )
        )

    def _sum_pair(self, node: tree.Aggregate, at: str) -> str:
        """Source of (number of values, exact total)."""
        if node.within is None:
            cell = self.needs.number("sum", node.selectors[0])
            return f"sum_of({self._cell(cell)})"
        cell_source = self._values_cell(node.selectors[0], node.within)
        numbers = self.needs_name()
        return (
            f"(len({numbers} := numbers_latest({cell_source}, {self.needs.window(node.within)}, {at})),"
            f" sum({numbers}))"
        )

    def _rate_pair(self, node: tree.Aggregate, at: str) -> str:
        counts = []
        for selector in node.selectors:
            if node.within is None:
                counts.append(f"({self._cell(self.needs.number('count', selector))} or 0)")
            else:
                cell = self._cell(self.needs.latest(selector, cap=LATEST_CAP, window=node.within))
                counts.append(f"count_latest({cell}, {self.needs.window(node.within)}, {at})")
        return f"({counts[0]}, {counts[1]})"

    def _call(self, node: tree.Call, at: str) -> str:
        if node.name in ("hour", "weekday", "month", "date"):
            moment = at
            if node.arguments and not _is_now(node.arguments[0]):
                moment = self.expression(node.arguments[0], at)
                return f"part_of({node.name!r}, {moment}, v.timezone)"
            return f"part({node.name!r}, {moment}, v.timezone)"
        if node.name == "now":
            return f"Moment({at})"
        arguments = ", ".join(self.expression(argument, at) for argument in node.arguments)
        if node.name == "lower":
            return f"lower_text({arguments})"
        if node.name in ("coalesce", "length"):
            return f"{node.name}({arguments})"
        raise CompileError(f"`{node.name}(...)` is not available in live conditions yet")

    def _named(self, node: tree.Named, at: str) -> str:
        if node.kind != "score":
            return f"from_json(v.named({node.kind!r}, {node.name!r}))"
        score = self.scope.scores.get(node.name)
        if score is None:
            raise CompileError(f"unknown score '{node.name}'")
        if isinstance(score, PointsScore):
            return self.points(score, at)
        return self._within(("score", node.name), lambda: f"({self.expression(score, at)})")

    def points(self, score: PointsScore, at: str) -> str:
        """Return source of a points score's value."""
        if score.half_life is None:
            parts = [f"sum_of({self._cell(cell)})[1]" for cell in self.needs.points(score)]
        else:
            parts = [
                f"decayed({self._cell(cell)}, {score.half_life}, {at})"
                for cell in self.needs.points(score)
            ]
        return "(" + (" + ".join(parts) or "0") + ")"

    # -- paths -----------------------------------------------------------------------------------

    def _path_value(self, node: tree.Path | tree.Property) -> str:
        if isinstance(node, tree.Path) and node.root == "event" and node.parts == ("timestamp",):
            return "moment_of(v.event)"
        return f"from_json({self._raw(node)})"

    def _raw(self, node: tree.Node) -> str:
        if isinstance(node, tree.Property):
            head, *rest = node.parts
            if self.target == "item":
                return f"lookup(item, {node.parts!r})"
            if not rest and head not in ("context", "properties"):
                return f"p.get({head!r})"
            return f"event_property(p, x, {node.parts!r})"
        assert isinstance(node, tree.Path)
        if node.root == "traits":
            self.traits.add(node.parts[0])
            if len(node.parts) == 1:
                return f"v.trait({node.parts[0]!r})"
            return f"lookup(v.trait({node.parts[0]!r}), {node.parts[1:]!r})"
        if node.root == "event":
            return f"event_path(v.event, {node.parts!r})"
        self.uses_context = True
        parts = node.parts if node.root == "context" else (node.root, *node.parts)
        return f"lookup(v.context, {parts!r})"

    # -- time ------------------------------------------------------------------------------------

    def timing(self, node: tree.Node) -> int:
        """Say how a node moves while nothing happens: not at all, in steps, or all the time."""
        if isinstance(node, tree.Aggregate):
            if node.kind == "since":
                return CONTINUOUS
            is_timed = node.within if node.kind not in ("followed", "sequence") else node.over
            return STEPWISE if is_timed is not None or node.kind == "abandoned" else STATIC
        if isinstance(node, tree.Call):
            if node.name == "now":
                return CONTINUOUS
            is_calendar = node.name in ("anniversary", "hour", "weekday", "month", "date")
            if is_calendar and (
                node.name == "anniversary" or not node.arguments or _is_now(node.arguments[0])
            ):
                self.traits.add("timezone")
                return STEPWISE
        if isinstance(node, tree.Named) and node.kind == "score":
            score = self.scope.scores.get(node.name)
            if isinstance(score, PointsScore):
                return CONTINUOUS if score.half_life else STATIC
            if score is None:
                raise CompileError(f"unknown score '{node.name}'")
            inner = score
            return self._within(("score", node.name), lambda: self.timing(inner))
        if isinstance(node, tree.InSegment):
            return self._within(("segment", node.name), lambda: self.timing(self._segment(node)))
        return max((self.timing(child) for child in children(node)), default=STATIC)

    def breaks(self, node: tree.Node) -> list[str]:
        """Return sources of lists of instants after `now` at which a node may step."""
        if isinstance(node, tree.Aggregate):
            return self._aggregate_breaks(node)
        if isinstance(node, tree.Call):
            if node.name == "anniversary":
                value = self.expression(node.arguments[0], "now")
                return [f"anniversary_breaks({value}, now, v.timezone)"]
            if self.timing(node) == STEPWISE and node.name in ("hour", "weekday", "month", "date"):
                return [f"part_breaks({node.name!r}, now, v.timezone)"]
        if isinstance(node, tree.Named) and node.kind == "score":
            score = self.scope.scores[node.name]
            if isinstance(score, PointsScore):
                return []
            return self._within(("score", node.name), lambda: self.breaks(score))
        if isinstance(node, tree.InSegment):
            return self._within(("segment", node.name), lambda: self.breaks(self._segment(node)))
        return [source for child in children(node) for source in self.breaks(child)]

    def _aggregate_breaks(self, node: tree.Aggregate) -> list[str]:
        if node.kind == "abandoned":
            first = self._cell(self._chain_cells(node)[0])
            after = self.needs.window(node.after or Duration())
            over = self.needs.window(node.over)
            return [f"abandoned_breaks({first}, {after}, {over}, {bool(node.by)}, now)"]
        if node.kind in ("followed", "sequence"):
            if node.over is None:
                return []
            first = self._cell(self._chain_cells(node)[0])
            return [f"expiries({first}, {self.needs.window(node.over)}, now)"]
        if node.within is None:
            return []
        window = self.needs.window(node.within)
        return [f"expiries({cell}, {window}, now)" for cell in self._cells_of(node)]

    def _cells_of(self, node: tree.Aggregate) -> list[str]:
        known = self.cells
        self.cells = set()
        if is_condition(node):
            self._boolean_aggregate(node, "t")
        else:
            self._aggregate(node, "t")
        mine, self.cells = self.cells, known | self.cells
        return [f"cells.get({cell})" for cell in sorted(mine)]

    # -- small parts -----------------------------------------------------------------------------

    def needs_name(self) -> str:
        """Return a fresh name for a value inside an expression."""
        self._temporaries += 1
        return f"u{self._temporaries}"

    def _set(self, source: str) -> str:
        self._temporaries += 1
        name = f"u{self._temporaries}"
        self.lines.append(f"{name} = {source}")
        return name

    def _cell(self, cell: int) -> str:
        self.cells.add(cell)
        return f"cells.get({cell})"

    def _tuple(self, sources: list[str]) -> str:
        return "".join(source + "," for source in sources)

    def _segment(self, node: tree.InSegment) -> tree.Node:
        condition = self.scope.segments.get(node.name)
        if condition is None:
            raise CompileError(f"unknown segment '{node.name}'")
        return condition

    def _within(self, place: tuple[str, str], emit: Callable[[], T]) -> T:
        if place in self._active:
            chain = " -> ".join(name for _, name in [*self._active, place])
            raise CompileError(f"{place[0]} '{place[1]}' refers to itself: {chain}")
        self._active.append(place)
        try:
            return emit()
        finally:
            self._active.pop()


def children(node: tree.Node) -> tuple[tree.Node, ...]:
    """Return the operand nodes of a node; aggregates have none, their filters see events only."""
    match node:
        case tree.Compare() | tree.Match() | tree.Arithmetic():
            return (node.left, node.right)
        case tree.Between():
            return (node.value, node.low, node.high)
        case tree.In():
            return (node.value, *node.options)
        case tree.IsNull() | tree.Negate():
            return (node.value,)
        case tree.And() | tree.Or():
            return node.parts
        case tree.Not():
            return (node.part,)
        case tree.Call():
            return node.arguments
    return ()


def _is_now(node: tree.Node) -> bool:
    return isinstance(node, tree.Call) and node.name == "now"


def _count_test(node: tree.Node) -> tuple[tree.Aggregate | None, int, bool]:
    """Read a node as `at least N matching events` (or its negation)."""
    if isinstance(node, tree.Aggregate) and node.kind in ("any", "none"):
        return node, 1, node.kind == "none"
    if not isinstance(node, tree.Compare) or node.op in ("=", "!="):
        return None, 0, False
    op, left, right = node.op, node.left, node.right
    if isinstance(left, tree.Number):
        op, left, right = _FLIPPED[op], right, left
    if not isinstance(right, tree.Number) or not isinstance(left, tree.Aggregate):
        return None, 0, False
    if left.kind != "count" or left.selectors[0].path:
        return None, 0, False
    threshold = right.scaled
    least = threshold // SCALE + 1 if op in (">", "<=") else -(-threshold // SCALE)
    return left, least, op in ("<", "<=")


class _Options(dict[type, frozenset[Any]]):
    """Options of `in`, hashable so that equal ones share a constant."""

    def __hash__(self) -> int:  # type: ignore[override]  # frozen by use
        return hash(tuple(sorted((kind.__name__, values) for kind, values in self.items())))
