"""Proposals of what would turn a condition, part by part; `flipping` tries them on the whole.

Each has words, and moves where there is a way to live it. How many events, or what amount, is
found by asking the part again after so many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import product
from typing import Any

from tailorbird.base.numbers import SCALE
from tailorbird.language import tree
from tailorbird.language.fitting import (
    NEGATED,
    Fit,
    fitting,
    nested,
    plain_number,
    property_path,
    trait_path,
)
from tailorbird.language.moves import Asked, Change, Happens, Move, Waits, together, waiting
from tailorbird.language.needs import PointsScore
from tailorbird.language.plain import to_plain
from tailorbird.language.printer import format_expression
from tailorbird.language.program import operands
from tailorbird.language.shape import FLIPPED
from tailorbird.language.telling import (
    COST_OF_WORDS,
    count_of,
    in_words,
    named,
    shown_span,
)
from tailorbird.language.values import Lapse

_DEPTH_MAX = 20
# Of each part of an `and`, how many proposals are joined with those of the others.
_JOINED_MAX = 3
_EVENTS_MAX = 256
_CENT = SCALE // 100
_CENTS_MAX = 10**12
# Aggregates of a value that one more event may bring: the latest value, or one beyond the others.
_BROUGHT = ("sum", "avg", "min", "max", "first", "last")
_SHIFTED_BY_EVENTS = ("count", "distinct", "most", "rate")


class Ways:
    """Proposes changes of one person."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._depth = 0

    def of(self, node: tree.Node, *, wanted: bool) -> list[Change]:
        """Return proposals after which a condition may be as wanted, which it is not."""
        self._depth += 1
        try:
            return [] if self._depth > _DEPTH_MAX else self._of(node, wanted=wanted)
        finally:
            self._depth -= 1

    def _of(self, node: tree.Node, *, wanted: bool) -> list[Change]:
        match node:
            case tree.Not():
                return self.of(node.part, wanted=not wanted)
            case tree.And() | tree.Or():
                failing = [one for one in node.parts if not self._asked.is_so(one, wanted=wanted)]
                each = [self.of(one, wanted=wanted) for one in failing]
                if isinstance(node, tree.And) == wanted:
                    return _joined(each)
                return [change for ways in each for change in ways]
            case tree.InSegment():
                inner = self._asked.segment(node.name)
                return [] if inner is None else self.of(inner, wanted=wanted)
            case tree.Aggregate():
                return self._happened(node, wanted=wanted)
            case tree.Compare():
                return self._compared(node, wanted=wanted)
        return self._valued(node, wanted=wanted)

    # -- what happened -----------------------------------------------------------------------------

    def _happened(self, node: tree.Aggregate, *, wanted: bool) -> list[Change]:
        first, last = node.selectors[0], node.selectors[-1]
        match node.kind, wanted:
            case ("any", True) | ("none", False):
                return [count_of(1, node, first, _happens(node, first))]
            case ("abandoned", False):
                return [count_of(1, node, last, _happens(node, last), is_plain=True)]
            case ("abandoned", True):
                return [self._abandons(node)]
            case ("followed" | "sequence", True):
                return self._follows(node)
        return []  # what happened has happened

    def _abandons(self, node: tree.Aggregate) -> Change:
        first, last = node.selectors
        words = f"{named(first)}, and then no {named(last)}"
        begins = _happens(node, first)
        if node.after is None or begins is None:
            span = f" for {shown_span(node.after)}" if node.after else ""
            moves = () if begins is None else (begins,)
            return Change(text=words + span, cost=1, events=((first.event, 1),), moves=moves)
        at = node.after.after(self._asked.now + 1)
        wait = waiting(at, f"{words} for {shown_span(node.after)}: at")
        return replace(wait, cost=1, events=((first.event, 1),), moves=(begins, Waits(until=at)))

    def _follows(self, node: tree.Aggregate) -> list[Change]:
        # Who is under way already needs the last steps only.
        found = []
        for at in range(len(node.selectors) - 1, -1, -1):
            steps = node.selectors[at:]
            moves = [_happens(node, one) for one in steps]
            found.append(
                Change(
                    text=", then ".join(named(one) for one in steps),
                    cost=len(steps),
                    events=tuple((one.event, 1) for one in steps),
                    moves=_all_of(moves),
                )
            )
        return found

    # -- comparisons -------------------------------------------------------------------------------

    def _compared(self, node: tree.Compare, *, wanted: bool) -> list[Change]:
        op, value, limit = node.op, node.left, node.right
        if not any(operands(value)):
            op, value, limit = FLIPPED[op], limit, value
        op = op if wanted else NEGATED[op]
        if any(operands(limit)):
            return self._valued(node, wanted=wanted)
        if isinstance(value, tree.Aggregate):
            if value.kind == "since" and isinstance(limit, tree.DurationValue):
                return self._waited(value, op, limit)
            if isinstance(limit, tree.Number) and value.kind in _SHIFTED_BY_EVENTS:
                return self._more(node, value, op, limit, wanted=wanted)
            if isinstance(limit, tree.Number) and value.kind in _BROUGHT:
                return self._brought(node, value, op, limit, wanted=wanted)
        if isinstance(value, tree.Named) and isinstance(limit, tree.Number):
            found = self._scored(node, value, op, limit, wanted=wanted)
            if found is not None:
                return [found]
        return self._valued(node, wanted=wanted)

    def _more(
        self, node: tree.Node, value: tree.Aggregate, op: str, limit: tree.Number, *, wanted: bool
    ) -> list[Change]:
        """Propose so many more events; too many cannot be undone."""
        found = []
        # What lowers a rate is what it is taken of.
        for selector in value.selectors if value.kind == "rate" else value.selectors[:1]:

            def moves(count: int, selector: tree.Selector = selector) -> tuple[Move, ...]:
                return _all_of(_happens(value, selector, at) for at in range(count))

            count = self._least(node, moves, _EVENTS_MAX, wanted=wanted)
            if count is not None:
                found.append(count_of(count, value, selector, None, moves=moves(count)))
        if found or op in ("<", "<=") or value.kind not in ("most", "rate"):
            return found
        return self._valued(node, wanted=wanted)

    def _brought(
        self, node: tree.Node, value: tree.Aggregate, op: str, limit: tree.Number, *, wanted: bool
    ) -> list[Change]:
        """Propose one more event with an amount."""
        selector = value.selectors[0]
        falls = op in ("<", "<=")
        start = limit.scaled // _CENT * _CENT + _CENT if falls else 0

        def amount(cents: int) -> int:
            if op in ("=", "!="):
                return limit.scaled + _CENT * (op == "!=")
            return start - cents * _CENT if falls else cents * _CENT

        def moves(cents: int) -> tuple[Move, ...]:
            given = {selector.path: plain_number(amount(cents))}
            return _all_of([_happens(value, selector, fit=given)])

        cents = self._least(node, moves, _CENTS_MAX, wanted=wanted)
        words = self._valued(node, wanted=wanted)
        if cents is None or (falls and amount(cents) < 0 <= limit.scaled):
            return words
        path = ".".join(selector.path)
        bound = "of" if op in ("=", "!=") else "of at most" if falls else "of at least"
        one = count_of(1, value, replace(selector, path=()), None, moves=moves(cents))
        told = f"{one.text} with `{path}` {bound} {plain_number(amount(cents))}"
        return [replace(one, text=told), *words]

    def _waited(self, value: tree.Aggregate, op: str, limit: tree.DurationValue) -> list[Change]:
        passed, selector = self._asked.value(value), value.selectors[0]
        happens = _happens(value, selector)
        if op in ("<", "<="):
            return [count_of(1, value, selector, happens, is_plain=True)]
        if op not in (">", ">="):
            return []
        name, span = named(selector), shown_span(limit.duration)
        begun = self._asked.now - passed if isinstance(passed, Lapse) else self._asked.now + 1
        at = limit.duration.after(begun) + (op == ">")
        if isinstance(passed, Lapse):
            return [waiting(at, f"no {name} before")]
        if happens is None:
            return [Change(text=f"{name}, and then {span} without another", cost=COST_OF_WORDS)]
        wait = waiting(at, f"{name}, and then {span} without another: at")
        moves = (happens, Waits(until=at))
        return [replace(wait, cost=1, events=((selector.event, 1),), moves=moves)]

    def _scored(
        self, node: tree.Node, value: tree.Named, op: str, limit: tree.Number, *, wanted: bool
    ) -> Change | None:
        score, now = self._asked.score(value.name), self._asked.value(value)
        if value.kind != "score" or not isinstance(score, PointsScore) or not isinstance(now, int):
            return None
        if op not in (">", ">="):
            return None
        missing = to_plain(limit.scaled - now + (op == ">"))
        text = f"{missing} more points in `{format_expression(value)}`"
        for event, points, where in sorted(score.points, key=lambda one: (-one[1], bool(one[2]))):
            selector = tree.Selector(event=event, where=where)
            one = tree.Aggregate(kind="count", selectors=(selector,))

            def moves(
                count: int, one: tree.Aggregate = one, selector: tree.Selector = selector
            ) -> tuple[Move, ...]:
                return _all_of(_happens(one, selector) for _ in range(count))

            more = self._least(node, moves, _EVENTS_MAX, wanted=wanted) if points > 0 else None
            if more is not None:
                told = f"{text}, such as {more} more {named(selector)}"
                return Change(text=told, cost=more, events=((event, more),), moves=moves(more))
        return Change(text=text, cost=COST_OF_WORDS)

    # -- values ------------------------------------------------------------------------------------

    def _valued(self, node: tree.Node, *, wanted: bool) -> list[Change]:
        """Propose another value: of a trait, or brought by an event that has it."""
        words = in_words(node, self._asked, wanted=wanted)
        fit = fitting(node, trait_path, wanted=wanted)
        if fit:
            moves = (Happens(name="", properties=nested(fit), sets_traits=True),)
            traits = tuple((path[0], value) for path, value in fit.items() if len(path) == 1)
            return [replace(words, cost=1, traits=traits, moves=moves)]
        asked = [one for one in operands(node) if isinstance(one, tree.Aggregate)]
        for value in asked[:1]:
            if value.kind in ("first", "last", "favourite"):
                return [*self._brought_text(node, value, wanted=wanted), words]
        return [words]

    def _brought_text(
        self, node: tree.Node, value: tree.Aggregate, *, wanted: bool
    ) -> list[Change]:
        fit = fitting(node, lambda one: ("value",) if one == value else None, wanted=wanted)
        if not fit:
            return []
        selector, given = value.selectors[0], fit["value",]

        def moves(count: int) -> tuple[Move, ...]:
            event = _happens(value, selector, fit={selector.path: given})
            return _all_of([event] * count)

        count = self._least(node, moves, _EVENTS_MAX, wanted=wanted)
        if count is None:
            return []
        one = count_of(count, value, replace(selector, path=()), None, moves=moves(count))
        shown = repr(given) if isinstance(given, str) else given
        return [replace(one, text=f"{one.text} with `{'.'.join(selector.path)}` {shown}")]

    def _least(
        self,
        node: tree.Node,
        moves_of: Callable[[int], tuple[Move, ...]],
        most: int,
        *,
        wanted: bool,
    ) -> int | None:
        """Return the least number whose moves turn a part: found by doubling, then by halving."""

        def turns(number: int) -> bool:
            moves = moves_of(number)
            return bool(moves) and self._asked.after(moves).is_so(node, wanted=wanted)

        high = 1
        while not turns(high):
            high *= 2
            if high > most:
                return None
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if turns(middle) else (middle, high)
        return high


