"""Compiles each expression on its own, to find what cannot be kept live and what holds for nobody.

What an expression is for everybody new is asked of the compiled form with an empty history.
"""

from __future__ import annotations

from tailorbird.base.time import DAY
from tailorbird.language.needs import CompileError
from tailorbird.language.program import Program, View
from tailorbird.workspace.checking import Names
from tailorbird.workspace.expressions import FILTER, Expression

# Any instant will do: nothing has happened. A Thursday noon in 2026.
_SOME_NOW = 20_454 * DAY + DAY // 2


def check_compiled(
    expression: Expression,
    known: Names,
) -> None:
    """Note what cannot be kept live, and warn of a segment that holds for the empty profile."""
    if expression.place == FILTER:
        return
    whole = (0, len(expression.text))
    try:
        program = Program(
            {"asked": expression.node},
            segments=known.segment_nodes,
            scores=known.score_nodes,
            interests=known.interests,
            lists=known.lists,
        )
    except CompileError as error:
        expression.note(str(error), "", whole)
        return
    if expression.place != "segment":
        return
    truth, _ = program.evaluate("asked", View(), _SOME_NOW)
    if truth is True:
        expression.note(
            "this holds for somebody of whom nothing is known yet: everybody new enters at once",
            "If that is not meant, ask for something that has happened, such as "
            "`any(order_completed) and ...`.",
            whole,
            is_warning=True,
        )
