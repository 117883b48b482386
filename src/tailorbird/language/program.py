"""A program: expressions compiled together, sharing cells, with an index of what can change what.

`add` folds an event into the cells, `evaluate` answers an expression and tells how long the answer
holds. The oracle (`oracle.py`) says the same, slowly, from the plain history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tailorbird.base.numbers import SCALE, divide, divide_half_even
from tailorbird.events.event import Event
from tailorbird.language import accumulators, calendar, runtime, tree
from tailorbird.language.accumulators import NEVER, Cell, Cells, CellSpec
from tailorbird.language.compiler import Emitter
from tailorbird.language.needs import Needs, PointsScore, Scope
from tailorbird.language.shape import children, is_condition
from tailorbird.language.values import Moment, Value, event_property, from_json, lookup

_Evaluate = Callable[[Cells, Any, int], tuple[Value, int]]
_Add = Callable[[Cells, Event, int], None]


class ViewLike(Protocol):
    """What an expression sees of a profile beside its cells."""

    @property
    def cells(self) -> Cells: ...
    @property
    def context(self) -> Mapping[str, Any]: ...
    @property
    def event(self) -> Mapping[str, Any] | None: ...
    @property
    def timezone(self) -> str: ...
    def trait(self, name: str) -> Any: ...
    def named(self, kind: str, name: str) -> Any: ...


@dataclass(slots=True, kw_only=True)
class View:
    """A profile as plain values; `traits` and `context` are raw JSON."""

    cells: Cells = field(default_factory=dict)
    traits: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    event: Mapping[str, Any] | None = None
    timezone: str = "UTC"
    predictions: Mapping[tuple[str, str], Any] = field(default_factory=dict)

    def trait(self, name: str) -> Any:
        """Return a trait's raw value or None."""
        return self.traits.get(name)

    def named(self, kind: str, name: str) -> Any:
        """Return a prediction or cluster."""
        return self.predictions.get((kind, name))


