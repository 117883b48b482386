"""Compiles an expression to statements that set its value and when it may next change.

`needs` collects the cells, `emission` and `conditions` write what holds at an instant, this module
adds time. `program` puts the pieces together and runs them; `runtime` is what they call.
"""

from __future__ import annotations

from dataclasses import replace

from tailorbird.base.time import Duration
from tailorbird.language import tree
from tailorbird.language.accumulators import NEVER
from tailorbird.language.conditions import ConditionEmitter
from tailorbird.language.crossings import threshold
from tailorbird.language.folding import edge_of
from tailorbird.language.needs import CompileError, PointsScore
from tailorbird.language.shape import (
    CALENDAR_PARTS,
    FLIPPED,
    children,
    count_test,
    is_condition,
    is_now,
)

STATIC, STEPWISE, CONTINUOUS = 0, 1, 2


class Emitter(ConditionEmitter):
    """Writes the source of one expression with its deadline."""

    def truth(self, node: tree.Node) -> tuple[str, str]:
        """Emit statements that set a truth and the instant at which it may next change."""
        if isinstance(node, (tree.And, tree.Or)):
            return self._combine(node)
        if isinstance(node, tree.Not):
            truth, flip = self.truth(node.part)
            return self._set(f"not {truth}"), flip
        if isinstance(node, tree.InSegment):
            return self._within(("segment", node.name), lambda: self.truth(self._segment(node)))
        timing = self.timing(node)
        if timing == STATIC:
            return self._set(self.condition(node, "now")), str(NEVER)
        for closed_form in (
            self._counted,
            self._elapsed,
            self._summed,
            self._abandoned,
            self._fading,
        ):
            found = closed_form(node)
            if found is not None:
                return found
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

    def _combine(self, node: tree.And | tree.Or) -> tuple[str, str]:
        """Where what moves by events alone already decides, no more is asked."""
        is_and = isinstance(node, tree.And)
        static = tuple(part for part in node.parts if self.timing(part) == STATIC)
        moving = [part for part in node.parts if self.timing(part) != STATIC]
        if not moving:
            return self._set(self.condition(node, "now")), str(NEVER)
        if not static:
            return self._combine_moving(is_and, moving)
        decided = self.condition(replace(node, parts=static), "now")
        truth, flip = self.fresh(), self.fresh()
        self.line(f"if {decided if is_and else 'not ' + decided}:")
        with self.indented():
            inner_truth, inner_flip = self._combine_moving(is_and, moving)
            self.line(f"{truth} = {inner_truth}; {flip} = {inner_flip}")
        self.line("else:")
        with self.indented():
            self.line(f"{truth} = {not is_and}; {flip} = {NEVER}")
        return truth, flip

    def _combine_moving(self, is_and: bool, nodes: list[tree.Node]) -> tuple[str, str]:
        parts = [self.truth(node) for node in nodes]
        if len(parts) == 1:
            return parts[0]
        # The whole changes when the earliest deciding part does, or when the last opposing one has.
        truth = self._set((" and " if is_and else " or ").join(name for name, _ in parts))
        earliest = f"min({', '.join(flip for _, flip in parts)})"
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
        aggregate, least, is_negated = count_test(node)
        if aggregate is None or aggregate.within is None:
            return None
        if least <= 0:
            return self._set(str(not is_negated)), str(NEVER)
        times = self._set(self._cell(self._count_cell(aggregate, least)))
        has_enough = times if least == 1 else f"{times} and len({times}) >= {least}"
        edge = self._set(
            f"{self._after(f'{times}[-{least}]', aggregate.within)} if {has_enough} else 0"
        )
        return edge_of(edge, is_until=not is_negated)

    def _elapsed(self, node: tree.Node) -> tuple[str, str] | None:
        """`since(..) op duration` without a window: flips once, at a known instant."""
        if not isinstance(node, tree.Compare) or node.op in ("=", "!="):
            return None
        op, left, right = node.op, node.left, node.right
        if isinstance(left, tree.DurationValue):
            op, left, right = FLIPPED[op], right, left
        if not isinstance(left, tree.Aggregate) or left.kind != "since" or left.within is not None:
            return None
        if not isinstance(right, tree.DurationValue):
            return None
        times = self._set(self._cell(self.needs.latest(left.selectors[0], cap=1, window=None)))
        strict = " + 1" if op in (">", "<=") else ""
        edge = self._set(
            f"{self._after(f'{times}[-1]', right.duration)}{strict} if {times} else {NEVER}"
        )
        truth, flip = edge_of(edge, is_until=False)
        if op in (">", ">="):
            return truth, flip
        return self._set(f"now < {edge} < {NEVER}"), flip

    def _summed(self, node: tree.Node) -> tuple[str, str] | None:
        """`sum(..)`, `avg(..)` and counted items against a constant: one walk over what leaves."""
        if not isinstance(node, tree.Compare):
            return None
        op, left, right = node.op, node.left, node.right
        if isinstance(left, tree.Number):
            op, left, right = FLIPPED[op], right, left
        if not isinstance(right, tree.Number) or not isinstance(left, tree.Aggregate):
            return None
        if left.within is None or left.kind not in ("sum", "avg"):
            return None
        cell = self._values_cell(left.selectors[0], left.within)
        test = self.needs.constant(threshold(left.kind, op, right.scaled))
        truth, flip = self.fresh(), self.fresh()
        window = self.needs.window(left.within)
        walk = f"{truth}, {flip} = sum_crossing({cell}, {window}, now, {test})"
        least = right.scaled + (op in (">", "<="))
        if left.kind == "avg" or op in ("=", "!=") or least <= 0:
            self.line(walk)
            return truth, flip
        # Of numbers that are not negative the sum falls below a bound once, when that one leaves
        # after which too little is left.
        sums, at = self._set(f"summable({cell})"), self.fresh()
        self.line(f"if {sums}:")
        with self.indented():
            self.line(f"{at} = bisect_right({sums}[1], {sums}[1][-1] - {least}) - 1")
            edge = self._set(f"{self._after(f'{sums}[0][{at}]', left.within)} if {at} >= 0 else 0")
            holds, turns = edge_of(edge, is_until=op in (">", ">="))
            self.line(f"{truth} = {holds}; {flip} = {turns}")
        self.line("else:")
        with self.indented():
            self.line(walk)
        return truth, flip

    def _abandoned(self, node: tree.Node) -> tuple[str, str] | None:
        """`abandoned(a, b after d)` without keys: the latest of each decides."""
        if not isinstance(node, tree.Aggregate) or node.kind != "abandoned" or node.by:
            return None
        first, then = (self._set(self._cell(cell)) for cell in self._chain_cells(node))
        at = f"{first}[0][-1]"
        followed = (
            f"{then} and ({then}[0][-1] > {at} or"
            f" {then}[0][-1] == {at} and {then}[1][-1] > {first}[1][-1])"
        )
        begins = self._set(
            f"{self._after(at, node.after or Duration())}"
            f" if {first} and not ({followed}) else {NEVER}"
        )
        if node.over is None:
            return edge_of(begins, is_until=False)
        ends = self._set(f"{self._after(at, node.over)} if {begins} < {NEVER} else 0")
        flip = (
            f"({NEVER} if {ends} <= now or {ends} <= {begins}"
            f" else {begins} if {begins} > now else {ends})"
        )
        return self._set(f"{begins} <= now < {ends}"), flip

    def _fading(self, node: tree.Node) -> tuple[str, str] | None:
        """A score that halves against a constant crosses it once, at a known instant."""
        if not isinstance(node, tree.Compare) or node.op in ("=", "!="):
            return None
        op, left, right = node.op, node.left, node.right
        if isinstance(left, tree.Number):
            op, left, right = FLIPPED[op], right, left
        if not isinstance(left, tree.Named) or left.kind != "score":
            return None
        score = self.scope.scores.get(left.name)
        if not isinstance(right, tree.Number) or not isinstance(score, PointsScore):
            return None
        if score.half_life is None or score.is_pooled:
            return None
        truth, flip = self.fresh(), self.fresh()
        asked = f"{self.point_cells(score)}, {score.half_life}, now, {op!r}, {right.scaled}"
        self.line(f"{truth}, {flip} = decay_crossing({asked})")
        return truth, flip

    def _after(self, moment: str, duration: Duration) -> str:
        window = self.needs.window(duration)
        return f"expiry({moment}, {window})" if duration.months else f"{moment} + {window}"

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

    def timing(self, node: tree.Node) -> int:
        """Say how a node moves while nothing happens: not at all, in steps, or all the time."""
        if isinstance(node, tree.Aggregate):
            if node.kind == "since":
                return CONTINUOUS
            is_timed = node.within if node.kind not in ("followed", "sequence") else node.over
            return STEPWISE if is_timed is not None or node.kind == "abandoned" else STATIC
        if isinstance(node, tree.Call):
            if node.name in ("now", "age"):
                return CONTINUOUS
            is_calendar = node.name in ("anniversary", "hour", "weekday", "month", "date")
            if is_calendar and (
                node.name == "anniversary" or not node.arguments or is_now(node.arguments[0])
            ):
                self.traits.add("timezone")
                return STEPWISE
        if isinstance(node, tree.Named) and node.kind == "score":
            score = self.scope.scores.get(node.name)
            if isinstance(score, PointsScore):
                return CONTINUOUS if score.glides else STATIC
            if score is None:
                raise CompileError(f"unknown score '{node.name}'")
            inner = score
            return self._within(("score", node.name), lambda: self.timing(inner))
        if isinstance(node, tree.Named) and node.kind == "interest":
            # All weights fade alike, so that their order stays.
            interest = self.scope.interests.get(node.name)
            fades = interest is not None and interest.half_life is not None
            return CONTINUOUS if fades and node.of else STATIC
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
            if self.timing(node) == STEPWISE and node.name in CALENDAR_PARTS:
                return [f"part_breaks({node.name!r}, now, v.timezone)"]
        if isinstance(node, tree.Named) and node.kind == "score":
            score = self.scope.scores[node.name]
            if isinstance(score, PointsScore) and score.is_pooled:
                return [f"days_breaks({self.point_cells(score)}, {score.fades_over}, now)"]
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
