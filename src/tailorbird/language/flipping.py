"""The smallest change of a person that would make a condition true, or false.

A change is one of three kinds, or several together: to wait, since some conditions come true by
themselves; another value of a trait; some more events. Of several ways the cheapest is told:
waiting costs nothing, a trait costs one, events one each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from tailorbird.base.numbers import SCALE
from tailorbird.base.time import Duration, format_micros
from tailorbird.language import tree
from tailorbird.language.needs import PointsScore
from tailorbird.language.plain import to_plain
from tailorbird.language.printer import format_expression
from tailorbird.language.program import operands
from tailorbird.language.shape import FLIPPED
from tailorbird.language.values import Lapse, Value

_DEPTH_MAX = 20
# What is told in words alone: nobody can say how likely it is.
_COST_OF_WORDS = 50
_NEGATED = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_WORDS = {"contains": "contain", "like": "be like", "starts_with": "start with",
          "ends_with": "end with"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What would have to be otherwise; `text` says it in words.

    `wait_until` (microseconds UTC), `events` (name and how many more) and `traits` (name and plain
    value) say it where it is one of these; they are empty where only words can.
    """

    text: str
    cost: int
    wait_until: int | None = None
    events: tuple[tuple[str, int], ...] = ()
    traits: tuple[tuple[str, object], ...] = ()


class Asked(Protocol):
    """A person whose values can be asked at one instant."""

    now: int

    def value(self, node: tree.Node) -> Value:
        """Return the value of a part of the condition."""
        ...

    def segment(self, name: str) -> tree.Node | None:
        """Return a segment's condition."""
        ...

    def score(self, name: str) -> tree.Node | PointsScore | None:
        """Return a score's definition."""
        ...


def smallest_change(node: tree.Node, asked: Asked, *, wanted: bool = True) -> Change | None:
    """Return the cheapest change after which a condition is as wanted, None where there is none.

    Waiting is told only of a part that says how long by itself, such as `since(..) > 60d`.
    """
    return _Finder(asked).change(node, wanted=wanted)


_NOTHING = Change(text="", cost=0)


