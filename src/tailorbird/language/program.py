"""A program: expressions compiled together, sharing cells, with an index of what can change what.

`take` folds an event into the cells and asks again the standing conditions that it can change;
`add` only folds; `evaluate` answers one expression and tells how long the answer holds. The oracle
(`oracle.py`) says the same, slowly, from the plain history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType
from typing import Any, Protocol

from tailorbird.base.numbers import SCALE
from tailorbird.events.event import Event
from tailorbird.language import accumulators, decay, interests, tree
from tailorbird.language.accumulators import NEVER, Cell, Cells, CellSpec
from tailorbird.language.compiler import Emitter
from tailorbird.language.folding import (
    fold_lines,
    groups_of,
    indent,
    read_event,
    settle_lines,
    share_cells,
    share_sums,
)
from tailorbird.language.needs import Interest, Needs, PointsScore, Scope
from tailorbird.language.shape import children, is_condition
from tailorbird.language.values import Value
from tailorbird.language.vocabulary import NAMES

_Evaluate = Callable[[Cells, Any, int], tuple[Value, int]]
# A part of an expression: how it is written, its value, its cells, and whether it is a count.
_Explained = tuple[str, Callable[..., Any], tuple[int, ...], bool]
_Add = Callable[[Cells, Event, int], None]
# See `Program.take`: (cells, event, now, view, members, deadlines, changes), and without an event.
_Changes = list[tuple[str, bool]]
Take = Callable[[Cells, Event, int, Any, dict[str, int], dict[str, int], _Changes], None]
_Settle = Callable[[Cells, Any, int, dict[str, int], dict[str, int], _Changes], None]


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
    """Compiled expressions by key, with segments, scores and lists that they may refer to.

    `standing` names those conditions whose truth is kept (key -> name of the segment).
    """

    def __init__(
        self,
        expressions: Mapping[str, tree.Node],
        *,
        segments: Mapping[str, tree.Node] | None = None,
        scores: Mapping[str, tree.Node | PointsScore] | None = None,
        lists: Mapping[str, tuple[str, ...]] | None = None,
        interests: Mapping[str, Interest] | None = None,
        standing: Mapping[str, str] | None = None,
    ) -> None:
        self._scope = Scope(segments or {}, scores or {}, lists or {}, interests or {})
        self._needs = Needs()
        self._nodes = dict(expressions)
        self._standing = dict(standing or {})
        self.keys_of_trait: dict[str, tuple[str, ...]] = {}
        self.keys_of_context: tuple[str, ...] = ()
        self.cells_of_key: dict[str, tuple[int, ...]] = {}
        self._by_clock: set[str] = set()
        self._functions: dict[str, Any] = {}
        self._evaluators, sources = self._compile_expressions()
        for interest in self._scope.interests.values() if standing is not None else ():
            self._needs.interest(interest)  # kept also where no expression asks it: people look
        self.takers: Mapping[str, Take] = {} if standing is None else self._compile_takers(sources)
        self._settlers = self._compile_settlers(sources)
        self._adders: Mapping[str, _Add] | None = None
        if any(spec.half_life for spec in self.specs.values()):
            decay.tables()
        # Of the cells that a standing condition reads, those whose entries get too old to count.
        self._fading = {
            name: tuple(
                spec
                for spec in map(self.specs.__getitem__, self.cells_of_key[key])
                if spec.horizon or spec.half_life
            )
            for key, name in self._standing.items()
        }
        self._explainers: dict[str, list[_Explained]] = {}

    @property
    def specs(self) -> Mapping[int, CellSpec]:
        """The cells that this program keeps, by id."""
        return self._needs.specs

    # -- folding ---------------------------------------------------------------------------------

    def add(self, cells: Cells, event: Event, now: int) -> None:
        """Fold an event into all cells that it matches; what can never count is dropped."""
        if self._adders is None:
            self._adders = self.adders_for(self.specs)
        adder = self._adders.get(event.name)
        if adder is not None:
            adder(cells, event, now)

    def take(
        self,
        view: ViewLike,
        event: Event,
        now: int,
        members: dict[str, int],
        deadlines: dict[str, int],
    ) -> list[tuple[str, bool]]:
        """Fold an event, then settle the standing conditions that it can change, in place.

        `members` maps the names of those that hold to since when, `deadlines` to when they have
        to be asked next. Returns (name, holds) for those whose truth changed.
        """
        changes: list[tuple[str, bool]] = []
        taker = self.takers.get(event.name)
        if taker is not None:
            taker(view.cells, event, now, view, members, deadlines, changes)
        return changes

    def settle(
        self,
        view: ViewLike,
        names: Iterable[str],
        now: int,
        members: dict[str, int],
        deadlines: dict[str, int],
    ) -> list[tuple[str, bool]]:
        """Ask some standing conditions by name; the same in all else as `take`."""
        changes: list[tuple[str, bool]] = []
        cells = view.cells
        for name in names:
            self._settlers[name](cells, view, now, members, deadlines, changes)
        return changes

    def adders_for(self, ids: Iterable[int]) -> Mapping[str, _Add]:
        """Compile adders for some cells only: the inner loop of a back-fill."""
        by_event: dict[str, list[CellSpec]] = {}
        for one in ids:
            by_event.setdefault(self.specs[one].event, []).append(self.specs[one])
        source: list[str] = []
        names: dict[str, str] = {}
        for event, specs in by_event.items():
            names[event] = f"a{len(names)}"
            source.append(f"def {names[event]}(cells, e, now):")
            source += indent(read_event(self._fold_lines(groups_of(specs))))
        space = self._run("\n".join(source))
        return {event: space[name] for event, name in names.items()}

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
            if spec is None or accumulators.prune_cell(spec, cells[one], now) is None:
                del cells[one]

    def prune_for(self, cells: Cells, now: int, names: Iterable[str]) -> None:
        """Drop what can never count again from the cells that some standing conditions read."""
        for name in names:
            for spec in self._fading[name]:
                cell = cells.get(spec.id)
                if cell is not None and accumulators.prune_cell(spec, cell, now) is None:
                    del cells[spec.id]

    # -- asking ----------------------------------------------------------------------------------

    def evaluate(self, key: str, view: ViewLike, now: int) -> tuple[Value, int | None]:
        """Return the value at `now` and the first instant at which it may differ, None for never.

        The instant is never later than the true change if no event comes before it.
        """
        value, flip = self._evaluators[key](view.cells, view, now)
        return value, flip if flip < NEVER else None

    def node(self, key: str) -> tree.Node:
        """Return an expression by its key."""
        return self._nodes[key]

    def reading(self, node: tree.Node) -> Callable[[ViewLike, int], Value]:
        """Compile a part of one of the expressions; what is returned tells its value."""
        value, _ = self._compile_value(node)
        return lambda view, now: value(view.cells, view, now)

    def explain(
        self, key: str, text: str, view: ViewLike, now: int
    ) -> list[tuple[str, Value, bool]]:
        """Return the parts of an expression that are not constants, with their values at `now`.

        Parts are named as they are written in `text`, the expression's own. The last of each three
        says that the value met the cap of what is kept: it is at least that. `count(..) > 3` keeps
        four timestamps.
        """
        explainer = self._explainers.get(key)
        if explainer is None:
            parts = {text[part.span[0] : part.span[1]]: part for part in operands(self._nodes[key])}
            explainer = [
                (name, *self._compile_value(part), _is_count(part)) for name, part in parts.items()
            ]
            self._explainers[key] = explainer
        found: list[tuple[str, Value, bool]] = []
        for name, read, cells, is_count in explainer:
            value = read(view.cells, view, now)
            full = [one for one in cells if self._is_full(one, view)]
            # Of what is kept some may have left the window meanwhile: then no more is in it.
            is_capped = any(not is_count or value >= self.specs[one].cap * SCALE for one in full)
            found.append((name, value, is_capped))
        return found

    def interests(self, name: str, view: ViewLike, now: int, limit: int) -> list[tuple[str, float]]:
        """Return the heaviest values of an interest with their weights in points."""
        interest = self._scope.interests[name]
        cells = tuple((view.cells.get(one), points) for one, points in Needs().interest(interest))
        return interests.top_interests(cells, interest.half_life, now, limit)

    def _is_full(self, cell: int, view: ViewLike) -> bool:
        return len(view.cells.get(cell, ())) >= self.specs[cell].cap

    def born(self, timezone: str) -> tuple[str, ...]:
        """Return the standing keys to ask for a profile of which nothing is known.

        All others are false, for good, until an event, trait or context that they read.
        """
        nothing = View(timezone=timezone)
        return tuple(
            key
            for key in self._standing
            if key in self._by_clock or self.evaluate(key, nothing, 0) != (False, None)
        )

    # -- compiling -------------------------------------------------------------------------------

    def _compile_expressions(self) -> tuple[dict[str, _Evaluate], dict[str, list[str]]]:
        """Return a function for each key, and for the standing ones source to settle them."""
        source: list[str] = []
        settling: dict[str, list[str]] = {}
        by_trait: dict[str, list[str]] = {}
        by_context: list[str] = []
        names: dict[str, str] = {}
        for key, node in self._nodes.items():
            emitter = Emitter(self._needs, self._scope)
            value, flip = emitter.truth(node) if is_condition(node) else emitter.value(node)
            names[key] = f"e{len(names)}"
            source.append(f"def {names[key]}(cells, v, now):")
            source += indent([*emitter.lines, f"return {value}, {flip}"])
            self.cells_of_key[key] = tuple(sorted(emitter.cells))
            if emitter.uses_clock:
                self._by_clock.add(key)
            for trait in sorted(emitter.traits):
                by_trait.setdefault(trait, []).append(key)
            if emitter.uses_context:
                by_context.append(key)
            if key in self._standing:
                lines = emitter.lines
                if any("lambda" in line for line in lines):
                    # A closure would make the caller's variables slow.
                    lines, value, flip = [f"t, f = {names[key]}(cells, v, now)"], "t", "f"
                settling[key] = lines + settle_lines(self._standing[key], value, flip)
        self.keys_of_trait = {trait: tuple(keys) for trait, keys in by_trait.items()}
        self.keys_of_context = tuple(by_context)
        space = self._run("\n".join(source))
        self._functions = {name: space[name] for name in names.values()}
        return {key: space[name] for key, name in names.items()}, settling

    def _compile_takers(self, settling: Mapping[str, list[str]]) -> dict[str, Take]:
        """Compile for each event name: fold it, then settle what its matching filters touch."""
        specs_of: dict[str, list[CellSpec]] = {}
        for spec in self.specs.values():
            specs_of.setdefault(spec.event, []).append(spec)
        source: list[str] = []
        names: dict[str, str] = {}
        for event, specs in specs_of.items():
            groups = groups_of(specs)
            group_of = {spec.id: group for group, found in groups.items() for spec in found}
            touched: dict[tuple[str, ...], list[str]] = {}
            for key in settling:
                asked = sorted({group_of[one] for one in self.cells_of_key[key] if one in group_of})
                if asked:
                    # An event that matches no filter at all still counts where one has none.
                    touched.setdefault(() if "" in asked else tuple(asked), []).append(key)
            asked_for = sorted({group for asked in touched for group in asked})
            flags = {group: f"g{n}" for n, group in enumerate(asked_for)}
            names[event] = f"t{len(names)}"
            lines = [" = ".join(flags.values()) + " = False"] if flags else []
            lines += self._fold_lines(groups, flags)
            settled: list[str] = []
            for asked_groups, keys in touched.items():
                body = share_sums([line for key in keys for line in settling[key]])
                if asked_groups:
                    settled.append(f"if {' or '.join(flags[group] for group in asked_groups)}:")
                    body = indent(body)
                settled += body
            lines += share_cells(settled)
            source.append(f"def {names[event]}(cells, e, now, v, members, deadlines, changes):")
            source += indent(read_event(lines))
        space = self._run("\n".join(source))
        return {event: space[name] for event, name in names.items()}

    def _compile_settlers(self, settling: Mapping[str, list[str]]) -> dict[str, _Settle]:
        source: list[str] = []
        names: dict[str, str] = {}
        for key, lines in settling.items():
            names[self._standing[key]] = f"s{len(names)}"
            source.append(f"def s{len(names) - 1}(cells, v, now, members, deadlines, changes):")
            source += indent(lines)
        space = self._run("\n".join(source))
        return {name: space[function] for name, function in names.items()}

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
            if is_counted and one in self.specs and self.specs[one].kind == "times"
        ]
        return space["value"], tuple(counted)

    def _fold_lines(
        self, groups: Mapping[str, list[CellSpec]], flags: Mapping[str, str] | None = None
    ) -> list[str]:
        """Source that folds an event into cells; sets the flag of each group that it matches."""
        lines: list[str] = []
        for group, specs in groups.items():
            first, body = specs[0], [line for spec in specs for line in fold_lines(spec)]
            if flags and group in flags:
                body.append(f"{flags[group]} = True")
            if first.is_item:
                test = "item is not None"
                if first.where is not None:
                    emitter = Emitter(self._needs, self._scope, "item")
                    test += f" and {emitter.condition(first.where, 'now')}"
                lines.append(f"n = items_of(p, x, {first.path!r}, lambda item: {test})")
                lines.append("if n:")
                body = indent(body)
            elif first.where is not None:
                condition = Emitter(self._needs, self._scope, "p").condition(first.where, "now")
                lines.append(f"if {condition}:")
                body = indent(body)
            lines += body
        return lines

    def _run(self, source: str, constants: Mapping[str, Any] | None = None) -> dict[str, Any]:
        space: dict[str, Any] = {**NAMES, **self._functions}
        space.update(self._needs.constants if constants is None else constants)
        if "COARSE" in source:
            space["COARSE"], space["FINE"] = decay.tables()
        exec(_compiled(source), space)  # our own source
        return space


@lru_cache(maxsize=64)
def _compiled(source: str) -> CodeType:
    # Most of an edited workspace reads as before, and a restarted engine's in tests all of it.
    return compile(source, "<tailorbird program>", "exec")


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


def _is_count(node: tree.Node) -> bool:
    return isinstance(node, tree.Aggregate) and node.kind == "count"


def _copy(cell: Cell) -> Cell:
    if isinstance(cell, dict):
        return dict(cell)
    if isinstance(cell, list):
        return [list(part) if isinstance(part, list) else part for part in cell]
    return cell
