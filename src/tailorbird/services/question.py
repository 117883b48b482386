"""A condition that somebody asks of everybody, by the definitions of a workspace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import ceil, sqrt
from typing import Any, Literal

from tailorbird.base.numbers import unscaled
from tailorbird.base.time import parse_micros
from tailorbird.language import tree
from tailorbird.language.doubts import find_doubts
from tailorbird.language.errors import ExpressionError
from tailorbird.language.oracle import Person
from tailorbird.language.parser import parse
from tailorbird.language.printer import format_expression
from tailorbird.language.program import operands
from tailorbird.language.scope import SEGMENT, Scope
from tailorbird.language.shape import FLIPPED, children, is_condition
from tailorbird.language.types import check
from tailorbird.language.walk import nodes
from tailorbird.reducer.compiling import scores_of
from tailorbird.workspace.definitions import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A checked condition and what it may refer to; `warnings` in words."""

    text: str
    node: tree.Node
    given: Person
    warnings: tuple[str, ...] = ()

    def parts(self) -> tuple[tree.Node, ...]:
        """Return its conditions in the order in which they narrow it down."""
        return self.node.parts if isinstance(self.node, tree.And) else (self.node,)

    def text_of(self, part: tree.Node) -> str:
        """Write one of its conditions in the language's own form."""
        return format_expression(part)

    def values_in(self, part: tree.Node) -> list[tuple[str, tree.Node]]:
        """Return what decides a condition, each once, as it is written here."""
        found = {self.text[one.span[0] : one.span[1]]: one for one in operands(part)}
        return list(found.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """A value that tells how near somebody is to a condition that fails: the first is nearest."""

    node: tree.Node
    order: Literal["rising", "falling", "around"]
    target: int = 0  # of `around`: a number in billionths

    def sql(self, column: str) -> str:
        """Write the order of a column of this value."""
        if self.order != "around":
            return f"{column} {'DESC' if self.order == 'falling' else 'ASC'} NULLS LAST"
        return f"abs({column} - {unscaled(self.target)}) NULLS LAST"


def nearness(node: tree.Node, *, is_negated: bool = False) -> Nearness | None:
    """Return what tells how near somebody is to a condition that fails for them.

    A comparison's own value where there is one; else how lately they did the first thing that it
    asks about. None where it asks of nothing that has an order.
    """
    match node:
        case tree.Not():
            return nearness(node.part, is_negated=not is_negated)
        case tree.Compare():
            found = _compared(node, is_negated=is_negated)
            if found is not None:
                return found
    for one in nodes(node):
        if isinstance(one, tree.Selector):
            since = tree.Aggregate(kind="since", selectors=(replace(one, path=()),))
            return Nearness(node=since, order="rising")
    return None


def _compared(node: tree.Compare, *, is_negated: bool) -> Nearness | None:
    op, value, constant = node.op, node.left, node.right
    if not any(operands(value)):
        op, value, constant = FLIPPED[op], constant, value
    if not isinstance(constant, (tree.Number, tree.DurationValue, tree.Instant)):
        return None
    if op in ("=", "!="):
        if not isinstance(constant, tree.Number) or is_negated == (op == "="):
            return None
        return Nearness(node=value, order="around", target=constant.scaled)
    wants_more = op in (">", ">=")
    return Nearness(node=value, order="falling" if wants_more != is_negated else "rising")


def estimate(hits: int, one_in: int) -> tuple[int, int]:
    """Return (size, error) from a sample; with 95 % chance the truth is no further off.

    Args:
        hits: People of the sample for whom the condition holds.
        one_in: Every how manieth person is in it, chosen by hash.
    """
    if one_in == 1:
        return hits, 0
    if not hits:
        return 0, 3 * one_in  # the rule of three
    return hits * one_in, ceil(1.96 * one_in * sqrt(hits * (1 - 1 / one_in)))


@dataclass(slots=True, kw_only=True)
class Preview:
    """What a condition comes to; counts are people."""

    size: int
    seconds: float
    estimate: bool = False  # whether only a sample was asked; then all counts are estimates
    error: int = 0  # with 95 % chance `size` is no further from the truth
    reachable: int | None = None  # with address and consent, not suppressed
    capped: int = 0  # of the reachable, who has had a day's share of marketing mail
    without_address: int = 0
    without_consent: int = 0
    suppressed: int = 0
    people: int = 0
    funnel: list[tuple[str, int]] = field(default_factory=list)
    # Each: id, known_as, conditions [{text, holds, values [{text, value}]}]; `fails` is the text
    # of the only condition that does.
    members: list[dict[str, Any]] = field(default_factory=list)
    near_misses: list[dict[str, Any]] = field(default_factory=list)
    overlaps: list[tuple[str, int, int]] = field(default_factory=list)  # segment, both, its size
    days: list[tuple[str, int]] = field(default_factory=list)  # date, size at its end
    days_estimated: bool = False  # whether `days` are of a sample, times what it leaves out
    warnings: list[str] = field(default_factory=list)


def question_of(text: str, workspace: Workspace) -> Question:
    """Read and check a condition as if it were a segment's.

    Raises:
        ExpressionError: it is wrong; `line` and `column` tell where.
    """
    node = parse(text)
    given = given_by(workspace)
    scope = Scope(
        place=SEGMENT,
        segments=given.segments,
        scores=given.scores,
        lists=workspace.lists,
        interests=given.interests,
    )
    _, problems = check(node, scope, text)
    for problem in problems:
        if problem.severity == "error":
            raise ExpressionError.at_problem(problem, text)
    if not is_condition(node):
        raise ExpressionError("this is a value, not a condition", mend="Compare it: `... > 3`.")
    doubts = [*problems, *find_doubts(node, text, given.segments)]
    warnings = tuple(f"{one.message}. {one.mend}".strip() for one in doubts)
    return Question(text=text, node=node, given=given, warnings=warnings)


def given_by(workspace: Workspace) -> Person:
    """Return what an expression may refer to by the definitions of a workspace."""
    return Person(
        timezone=workspace.settings.timezone,
        segments={name: one.when for name, one in workspace.segments.items()},
        scores=scores_of(workspace.scores),
        interests={name: one.weights for name, one in workspace.interests.items()},
        lists=workspace.lists,
    )


def warnings_of(preview: Preview, sizes: dict[str, int]) -> list[str]:
    """Return what a marketer should look at before making a segment of it."""
    found = []
    if not preview.size:
        found.append("Nobody is in it: does each name occur in the events that came?")
    elif preview.people and preview.size >= preview.people * 0.9:
        found.append("Nearly everybody is in it.")
    elif preview.size < 10 <= preview.people:
        found.append("Fewer than ten people are in it.")
    for name, both, size in preview.overlaps:
        if preview.size and both == size == preview.size:
            found.append(f"It has the same members as `{name}`.")
        elif size and both / max(size, preview.size) > 0.95:
            found.append(f"It has nearly the same members as `{name}`.")
    return found


def beyond(node: tree.Node, since: str, now: int) -> list[str]:
    """Return a warning where a condition looks further back than history is held.

    `since` is the first day that is held whole, "" for all; `now` is microseconds UTC.
    """
    if not since:
        return []
    held = parse_micros(f"{since}T00:00:00Z")
    if not any(_looks_before(one, held, now) for one in _aggregates(node)):
        return []
    told = (
        f"History before {since} is not held any more (`[lake] keep_days`): the condition looks"
        " further back, and counts only what came since."
    )
    return [told]


def _looks_before(node: tree.Aggregate, held: int, now: int) -> bool:
    spans = [one for one in (node.within, node.over) if one is not None]
    return not spans or any(one.after(held) > now for one in spans)


def _aggregates(node: tree.Node) -> Iterator[tree.Aggregate]:
    if isinstance(node, tree.Aggregate):
        yield node
    for child in children(node):
        yield from _aggregates(child)