class _Finder:
    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._depth = 0

    def change(self, node: tree.Node, *, wanted: bool) -> Change | None:
        if (self._asked.value(node) is True) == wanted:
            return _NOTHING
        self._depth += 1
        try:
            return None if self._depth > _DEPTH_MAX else self._change(node, wanted=wanted)
        finally:
            self._depth -= 1

    def _change(self, node: tree.Node, *, wanted: bool) -> Change | None:
        match node:
            case tree.Not():
                return self.change(node.part, wanted=not wanted)
            case tree.And() | tree.Or():
                changes = [self.change(part, wanted=wanted) for part in node.parts]
                needs_all = isinstance(node, tree.And) == wanted
                return _together(changes) if needs_all else _cheapest(changes)
            case tree.InSegment():
                inner = self._asked.segment(node.name)
                return None if inner is None else self.change(inner, wanted=wanted)
            case tree.Aggregate():
                return self._happened(node, wanted=wanted)
            case tree.Compare():
                return self._compared(node, wanted=wanted)
            case tree.In():
                return self._listed(node, wanted=wanted)
            case tree.Path():
                return self._of_value(node, "be true" if wanted else "not be true", wanted)
        return self._in_words(node, wanted=wanted)

    # -- events ----------------------------------------------------------------------------------

    def _happened(self, node: tree.Aggregate, *, wanted: bool) -> Change | None:
        first, last = node.selectors[0], node.selectors[-1]
        match node.kind, wanted:
            case ("any", True) | ("none", False):
                return _events(1, node, first)
            case ("abandoned", False):
                return _events(1, node, last, is_plain=True)
            case ("abandoned", True):
                span = (
                    f" for {format_expression(tree.DurationValue(duration=node.after))}"
                    if node.after
                    else ""
                )
                text = f"{_named(first)}, and then no {_named(last)}{span}"
                return Change(text=text, cost=_COST_OF_WORDS)
            case ("followed" | "sequence", True):
                text = ", then ".join(_named(one) for one in node.selectors)
                return Change(text=text, cost=_COST_OF_WORDS)
        return None  # what happened has happened

    def _compared(self, node: tree.Compare, *, wanted: bool) -> Change | None:
        op, value, limit = node.op, node.left, node.right
        if not any(operands(value)):
            op, value, limit = FLIPPED[op], limit, value
        op = op if wanted else _NEGATED[op]
        if any(operands(limit)):
            return self._in_words(node, wanted=wanted)
        if isinstance(value, tree.Aggregate):
            if value.kind in ("count", "distinct") and isinstance(limit, tree.Number):
                return self._counted(value, op, limit)
            if value.kind == "since" and isinstance(limit, tree.DurationValue):
                return self._waited(value, op, limit)
        if isinstance(value, tree.Named) and isinstance(limit, tree.Number):
            found = self._scored(value, op, limit)
            if found is not None:
                return found
        is_equal = isinstance(limit, (tree.Text, tree.Number, tree.Boolean)) and op == "="
        given = to_plain(self._asked.value(limit)) if is_equal else None
        words = f"be {'' if op == '=' else op + ' '}{format_expression(limit)}"
        return self._of_value(value, words, given)

    def _counted(self, value: tree.Aggregate, op: str, limit: tree.Number) -> Change | None:
        now = self._asked.value(value)
        if not isinstance(now, int) or op not in (">", ">=", "=", "!="):
            return None
        if op == "!=":
            more = 1
        elif op == "=" and limit.scaled % SCALE:
            return None
        else:
            floor = limit.scaled // SCALE
            least = floor + 1 if op == ">" else -(-limit.scaled // SCALE)
            more = least - now // SCALE
        if more <= 0:
            return None  # too many cannot be undone
        if value.kind == "distinct":
            what = format_expression(value)
            return Change(text=f"{more} more different in `{what}`", cost=more)
        return _events(more, value, value.selectors[0])

    def _waited(self, value: tree.Aggregate, op: str, limit: tree.DurationValue) -> Change | None:
        passed = self._asked.value(value)
        if op in ("<", "<="):
            return _events(1, value, value.selectors[0], is_plain=True)
        if op not in (">", ">="):
            return None
        name, span = _named(value.selectors[0]), format_expression(limit)
        if not isinstance(passed, Lapse):
            return Change(text=f"{name}, and then {span} without another", cost=_COST_OF_WORDS)
        at = limit.duration.after(self._asked.now - passed) + (op == ">")
        return waiting(at, f"no {name} before")

    def _scored(self, value: tree.Named, op: str, limit: tree.Number) -> Change | None:
        score, now = self._asked.score(value.name), self._asked.value(value)
        if value.kind != "score" or not isinstance(score, PointsScore) or not isinstance(now, int):
            return None
        if op not in (">", ">="):
            return None
        missing = limit.scaled - now + (op == ">")
        text = f"{to_plain(missing)} more points in `{format_expression(value)}`"
        giving = [one for one in score.points if one[1] > 0]
        if not giving or score.cap_per_day is not None:
            return Change(text=text, cost=_COST_OF_WORDS)
        event, points, where = max(giving, key=lambda one: (one[1], one[2] is None))
        more = -(-missing // points)
        named = _named(tree.Selector(event=event, where=where))
        text += f", such as {more} more {named}"
        return Change(text=text, cost=more, events=((event, more),))

    # -- values ----------------------------------------------------------------------------------

    def _listed(self, node: tree.In, *, wanted: bool) -> Change | None:
        is_in = wanted != node.is_negated
        options = [one for one in node.options if not isinstance(one, tree.ListRef)]
        shown = ", ".join(format_expression(one) for one in node.options[:5])
        words = f"be {'one of' if is_in else 'none of'} {shown}"
        given = to_plain(self._asked.value(options[0])) if is_in and options else None
        return self._of_value(node.value, words, given)

    def _of_value(self, value: tree.Node, words: str, given: object = None) -> Change:
        now = to_plain(self._asked.value(value))
        shown = "missing" if now is None else repr(now) if isinstance(now, str) else str(now)
        text = f"`{format_expression(value)}` would have to {words}; it is {shown}"
        is_trait = isinstance(value, tree.Path) and value.root == "traits" and len(value.parts) == 1
        if is_trait and given is not None:
            assert isinstance(value, tree.Path)
            return Change(text=text, cost=1, traits=((value.parts[0], given),))
        return Change(text=text, cost=1 if is_trait else _COST_OF_WORDS)

    def _in_words(self, node: tree.Node, *, wanted: bool) -> Change | None:
        match node:
            case tree.Match():
                is_so = wanted != node.is_negated
                words = (
                    f"{'' if is_so else 'not '}{_WORDS[node.op]} {format_expression(node.right)}"
                )
                return self._of_value(node.left, words)
            case tree.Between():
                is_so = wanted != node.is_negated
                low, high = format_expression(node.low), format_expression(node.high)
                return self._of_value(node.value, f"{'' if is_so else 'not '}be {low} to {high}")
            case tree.IsNull():
                is_missing = wanted != node.is_negated
                return self._of_value(node.value, "be missing" if is_missing else "be there")
        values = ", ".join(
            f"`{format_expression(one)}` is {to_plain(self._asked.value(one))}"
            for one in dict.fromkeys(operands(node))
        )
        text = f"`{format_expression(node)}` would have to be {'true' if wanted else 'false'}"
        return Change(text=f"{text}; {values}" if values else text, cost=_COST_OF_WORDS)


def waiting(at: int, what: str = "waiting until") -> Change:
    """Return the change that comes by itself at an instant."""
    return Change(text=f"{what} {format_micros(at)}", cost=0, wait_until=at)


def _events(
    more: int, node: tree.Aggregate, selector: tree.Selector, *, is_plain: bool = False
) -> Change:
    within = None if is_plain else node.within
    events = () if selector.path else ((selector.event, more),)
    return Change(text=f"{more} more {_named(selector, within)}", cost=more, events=events)


def _named(selector: tree.Selector, within: Duration | None = None) -> str:
    one = tree.Aggregate(kind="any", selectors=(selector,), within=within)
    return f"`{format_expression(one).removeprefix('any(').removesuffix(')')}`"


def _together(changes: Iterable[Change | None]) -> Change | None:
    wanted = []
    for one in changes:
        if one is None:
            return None
        if one is not _NOTHING:
            wanted.append(one)
    if len(wanted) == 1:
        return wanted[0]
    waits = [one.wait_until for one in wanted if one.wait_until is not None]
    return Change(
        text="; and ".join(one.text for one in wanted),
        cost=sum(one.cost for one in wanted),
        wait_until=max(waits, default=None),
        events=tuple(pair for one in wanted for pair in one.events),
        traits=tuple(pair for one in wanted for pair in one.traits),
    )


def _cheapest(changes: Iterable[Change | None]) -> Change | None:
    return min((one for one in changes if one is not None), key=lambda one: one.cost, default=None)
