"""From a workspace's definitions to one program with a key for each expression."""

from __future__ import annotations

from collections.abc import Mapping

from tailorbird.journeys.asking import conditions_of
from tailorbird.language import tree
from tailorbird.language.needs import CompileError, PointsScore
from tailorbird.language.program import Program
from tailorbird.segments.membership import key_of
from tailorbird.workspace.definitions import ScoreDefinition, Workspace


def score_key(name: str) -> str:
    """Return the program's key of a score's value."""
    return f"score:{name}"


def program_of(workspace: Workspace) -> Program:
    """Compile all expressions of a workspace into one program.

    Raises:
        CompileError: an expression cannot be kept live.
    """
    expressions: dict[str, tree.Node] = {
        key_of(name): segment.when for name, segment in workspace.segments.items()
    }
    for name in workspace.scores:
        expressions[score_key(name)] = tree.Named(kind="score", name=name)
    for journey in workspace.journeys.values():
        expressions.update(conditions_of(journey))
    for (_, version), journey in workspace.former.items():
        expressions.update(conditions_of(journey, version))
    return Program(
        expressions,
        segments={name: segment.when for name, segment in workspace.segments.items()},
        scores=scores_of(workspace.scores),
        interests={name: one.weights for name, one in workspace.interests.items()},
        lists=workspace.lists,
        standing={key_of(name): name for name in workspace.segments},
    )


def scores_of(scores: Mapping[str, ScoreDefinition]) -> dict[str, tree.Node | PointsScore]:
    """Return what the language's compiler takes for scores."""
    return {name: _score(score) for name, score in scores.items()}


def _score(score: ScoreDefinition) -> tree.Node | PointsScore:
    if score.value is not None:
        return score.value
    for span in (score.half_life, score.linear_decay):
        if span is not None and span.months:
            raise CompileError(
                f"score '{score.name}': points fade over a fixed span; write days, for example 30d"
            )
    return PointsScore(
        points=tuple((one.event, one.points, one.where) for one in score.points),
        half_life=score.half_life.micros if score.half_life is not None else None,
        fades_over=score.linear_decay.micros if score.linear_decay is not None else None,
        cap_per_day=score.cap_per_day,
    )
