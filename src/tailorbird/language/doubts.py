"""Conditions that can never hold, or that hold for everybody whatever happens: likely slips.

Each value is given the range that it can have; what the parts of an `and` say of the same value is
intersected. Only what is certain is reported: silence proves nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, isinf

from tailorbird.base.numbers import SCALE
from tailorbird.base.problems import Problem
from tailorbird.language import tree
from tailorbird.language.accumulators import LATEST_CAP
from tailorbird.language.errors import problem_at
from tailorbird.language.printer import format_expression
from tailorbird.language.ranges import ANY, COUNTS, PARTS, Range, is_capped, kept, range_of
from tailorbird.language.shape import FLIPPED, is_condition
from tailorbird.language.walk import nodes

_WHOLE = " Or leave `within` away: a count of all events is one number."
# Parts of one `and` that are looked at, those of the segments that it refers to included.
PARTS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A part of an `and`; `asked` is what it or the segment that it refers to demands."""

    node: tree.Node  # as it stands in the text
    asked: tree.Node

    def shown(self, text: str) -> str:
        written = _shown(text, self.node)
        if self.asked is self.node:
            return written
        return f"{written}, which asks for {_short(format_expression(self.asked))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """A part of a condition that bounds a value: a number, a time span, or one of some texts."""

    value: tree.Node
    unit: str
    part: tree.Node
    range: Range = ANY
    texts: frozenset[str] | None = None


def find_doubts(
    node: tree.Node, text: str, segments: Mapping[str, tree.Node] | None = None
) -> list[Problem]:
    """Return warnings about conditions whose answer is known beforehand.

    Args:
        node: The tree, with spans into `text`.
        text: The text that was parsed.
        segments: The conditions of segments that `in segment('x')` stands for; they may refer to
            one another in circles, and to segments that are not there.
    """
    known = segments or {}
    found: list[Problem] = []
    for one in nodes(node):
        if isinstance(one, tree.And):
            found += _contradictions(one, text, known)
        elif isinstance(one, tree.Or):
            found += _certainties(one, text)
        elif isinstance(one, (tree.Compare, tree.Between)):
            found += _alone(one, text)
    return found


def _alone(node: tree.Compare | tree.Between, text: str) -> list[Problem]:
    """Hold one comparison against what its value can be at all."""
    for claim in _claims(node):
        own = range_of(claim.value)
        if own.meet(claim.range).is_empty():
            reason = _reason(claim.value, claim.range, own)
            mend = "Compare it with a value that it can reach."
            return [_warning(text, node, f"this can never hold: {reason}", mend)]
        is_there = isinstance(claim.value, tree.Aggregate) and claim.value.kind in COUNTS
        if is_there and claim.range.low <= 0 and claim.range.high == inf:
            if claim.range.low == 0 and not claim.range.has_low:
                continue
            reason = f"{_shown(text, claim.value)} is never less than 0"
            mend = "Take it away, or compare it with more than 0."
            return [_warning(text, node, f"this always holds: {reason}", mend)]
        numbers = [end for end in (claim.range.low, claim.range.high) if not isinf(end)]
        count = max((kept(claim.value, int(end)) for end in numbers), default=0)
        if claim.unit == "number" and count > LATEST_CAP:
            message = (
                f"{_shown(text, claim.value)} meets its cap: for this the latest {count:,} events"
                f" of each person are kept, where {LATEST_CAP:,} are usual"
            )
            mend = "Ask for fewer." + _WHOLE * (claim.value.kind == "count")  # type: ignore[attr-defined]  # only aggregates keep events
            return [_warning(text, node, message, mend)]
    return []


def _reason(value: tree.Node, asked: Range, own: Range) -> str:
    if asked.is_empty():
        return "the lower end lies above the upper one"
    if isinstance(value, (tree.Arithmetic, tree.Negate)):
        span = f"goes from {_end(own.low)} to {_end(own.high)}"
        if any(map(is_capped, nodes(value))):
            most = f"{LATEST_CAP:,} events at most"
            return f"a count inside a calculation looks at the latest {most}, so this {span}"
        return f"this {span}"
    if isinstance(value, tree.Call) and value.name in PARTS:
        low, high = PARTS[value.name]
        return f"`{value.name}` goes from {low} to {high}"
    name = value.kind if isinstance(value, tree.Aggregate) else "length"
    return f"`{name}` is never less than 0"


def _end(scaled: float) -> str:
    return f"{scaled / SCALE:,.12g}" if not isinf(scaled) else "any number"


def _contradictions(node: tree.And, text: str, segments: Mapping[str, tree.Node]) -> list[Problem]:
    parts = _parts(node, segments)
    for index, part in enumerate(parts):
        for other in parts[:index]:
            if other.node is part.node:
                continue  # told where the segment is defined
            is_opposite = tree.Not(part=other.asked) == part.asked
            if is_opposite or tree.Not(part=part.asked) == other.asked:
                return [_clash(text, other, part)]
    held: list[tuple[_Part, _Claim]] = []
    for part in parts:
        if isinstance(part.node, (tree.Compare, tree.Between)) and _alone(part.node, text):
            continue  # told already
        for claim in _claims(part.asked):
            for owner, earlier in held:
                if owner.node is part.node and part.asked is not part.node:
                    continue  # told where the segment is defined
                if _is_about_the_same(claim, earlier) and _is_clash(claim, earlier):
                    return [_clash(text, owner, part)]
            held.append((part, claim))
    return []


def _parts(node: tree.And, segments: Mapping[str, tree.Node]) -> list[_Part]:
    """Return the parts of an `and`, and those of the segments that must hold with them."""
    found: list[_Part] = []
    for part in node.parts:
        waiting, seen = deque([part]), set[str]()
        # What stands in the text itself is always looked at, then the nearest segments.
        while waiting and (len(found) < PARTS_MAX or waiting[0] is part):
            asked = waiting.popleft()
            found.append(_Part(node=part, asked=asked))
            match asked:
                case tree.InSegment(name=name) if name in segments and name not in seen:
                    seen.add(name)
                    waiting.append(segments[name])
                case tree.Not(part=tree.InSegment(name=name)) if name in segments:
                    found.append(_Part(node=part, asked=tree.Not(part=segments[name])))
                case tree.And() if asked is not part:
                    waiting.extend(asked.parts)
    return found


def _is_about_the_same(one: _Claim, other: _Claim) -> bool:
    return one.value == other.value and one.unit == other.unit


def _is_clash(one: _Claim, other: _Claim) -> bool:
    if one.texts is not None and other.texts is not None:
        return not one.texts & other.texts
    return one.range.meet(other.range).is_empty()


def _clash(text: str, first: _Part, second: _Part) -> Problem:
    own = "" if second.asked is second.node else f"{_short(format_expression(second.asked))} of "
    return _warning(
        text,
        second.node,
        f"{own}this can never hold together with {first.shown(text)}",
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
                span = Range(low=low[1], high=high[1])
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
    span = Range(low=low, high=high, has_low=op != ">", has_high=op != "<")
    yield _Claim(value=value, unit=unit, part=part, range=span)


def _happened(part: tree.Aggregate) -> Iterable[_Claim]:
    """`any` and `none` count, and tell how long ago the latest event was."""
    (selector,) = part.selectors
    is_any = part.kind == "any"
    count = tree.Aggregate(kind="count", selectors=part.selectors, within=part.within)
    span = Range(low=SCALE) if is_any else Range(high=0)
    yield _Claim(value=count, unit="number", part=part, range=span)
    if part.within is None or part.within.months or selector.path:
        return
    micros = part.within.micros
    recent = Range(high=micros, has_high=False) if is_any else Range(low=micros)
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


def _shown(text: str, node: tree.Node) -> str:
    return _short(text[node.span[0] : node.span[1]])


def _short(text: str) -> str:
    written = " ".join(text.split())
    return f"`{written[:60]}...`" if len(written) > 60 else f"`{written}`"


def _warning(text: str, node: tree.Node, message: str, mend: str) -> Problem:
    start, end = node.span
    return problem_at(text, start, end - start, message=message, mend=mend, severity="warning")