class Program:
    """Compiled expressions by key, with segments, scores and lists that they may refer to."""

    def __init__(
        self,
        expressions: Mapping[str, tree.Node],
        *,
        segments: Mapping[str, tree.Node] | None = None,
        scores: Mapping[str, tree.Node | PointsScore] | None = None,
        lists: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._scope = Scope(segments or {}, scores or {}, lists or {})
        self._needs = Needs()
        self._nodes = dict(expressions)
        self.keys_of_event: dict[str, tuple[str, ...]] = {}
        self.keys_of_trait: dict[str, tuple[str, ...]] = {}
        self.keys_of_context: tuple[str, ...] = ()
        self._evaluators = self._compile_expressions()
        self._adders = self._compile_adders(self.specs.values())
        self._explainers: dict[
            str, list[tuple[tree.Node, Callable[..., Value], tuple[int, ...]]]
        ] = {}

    @property
    def specs(self) -> Mapping[int, CellSpec]:
        """The cells that this program keeps, by id."""
        return self._needs.specs

    # -- folding ---------------------------------------------------------------------------------

    def add(self, cells: Cells, event: Event, now: int) -> None:
        """Fold an event into all cells that it matches; what can never count is dropped."""
        adder = self._adders.get(event.name)
        if adder is not None:
            adder(cells, event, now)

    def adders_for(self, ids: Iterable[int]) -> Mapping[str, _Add]:
        """Compile adders for some cells only: the inner loop of a back-fill."""
        return self._compile_adders([self.specs[one] for one in ids])

    def merge(self, left: Cells, right: Cells, now: int) -> Cells:
        """Merge the cells of two profiles, pruned to `now`; the arguments are left as they are."""
        merged: Cells = {}
        for one, spec in self.specs.items():
            if one in left and one in right:
                cell = accumulators.merge_cell(spec, left[one], right[one])
            elif one in left or one in right:
                cell = _copy(left[one] if one in left else right[one])
            else:
                continue
            kept = accumulators.prune_cell(spec, cell, now)
            if kept is not None:
                merged[one] = kept
        return merged

    def prune(self, cells: Cells, now: int) -> None:
        """Drop entries that can never count again, and cells that this program does not keep."""
        for one in list(cells):
            spec = self.specs.get(one)
            kept = None if spec is None else accumulators.prune_cell(spec, cells[one], now)
            if kept is None:
                del cells[one]

    # -- asking ----------------------------------------------------------------------------------

    def evaluate(self, key: str, view: ViewLike, now: int) -> tuple[Value, int | None]:
        """Return the value at `now` and the first instant at which it may differ, None for never.

        The instant is never later than the true change if no event comes before it.
        """
        value, flip = self._evaluators[key](view.cells, view, now)
        return value, flip if flip < NEVER else None

    def explain(self, key: str, view: ViewLike, now: int) -> list[tuple[tree.Node, Value, bool]]:
        """Return the parts of an expression that are not constants, with their values at `now`.

        The last of each three says that the value met the cap of what is kept: it is at least
        that. `count(..) > 3` keeps four timestamps.
        """
        if key not in self._explainers:
            parts = list(operands(self._nodes[key]))
            self._explainers[key] = [(part, *self._compile_value(part)) for part in parts]
        return [
            (part, value(view.cells, view, now), self._is_capped(cells, view))
            for part, value, cells in self._explainers[key]
        ]

    def _is_capped(self, cells: Iterable[int], view: ViewLike) -> bool:
        return any(
            one in view.cells and len(view.cells[one][0]) >= self.specs[one].cap for one in cells
        )

    # -- compiling -------------------------------------------------------------------------------

    def _compile_expressions(self) -> dict[str, _Evaluate]:
        source: list[str] = []
        by_event: dict[str, list[str]] = {}
        by_trait: dict[str, list[str]] = {}
        by_context: list[str] = []
        names: dict[str, str] = {}
        for key, node in self._nodes.items():
            emitter = Emitter(self._needs, self._scope)
            value, flip = emitter.truth(node) if is_condition(node) else emitter.value(node)
            names[key] = f"e{len(names)}"
            body = "".join(f"\n    {line}" for line in emitter.lines)
            source.append(f"def {names[key]}(cells, v, now):{body}\n    return {value}, {flip}\n")
            for event in sorted({self.specs[cell].event for cell in emitter.cells}):
                by_event.setdefault(event, []).append(key)
            for trait in sorted(emitter.traits):
                by_trait.setdefault(trait, []).append(key)
            if emitter.uses_context:
                by_context.append(key)
        self.keys_of_event = {event: tuple(keys) for event, keys in by_event.items()}
        self.keys_of_trait = {trait: tuple(keys) for trait, keys in by_trait.items()}
        self.keys_of_context = tuple(by_context)
        space = self._run("\n".join(source))
        return {key: space[name] for key, name in names.items()}

    def _compile_value(self, node: tree.Node) -> tuple[Callable[..., Value], tuple[int, ...]]:
        """Return code for a value, and the cells whose cap would show in it."""
        # Explaining must not change what is kept: it asks with needs of its own.
        emitter = Emitter(Needs(), self._scope)
        source = f"def value(cells, v, now):\n    return {emitter.expression(node, 'now')}\n"
        space = self._run(source, emitter.needs.constants)
        is_counted = isinstance(node, tree.Aggregate) and node.kind == "count"
        counted = [
            one
            for one in emitter.cells
            if is_counted and one in self.specs and self.specs[one].kind == "latest"
        ]
        return space["value"], tuple(counted)

    def _compile_adders(self, specs: Iterable[CellSpec]) -> dict[str, _Add]:
        by_event: dict[str, list[CellSpec]] = {}
        for spec in specs:
            by_event.setdefault(spec.event, []).append(spec)
        source: list[str] = []
        names: dict[str, str] = {}
        for event, wanted in by_event.items():
            names[event] = f"a{len(names)}"
            lines = [f"def {names[event]}(cells, e, now):"]
            lines.append("    p = e.properties; x = e.context; ts = e.timestamp; o = e.order")
            for spec in wanted:
                lines += [f"    {line}" for line in self._adder_lines(spec)]
            source.append("\n".join(lines) + "\n")
        space = self._run("\n".join(source))
        return {event: space[name] for event, name in names.items()}

    def _adder_lines(self, spec: CellSpec) -> list[str]:
        where, lines, indent = spec.where, [], ""
        if spec.is_item:
            test = "item is not None"
            if where is not None:
                test += f" and {Emitter(self._needs, self._scope, 'item').condition(where, 'now')}"
            lines.append(f"n = items_of(p, x, {spec.path!r}, lambda item: {test})")
            lines.append("if n:")
            indent = "    "
        elif where is not None:
            lines.append(f"if {Emitter(self._needs, self._scope, 'p').condition(where, 'now')}:")
            indent = "    "
        return lines + [indent + line for line in _fold_lines(spec)]

    def _run(self, source: str, constants: Mapping[str, Any] | None = None) -> dict[str, Any]:
        space: dict[str, Any] = dict(_NAMES)
        space.update(self._needs.constants if constants is None else constants)
        exec(compile(source, "<tailorbird program>", "exec"), space)  # our own source
        return space


def operands(node: tree.Node) -> Iterable[tree.Node]:
    """Yield the parts of a condition whose values explain it, in order of appearance."""
    if isinstance(node, (tree.And, tree.Or, tree.Not, tree.Compare, tree.Match, tree.Between)):
        for child in children(node):
            yield from operands(child)
    elif isinstance(node, (tree.In, tree.IsNull)):
        yield from operands(node.value)
    elif (
        isinstance(node, (tree.Arithmetic, tree.Negate))
        or (isinstance(node, tree.Call) and node.name != "anniversary")
        or isinstance(node, (tree.Aggregate, tree.Path, tree.Named, tree.InSegment, tree.Call))
    ):
        yield node


def _fold_lines(spec: CellSpec) -> list[str]:
    one, value = spec.id, "pack(from_json(event_property(p, x, " + repr(spec.path) + ")))"
    if len(spec.path) == 1 and spec.path[0] not in ("context", "properties"):
        value = f"pack(from_json(p.get({spec.path[0]!r})))"
    if spec.is_item:
        value = f"n * {SCALE}"
    match spec.kind:
        case "latest":
            return _latest_lines(spec, value)
        case "count":
            return [f"cells[{one}] = cells.get({one}, 0) + 1"]
        case "sum":
            number = str(spec.points) if spec.points else f"unpack({value})"
            return [f"add_sum(cells, {one}, {number})"]
        case "min" | "max":
            return [f"add_extreme(cells, {one}, {spec.kind!r}, unpack({value}))"]
        case "first" | "last":
            return [f"add_edge(cells, {one}, {spec.kind!r}, ts, o, {value})"]
    return [f"add_decay(cells, {one}, ts, {spec.points}, {spec.half_life}, now)"]


def _latest_lines(spec: CellSpec, value: str) -> list[str]:
    one, cap, horizon = spec.id, spec.cap, spec.horizon
    extra = f", {value}, True" if spec.has_values else ""
    full = f"add_latest(cells, {one}, {cap}, {horizon}, ts, o, now{extra})"
    # Nearly all events arrive in order and displace nothing: append without a call.
    grows = f"len(c[0]) < {cap}"
    fresh = "" if horizon is None else f" and c[0][0] > now - {horizon}"
    append = "c[0].append(ts); c[1].append(o)" + (
        f"; c[2].append({value})" if spec.has_values else ""
    )
    return [
        f"c = cells.get({one})",
        f"if c is not None and ts > c[0][-1] and {grows}{fresh}:",
        f"    {append}",
        "else:",
        f"    {full}",
    ]


def _copy(cell: Cell) -> Cell:
    if isinstance(cell, dict):
        return dict(cell)
    if isinstance(cell, list):
        return [list(part) if isinstance(part, list) else part for part in cell]
    return cell


_NAMES: dict[str, Any] = {
    "NEVER": NEVER,
    "Moment": Moment,
    "abandoned": runtime.abandoned,
    "abandoned_breaks": runtime.abandoned_breaks,
    "add": runtime.add,
    "add_decay": accumulators.add_decay,
    "add_edge": accumulators.add_edge,
    "add_extreme": accumulators.add_extreme,
    "add_latest": accumulators.add_latest,
    "add_sum": accumulators.add_sum,
    "age": runtime.age,
    "anniversary": calendar.anniversary,
    "anniversary_breaks": calendar.anniversary_breaks,
    "chained": runtime.chained,
    "coalesce": runtime.coalesce,
    "compare": runtime.compare,
    "count_latest": runtime.count_latest,
    "decayed": runtime.decayed,
    "distinct": runtime.distinct,
    "divide": divide,
    "divide_half_even": divide_half_even,
    "edge_latest": runtime.edge_latest,
    "event_path": runtime.event_path,
    "event_property": event_property,
    "expiries": runtime.expiries,
    "expiry": runtime.expiry,
    "favourite": runtime.favourite,
    "first_crossing": runtime.first_crossing,
    "first_flip": runtime.first_flip,
    "from_json": from_json,
    "items_of": runtime.items_of,
    "length": runtime.length,
    "like": runtime.like,
    "lookup": lookup,
    "lower_text": runtime.lower_text,
    "match": runtime.match,
    "max": max,
    "member": runtime.member,
    "min": min,
    "moment_of": runtime.moment_of,
    "most": runtime.most,
    "multiply": runtime.multiply,
    "negate": runtime.negate,
    "numbers_latest": runtime.numbers_latest,
    "pack": accumulators.pack,
    "part": calendar.part,
    "part_breaks": calendar.part_breaks,
    "part_of": calendar.part_of,
    "quotient": runtime.quotient,
    "since_latest": runtime.since_latest,
    "subtract": runtime.subtract,
    "sum_of": runtime.sum_of,
    "unpack": accumulators.unpack,
}
