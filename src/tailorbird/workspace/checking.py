"""Checks what one file says against all the others: names, cycles, types, what is likely a slip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tailorbird.base.problems import Problem
from tailorbird.events.standardise.plans import OWN_TRAITS
from tailorbird.language import tree
from tailorbird.language.doubts import find_doubts
from tailorbird.language.grammar import BOOLEAN, NUMBER_TYPE
from tailorbird.language.needs import Interest, PointsScore
from tailorbird.language.scope import BUILT_IN_EVENTS, JOURNEY, SCORE, SEGMENT, Scope
from tailorbird.language.types import check
from tailorbird.language.walk import nodes
from tailorbird.workspace.expressions import FILTER, Expression
from tailorbird.workspace.names import hint

EXPECTS = {SEGMENT: BOOLEAN, SCORE: NUMBER_TYPE, JOURNEY: BOOLEAN}


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that an expression uses: kind is segment, score or list."""

    kind: str
    name: str
    span: tree.Span


@dataclass(slots=True, kw_only=True)
class Names:
    """All names of a workspace, the expressions of segments and scores among them."""

    segments: Mapping[str, list[Expression]] = field(default_factory=dict)
    scores: Mapping[str, list[Expression]] = field(default_factory=dict)
    interests: Mapping[str, Interest] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    segment_nodes: Mapping[str, tree.Node] = field(default_factory=dict)
    score_nodes: Mapping[str, tree.Node | PointsScore] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)
    currencies: tuple[str, ...] = ()

    def of(self, kind: str) -> Mapping[str, Any]:
        """Return the definitions of a kind by name."""
        return {
            "segment": self.segments,
            "score": self.scores,
            "interest": self.interests,
            "list": self.lists,
        }[kind]

    def expressions(self, reference: Reference) -> list[Expression]:
        """Return the expressions of the segment or score that a reference names."""
        if reference.kind in ("interest", "list"):
            return []
        known = self.segments if reference.kind == "segment" else self.scores
        return known.get(reference.name, [])


def references(expression: Expression) -> list[Reference]:
    """Return the names that an expression uses, in the order of the text."""
    found = []
    for node in nodes(expression.node):
        match node:
            case tree.InSegment():
                found.append(Reference("segment", node.name, node.span))
            case tree.Named(kind="score"):
                found.append(Reference("score", node.name, node.span))
            case tree.Named(kind="interest"):
                found.append(Reference("interest", node.name, node.span))
            case tree.ListRef():
                found.append(Reference("list", node.name, node.span))
    return sorted(found, key=lambda one: one.span)


def check_cycles(names: Names) -> bool:
    """Note segments and scores that are defined by themselves; tells whether there are any."""
    found: set[frozenset[str]] = set()
    for kind in ("segment", "score"):
        for name in names.of(kind):
            _follow(names, Reference(kind, name, (0, 0)), [], found)
    return bool(found)


def _follow(
    names: Names,
    at: Reference,
    path: list[tuple[str, str]],
    found: set[frozenset[str]],
) -> None:
    path = [*path, (at.kind, at.name)]
    for expression in names.expressions(at):
        for one in references(expression):
            step = (one.kind, one.name)
            if step not in path:
                if len(path) < 100:
                    _follow(names, one, path, found)
                continue
            circle = path[path.index(step) :]
            mark = frozenset(f"{kind} {name}" for kind, name in circle)
            if mark in found:
                continue
            found.add(mark)
            way = " -> ".join(f"{kind} `{name}`" for kind, name in [*circle, step])
            expression.note(
                f"a definition that needs itself: {way}",
                "Take one of these references away.",
                one.span,
            )


def is_whole(expression: Expression, names: Names) -> bool:
    """Tell whether all that an expression needs, through other definitions too, is there."""
    waiting = [expression]
    seen: set[tuple[str, str]] = set()
    while waiting:
        for one in references(waiting.pop()):
            if one.name not in names.of(one.kind):
                return False
            if one.kind != "list" and not names.expressions(one):
                return False
            if (one.kind, one.name) not in seen:
                seen.add((one.kind, one.name))
                waiting.extend(names.expressions(one))
    return True


def check_types(expression: Expression, names: Names, *, has_cycles: bool) -> None:
    """Note wrong names, types and places; warn of what only schema.yaml objects to.

    `has_cycles` keeps definitions from being followed into one another.
    """
    scope = _scope(expression, names, has_cycles=has_cycles)
    faults = _checked(expression, scope)
    for fault in faults:
        expression.note(fault.message, fault.mend, _span(expression, fault))
    if not faults:
        for doubt in find_doubts(expression.node, expression.scalar.value, scope.segments):
            expression.note(doubt.message, doubt.mend, _span(expression, doubt), is_warning=True)
    if not names.schema or is_stranger(expression.event, names):
        return
    events = names.schema.get("events") or None
    strict = replace(
        scope,
        events=events and {name: one["properties"] for name, one in events.items()},
        traits=_traits(names),
    )
    for fault in _checked(expression, strict):
        if fault not in faults:
            span = _span(expression, fault)
            expression.note(fault.message, fault.mend, span, is_warning=True)


def _checked(expression: Expression, scope: Scope) -> list[Problem]:
    """Check an expression; a filter is checked as part of a question about its event."""
    node, expects = expression.node, EXPECTS.get(expression.place)
    if expression.place == FILTER:
        selector = tree.Selector(event=expression.event, where=node)
        node, expects = tree.Aggregate(kind="any", selectors=(selector,)), None
    return check(node, scope, expression.scalar.value, expects=expects)[1]


def _scope(expression: Expression, names: Names, *, has_cycles: bool) -> Scope:
    # Definitions that are broken, or that go round in circles, count as known and as anything.
    broken = tree.Boolean(value=False)
    segments: dict[str, tree.Node] = dict.fromkeys(names.segments, broken)
    scores: dict[str, tree.Node | PointsScore] = dict.fromkeys(
        names.scores, PointsScore(points=(), half_life=None)
    )
    if not has_cycles:
        segments |= names.segment_nodes
        scores |= names.score_nodes
    return Scope(
        place=SCORE if expression.place == FILTER else expression.place,
        segments=segments,
        scores=scores,
        interests=names.interests,
        lists=names.lists,
        currencies=names.currencies,
    )


def _traits(names: Names) -> dict[str, str] | None:
    traits = names.schema.get("traits")
    return {**dict.fromkeys(OWN_TRAITS, "any"), **traits} if traits else None


def _span(expression: Expression, fault: Problem) -> tree.Span:
    lines = expression.scalar.value.splitlines(keepends=True)
    start = sum(map(len, lines[: fault.line - 1])) + fault.column - 1
    return start, start + fault.length


def is_stranger(event: str, names: Names) -> bool:
    """Tell whether schema.yaml lists events, but not this one, which is not one of ours either."""
    events = names.schema.get("events", {})
    return bool(events) and bool(event) and event not in (*events, *BUILT_IN_EVENTS)


def stranger_hint(event: str, names: Names) -> str:
    """Return what to do about an event that schema.yaml does not list."""
    known = [*names.schema.get("events", {}), *BUILT_IN_EVENTS]
    return f"{hint(event, known)} Or declare it in schema.yaml."
