"""User errors as values: what happened, where, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class TailorbirdError(Exception):
    """Root of all errors that this package raises on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault in something a person wrote.

    `line` and `column` count from 1; `length` is the number of characters that the caret line
    underlines; `excerpt` is the source line; `mend` tells what to do.
    """

    message: str
    mend: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    length: int = 1
    excerpt: str = ""
    severity: str = "error"  # or "warning"

    def render(self) -> str:
        """Return the problem as text with the excerpt and a caret line."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        lines = [f"{place}  {self.message}" if place else self.message]
        if self.excerpt:
            lines.append(f"    {self.excerpt}")
            lines.append("    " + " " * max(self.column - 1, 0) + "^" * max(self.length, 1))
        if self.mend:
            lines.append(f"  {self.mend}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the facts for `--json` and the API."""
        return {
            "severity": self.severity,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "mend": self.mend,
        }


class ProblemsError(TailorbirdError):
    """Several problems, reported together."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(problem.render() for problem in problems))
        self.problems = problems


class OperationalError(TailorbirdError):
    """Something outside failed; `is_retry_safe` says whether the same call may be repeated."""

    def __init__(self, message: str, *, is_retry_safe: bool) -> None:
        super().__init__(message)
        self.is_retry_safe = is_retry_safe
