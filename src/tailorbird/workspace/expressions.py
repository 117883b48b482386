"""Expressions inside definitions: parsed in place, then checked against everything else.

Reading a file only parses; names are checked when all files have been read, since an expression
may name segments, scores and lists of other files.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailorbird.language.errors import ExpressionError
from tailorbird.language.parser import parse
from tailorbird.language.tree import Node
from tailorbird.workspace.sections import Scalar, Section

FILTER = "filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A parsed expression, the text that it came from, and where it may look.

    `place` is segment, score, journey or filter: a filter sees one event, named by `event`.
    """

    node: Node
    text: str
    scalar: Scalar
    place: str
    event: str = ""

    @property
    def fault_count(self) -> int:
        """Return the number of errors noted so far in this expression's file."""
        return self.scalar.source.error_count

    def note(
        self, message: str, mend: str, span: tuple[int, int], *, is_warning: bool = False
    ) -> None:
        """Note a problem at a span of the text, counted in characters."""
        start, end = span
        self.scalar.note(message, mend, at=start, length=max(end - start, 1), is_warning=is_warning)


def read_expression(section: Section, key: str, place: str, event: str = "") -> Expression | None:
    """Parse the expression under a key; notes what is wrong and returns None."""
    scalar = section.scalar(key)
    if scalar is None:
        return None
    try:
        node = parse(scalar.value, in_where=place == FILTER)
    except ExpressionError as error:
        note_expression_error(scalar, error)
        return None
    return Expression(node=node, text=scalar.value.strip(), scalar=scalar, place=place, event=event)


def note_expression_error(
    scalar: Scalar, error: ExpressionError, *, is_warning: bool = False
) -> None:
    """Put an error of the language at its characters in the file."""
    scalar.note(
        error.message, error.mend, at=error.start, length=error.length, is_warning=is_warning
    )