def _joined(each: list[list[Change]]) -> list[Change]:
    """Join proposals for all parts; of two orders it is not known which will do."""
    found: list[Change] = []
    for ways in product(*(one[:_JOINED_MAX] for one in each)):
        whole = together(ways)
        found.append(whole)
        if len({isinstance(move, Waits) for move in whole.moves}) > 1:
            found.append(together(ways, waits_first=True))
    return found


def _all_of(moves: Iterable[Move | None]) -> tuple[Move, ...]:
    """Return the moves, none where one of them could not be found."""
    found = tuple(moves)
    return tuple(one for one in found if one is not None) if None not in found else ()


def _happens(
    node: tree.Aggregate, selector: tree.Selector, number: int = 0, fit: Fit | None = None
) -> Move | None:
    """Return an event that an argument takes; None where no properties are found that it asks."""
    where = fitting(selector.where, property_path)
    if where is None:
        return None
    values: dict[tuple[str, ...], Any] = where
    if selector.path and node.kind in ("any", "none", "count"):
        values = {selector.path: [nested(where) or {"n": 1}]}
    elif node.kind == "distinct":
        values = {**where, selector.path: f"other {number + 1}"}
    elif node.by:
        values = {**where, node.by: "other"}
    return Happens(name=selector.event, properties=nested({**values, **(fit or {})}))
