"""Conditions that can never hold, or that hold for everybody whatever happens: likely slips.

Each value is given the range that it can have; what the parts of an `and` say of the same value is
intersected. Only what is certain is reported: silence proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from tailorbird.base.numbers import SCALE
from tailorbird.base.problems import Problem
from tailorbird.language import tree
from tailorbird.language.errors import problem_at
from tailorbird.language.shape import FLIPPED, is_condition
from tailorbird.language.walk import nodes

_COUNTS = ("count", "distinct", "most")  # never missing, never negative
_PARTS = {"hour": (0, 23), "weekday": (1, 7), "month": (1, 12)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    """From `low` to `high`; an end may be left out. Empty where no value remains."""

    low: float = -inf  # scaled numbers and microseconds are exact integers
    high: float = inf
    has_low: bool = True
    has_high: bool = True

    def is_empty(self) -> bool:
        is_point = self.low == self.high
        return self.low > self.high or (is_point and not (self.has_low and self.has_high))

    def meet(self, other: _Range) -> _Range:
        low, high = max(self.low, other.low), min(self.high, other.high)
        return _Range(
            low=low,
            high=high,
            has_low=all(one.has_low for one in (self, other) if one.low == low),
            has_high=all(one.has_high for one in (self, other) if one.high == high),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """A part of a condition that bounds a value: a number, a time span, or one of some texts."""

    value: tree.Node
    unit: str
    part: tree.Node
    range: _Range = _Range()
    texts: frozenset[str] | None = None


def find_doubts(node: tree.Node, text: str) -> list[Problem]:
    """Return warnings about conditions whose answer is known beforehand.

    Args:
        node: The tree, with spans into `text`.
        text: The text that was parsed.
    """
    found: list[Problem] = []
    for one in nodes(node):
        if isinstance(one, tree.And):
            found += _contradictions(one, text)
        elif isinstance(one, tree.Or):
            found += _certainties(one, text)
        elif isinstance(one, (tree.Compare, tree.Between)):
            found += _alone(one, text)
    return found


def _alone(node: tree.Compare | tree.Between, text: str) -> list[Problem]:
    """Hold one comparison against what its value can be at all."""
    for claim in _claims(node):
        own = _own_range(claim.value)
        if own.meet(claim.range).is_empty():
            reason = _reason(claim.value, claim.range)
            mend = "Compare it with a value that it can reach."
            return [_warning(text, node, f"this can never hold: {reason}", mend)]
        is_there = isinstance(claim.value, tree.Aggregate) and claim.value.kind in _COUNTS
        if is_there and claim.range.low <= 0 and claim.range.high == inf:
            if claim.range.low == 0 and not claim.range.has_low:
                continue
            reason = f"{_shown(text, claim.value)} is never less than 0"
            mend = "Take it away, or compare it with more than 0."
            return [_warning(text, node, f"this always holds: {reason}", mend)]
    return []


def _reason(value: tree.Node, asked: _Range) -> str:
    if asked.is_empty():
        return "the lower end lies above the upper one"
    if isinstance(value, tree.Call) and value.name in _PARTS:
        low, high = _PARTS[value.name]
        return f"`{value.name}` goes from {low} to {high}"
    name = value.kind if isinstance(value, tree.Aggregate) else "length"
    return f"`{name}` is never less than 0"


def _contradictions(node: tree.And, text: str) -> list[Problem]:
    for index, part in enumerate(node.parts):
        for other in node.parts[:index]:
            if part == tree.Not(part=other) or other == tree.Not(part=part):
                return [_clash(text, other, part)]
    held: list[_Claim] = []
    for part in node.parts:
        if isinstance(part, (tree.Compare, tree.Between)) and _alone(part, text):
            continue  # told already
        for claim in _claims(part):
            for earlier in held:
                if _is_about_the_same(claim, earlier) and _is_clash(claim, earlier):
                    return [_clash(text, earlier.part, part)]
            held.append(claim)
    return []


def _is_about_the_same(one: _Claim, other: _Claim) -> bool:
    return one.value == other.value and one.unit == other.unit


def _is_clash(one: _Claim, other: _Claim) -> bool:
    if one.texts is not None and other.texts is not None:
        return not one.texts & other.texts
    return one.range.meet(other.range).is_empty()


def _clash(text: str, first: tree.Node, second: tree.Node) -> Problem:
    return _warning(
        text,
        second,
        f"this can never hold together with {_shown(text, first)}",
        "Join the two with `or`, or change one of them.",
    )


def _certainties(node: tree.Or, text: str) -> list[Problem]:
    for index, part in enumerate(node.parts):
        for other in node.parts[:index]:
            is_opposite = part == tree.Not(part=other) or other == tree.Not(part=part)
            if is_opposite and is_condition(other):
                message = f"one of this and {_shown(text, other)} always holds"
                return [_warning(text, part, message, "Take both away, or join them with `and`.")]
    return []


def _claims(part: tree.Node) -> Iterable[_Claim]:
    """Yield what a part of a condition says for certain about values."""
    match part:
        case tree.Compare():
            yield from _compared(part)
        case tree.Between(is_negated=False):
            low, high = _constant(part.low), _constant(part.high)
            if low is not None and high is not None and low[0] == high[0]:
                span = _Range(low=low[1], high=high[1])
                yield _Claim(value=part.value, unit=low[0], part=part, range=span)
        case tree.In(is_negated=False):
            texts = [one.value for one in part.options if isinstance(one, tree.Text)]
            if len(texts) == len(part.options):
                yield _Claim(value=part.value, unit="text", part=part, texts=frozenset(texts))
        case tree.Aggregate(kind="any" | "none"):
            yield from _happened(part)


def _compared(part: tree.Compare) -> Iterable[_Claim]:
    op, value, other = part.op, part.left, part.right
    if _constant(value) is not None or isinstance(value, tree.Text):
        op, value, other = FLIPPED[op], other, value
    if isinstance(other, tree.Text) and op == "=" and not isinstance(value, tree.Text):
        yield _Claim(value=value, unit="text", part=part, texts=frozenset((other.value,)))
    constant = _constant(other)
    if constant is None or op == "!=" or _constant(value) is not None:
        return
    unit, at = constant
    low = at if op in (">", ">=", "=") else -inf
    high = at if op in ("<", "<=", "=") else inf
    span = _Range(low=low, high=high, has_low=op != ">", has_high=op != "<")
    yield _Claim(value=value, unit=unit, part=part, range=span)


def _happened(part: tree.Aggregate) -> Iterable[_Claim]:
    """`any` and `none` count, and tell how long ago the latest event was."""
    (selector,) = part.selectors
    is_any = part.kind == "any"
    count = tree.Aggregate(kind="count", selectors=part.selectors, within=part.within)
    span = _Range(low=SCALE) if is_any else _Range(high=0)
    yield _Claim(value=count, unit="number", part=part, range=span)
    if part.within is None or part.within.months or selector.path:
        return
    micros = part.within.micros
    recent = _Range(high=micros, has_high=False) if is_any else _Range(low=micros)
    whole = tree.Selector(event=selector.event)
    # That one of a kind happened says that one happened; that none of a kind did says no more.
    for one in (selector, whole) if is_any and selector != whole else (selector,):
        since = tree.Aggregate(kind="since", selectors=(one,))
        yield _Claim(value=since, unit="time", part=part, range=recent)


def _constant(node: tree.Node) -> tuple[str, int] | None:
    match node:
        case tree.Number():
            return "number", node.scaled
        case tree.Instant():
            return "instant", node.micros
        case tree.DurationValue():
            # Months differ in length: they are compared with months only.
            if node.duration.months:
                return "months", node.duration.months
            return "time", node.duration.micros
    return None


def _own_range(value: tree.Node) -> _Range:
    """Return what a value can be, whatever has happened."""
    match value:
        case tree.Aggregate(kind="count" | "distinct" | "most" | "rate"):
            return _Range(low=0)
        case tree.Call(name="length"):
            return _Range(low=0)
        case tree.Call(name="hour" | "weekday" | "month"):
            low, high = _PARTS[value.name]
            return _Range(low=low * SCALE, high=high * SCALE)
    return _Range()


def _shown(text: str, node: tree.Node) -> str:
    written = " ".join(text[node.span[0] : node.span[1]].split())
    return f"`{written[:60]}...`" if len(written) > 60 else f"`{written}`"


def _warning(text: str, node: tree.Node, message: str, mend: str) -> Problem:
    start, end = node.span
    return problem_at(text, start, end - start, message=message, mend=mend, severity="warning")
