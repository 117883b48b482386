"""What the language says when an expression cannot be understood: where, why, and the mend."""

from __future__ import annotations

import re

from tailorbird.base.problems import Problem, TailorbirdError

_EXCERPT_WIDTH_MAX = 160
_SAID_MAX = 800  # characters of a message or a mend
_LONG_WORD = re.compile(r"(\S{80})\S{20,}?(\S{0,4})(?!\S)")


class ExpressionError(TailorbirdError):
    """A syntax or type error at a place in an expression.

    `line` and `column` count from 1, `length` is the number of characters meant, `mend` tells what
    to do, `text` is the whole expression.
    """

    def __init__(
        self, message: str, *, text: str = "", start: int = 0, length: int = 1, mend: str = ""
    ) -> None:
        self.message = _brief(message)
        self.mend = _brief(mend)
        self.text = text
        self.start = start
        self.length = max(length, 1)
        super().__init__(message)

    def __str__(self) -> str:
        # Rendered when it is read: whoever only asks whether a text is sound, as `lexer.pieces`
        # does for each character, pays nothing for line, column and excerpt.
        return self.problem().render()

    @property
    def line(self) -> int:
        """Return the line of the fault, counted from 1."""
        return position_of(self.text, self.start)[0]

    @property
    def column(self) -> int:
        """Return the column of the fault, counted from 1."""
        return position_of(self.text, self.start)[1]

    @classmethod
    def at_problem(cls, problem: Problem, text: str) -> ExpressionError:
        """Make an error of a problem that was found in a text."""
        lines = text.splitlines(keepends=True)
        start = sum(map(len, lines[: problem.line - 1])) + problem.column - 1
        return cls(
            problem.message, text=text, start=start, length=problem.length, mend=problem.mend
        )

    def problem(self, file: str = "") -> Problem:
        """Return the error as a problem; an excerpt longer than a screen line is cut."""
        return problem_at(
            self.text, self.start, self.length, message=self.message, mend=self.mend, file=file
        )


def problem_at(
    text: str,
    start: int,
    length: int,
    *,
    message: str,
    mend: str = "",
    file: str = "",
    severity: str = "error",
) -> Problem:
    """Return a problem at an offset of a text, with the line it lies on as excerpt."""
    line, column = position_of(text, start)
    lines = text.splitlines()
    excerpt = lines[line - 1] if line <= len(lines) else ""
    cut = max(0, column - 1 - _EXCERPT_WIDTH_MAX // 2) if len(excerpt) > _EXCERPT_WIDTH_MAX else 0
    excerpt = excerpt[cut : cut + _EXCERPT_WIDTH_MAX]
    room = max(len(excerpt) - (column - 1 - cut), 1)
    return Problem(
        message=_brief(message),
        mend=_brief(mend),
        file=file,
        line=line,
        column=column,
        length=max(1, min(length, room)),
        # A cut excerpt no longer lies under the column, so that the caret would point elsewhere.
        excerpt="" if cut else excerpt,
        severity=severity,
    )


def position_of(text: str, offset: int) -> tuple[int, int]:
    """Return (line, column), both counted from 1, of an offset in a text."""
    before = text[:offset]
    lines = before.splitlines(keepends=True)
    if not lines:
        return 1, 1
    if before[-1] in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029":
        return len(lines) + 1, 1
    return len(lines), len(lines[-1]) + 1


def _brief(said: str) -> str:
    """Cut names that nobody would write: a message shows what was sent, but not all of it."""
    if len(said) <= 100:
        return said
    short = _LONG_WORD.sub("\\1…\\2", said[: 50 * _SAID_MAX])
    return short if len(short) <= _SAID_MAX else short[:_SAID_MAX] + "…"
