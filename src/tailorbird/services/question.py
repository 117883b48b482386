"""A condition that somebody asks of everybody, by the definitions of a workspace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tailorbird.language import tree
from tailorbird.language.errors import ExpressionError
from tailorbird.language.oracle import Person
from tailorbird.language.parser import parse
from tailorbird.language.printer import format_expression
from tailorbird.language.scope import SEGMENT, Scope
from tailorbird.language.shape import is_condition
from tailorbird.language.types import check
from tailorbird.reducer.compiling import scores_of
from tailorbird.workspace.definitions import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A checked condition and what it may refer to; `warnings` in words."""

    text: str
    node: tree.Node
    given: Person
    warnings: tuple[str, ...] = ()

    def parts(self) -> list[tuple[str, tree.Node]]:
        """Return its conditions in the order in which they narrow it down, with their texts."""
        parts = self.node.parts if isinstance(self.node, tree.And) else (self.node,)
        return [(format_expression(one), one) for one in parts]


@dataclass(slots=True, kw_only=True)
class Preview:
    """What a condition comes to; counts are people."""

    size: int
    seconds: float
    estimate: bool = False  # whether `size` is one: everybody is counted
    reachable: int | None = None
    without_address: int = 0
    without_consent: int = 0
    suppressed: int = 0
    people: int = 0
    funnel: list[tuple[str, int]] = field(default_factory=list)
    members: list[dict[str, Any]] = field(default_factory=list)
    overlaps: list[tuple[str, int, int]] = field(default_factory=list)  # segment, both, its size
    days: list[tuple[str, int]] = field(default_factory=list)  # date, size at its end
    warnings: list[str] = field(default_factory=list)


def question_of(text: str, workspace: Workspace) -> Question:
    """Read and check a condition as if it were a segment's.

    Raises:
        ExpressionError: it is wrong; `line` and `column` tell where.
    """
    node = parse(text)
    segments = {name: one.when for name, one in workspace.segments.items()}
    scores = scores_of(workspace.scores)
    interests = {name: one.weights for name, one in workspace.interests.items()}
    scope = Scope(
        place=SEGMENT,
        segments=segments,
        scores=scores,
        lists=workspace.lists,
        interests=interests,
    )
    _, problems = check(node, scope, text)
    for problem in problems:
        if problem.severity == "error":
            raise ExpressionError.at_problem(problem, text)
    if not is_condition(node):
        raise ExpressionError("this is a value, not a condition", mend="Compare it: `... > 3`.")
    given = Person(
        timezone=workspace.settings.timezone,
        segments=segments,
        scores=scores,
        interests=interests,
        lists=workspace.lists,
    )
    warnings = tuple(f"{one.message}. {one.mend}".strip() for one in problems)
    return Question(text=text, node=node, given=given, warnings=warnings)


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
