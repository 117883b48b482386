"""Source of aggregates and paths: how generated code reads cells and profiles at an instant.

Generated code uses these names: `cells`, `v` (a view), `now`, `t` (the instant asked about), and in
filters `p` (properties), `x` (context), `item`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from tailorbird.base.numbers import SCALE
from tailorbird.base.time import Duration
from tailorbird.language import tree
from tailorbird.language.accumulators import LATEST_CAP
from tailorbird.language.needs import CompileError, Interest, Needs, PointsScore, Scope

T = TypeVar("T")


class Emission:
    """Keeps what emitting one expression needs, and writes the parts that read data.

    `target` is "" for expressions about a profile, "p" or "item" for filters on events or items.
    """

    def __init__(self, needs: Needs, scope: Scope, target: str = "") -> None:
        self.needs = needs
        self.scope = scope
        self.target = target
        self.traits: set[str] = set()
        self.cells: set[int] = set()
        self.uses_context = False
        self.uses_clock = False
        self.lines: list[str] = []
        self._temporaries = 0
        self._depth = 0
        self._active: list[tuple[str, str]] = []
        self._caps: dict[int, int] = {}

    def keep_countable(self, node: tree.Node, *others: tree.Node) -> None:
        """Let a count exceed the constants that it is compared with, whatever the cap."""
        if isinstance(node, tree.Aggregate) and node.kind in ("count", "most", "distinct"):
            constants = [one.scaled // SCALE + 1 for one in others if isinstance(one, tree.Number)]
            self._caps[id(node)] = max([LATEST_CAP, *constants])

    def _boolean_aggregate(self, node: tree.Aggregate, at: str) -> str:
        window = self.needs.window(node.within)
        if node.kind in ("any", "none"):
            cell = self._cell(self._count_cell(node, 1))
            sign = "> 0" if node.kind == "any" else "== 0"
            return f"(count_times({cell}, {window}, {at}) {sign})"
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
                selector,
                cap=cap,
                window=window,
                path=node.by if keyed else (),
                has_values=keyed,
                is_ordered=True,
            )
            for selector in node.selectors
        ]

    def _aggregate(self, node: tree.Aggregate, at: str) -> str:
        selector, kind, within = node.selectors[0], node.kind, node.within
        cap = self._caps.get(id(node), LATEST_CAP)
        window = self.needs.window(within)
        if kind == "count":
            if within is None and selector.path:
                return f"sum_of({self._cell(self.needs.number('sum', selector, is_item=True))})[1]"
            if within is None:
                return f"({self._cell(self.needs.number('count', selector))} or 0) * {SCALE}"
            return self._count(node, at, cap)
        if kind == "sum":
            return f"{self._sum_pair(node, at)}[1]"
        if kind == "avg":
            pair = self.fresh()
            return (
                f"(divide_half_even({pair}[1], {pair}[0])"
                f" if ({pair} := {self._sum_pair(node, at)})[0] else None)"
            )
        if kind == "rate":
            pair = self.fresh()
            return (
                f"(divide({pair}[0] * {SCALE}, {pair}[1] * {SCALE})"
                f" if ({pair} := {self._rate_pair(node, at)})[1] else None)"
            )
        if kind in ("min", "max"):
            if within is None:
                return f"unpack({self._cell(self.needs.number(kind, selector))})"
            cell = self._values_cell(selector, within)
            return f"{kind}(numbers_latest({cell}, {window}, {at}), default=None)"
        if kind in ("first", "last"):
            if within is None:
                cell = self.fresh()
                source = self._cell(self.needs.number(kind, selector))
                return f"(None if ({cell} := {source}) is None else unpack({cell}[2]))"
            return f"edge_latest({self._values_cell(selector, within)}, {window}, {at}, {kind!r})"
        if kind == "since":
            cell = self._cell(self.needs.latest(selector, cap=1, window=within))
            return f"since_times({cell}, {window}, {at})"
        if kind == "most":
            cell = self._values_cell(replace(selector, path=node.by), within, cap)
            return f"most({cell}, {window}, {at})"
        return f"{kind}({self._values_cell(selector, within, cap)}, {window}, {at})"

    def _count(self, node: tree.Aggregate, at: str, cap: int) -> str:
        selector, window = node.selectors[0], self.needs.window(node.within)
        if not selector.path:
            cell = self._cell(self.needs.latest(selector, cap=cap, window=node.within))
            return f"count_times({cell}, {window}, {at}) * {SCALE}"
        # Items are counted: each event keeps how many of its items matched.
        cell = self._cell(
            self.needs.latest(
                selector,
                cap=cap,
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

    def _values_cell(
        self, selector: tree.Selector, within: Duration | None, cap: int | None = None
    ) -> str:
        return self._cell(
            self.needs.latest(
                selector, cap=cap or LATEST_CAP, window=within, path=selector.path, has_values=True
            )
        )

    def _sum_pair(self, node: tree.Aggregate, at: str) -> str:
        """Source of (number of values, exact total)."""
        if node.within is None:
            cell = self.needs.number("sum", node.selectors[0])
            return f"sum_of({self._cell(cell)})"
        cell_source = self._values_cell(node.selectors[0], node.within)
        window, numbers = self.needs.window(node.within), self.fresh()
        return f"(len({numbers} := numbers_latest({cell_source}, {window}, {at})), sum({numbers}))"

    def _rate_pair(self, node: tree.Aggregate, at: str) -> str:
        counts = []
        for selector in node.selectors:
            if node.within is None:
                counts.append(f"({self._cell(self.needs.number('count', selector))} or 0)")
            else:
                cell = self._cell(self.needs.latest(selector, cap=LATEST_CAP, window=node.within))
                counts.append(f"count_times({cell}, {self.needs.window(node.within)}, {at})")
        return f"({counts[0]}, {counts[1]})"

    def points(self, score: PointsScore, at: str) -> str:
        """Return source of a points score's value."""
        parts = self.point_cells(score)
        if score.is_pooled:
            span = f"{score.half_life}, {score.fades_over}, {score.cap_per_day}"
            return f"pooled({parts}, {span}, {at})"
        if score.half_life is not None:
            return f"decayed({parts}, {score.half_life}, {at})"
        sums = [f"sum_of({self._cell(cell)})[1]" for cell in self.needs.points(score)]
        return "(" + (" + ".join(sums) or "0") + ")"

    def interest(self, interest: Interest) -> str:
        """Return source of the (cell, points) pairs of an interest."""
        cells = self.needs.interest(interest)
        return f"({self._tuple([f'({self._cell(cell)}, {points})' for cell, points in cells])})"

    def point_cells(self, score: PointsScore) -> str:
        """Return source of the (cell, unit) pairs of a score."""
        specs = [self.needs.specs[cell] for cell in self.needs.points(score)]
        return f"({self._tuple([f'({self._cell(spec.id)}, {spec.unit})' for spec in specs])})"

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

    def fresh(self) -> str:
        """Return a fresh name for a value inside an expression."""
        self._temporaries += 1
        return f"u{self._temporaries}"

    def _set(self, source: str) -> str:
        self._temporaries += 1
        name = f"u{self._temporaries}"
        self.line(f"{name} = {source}")
        return name

    def line(self, source: str) -> None:
        """Emit a statement at the present depth."""
        self.lines.append("    " * self._depth + source)

    @contextmanager
    def indented(self) -> Iterator[None]:
        """Emit what follows one level deeper."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

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
