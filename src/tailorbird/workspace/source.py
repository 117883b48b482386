"""One file of a workspace as text, and the faults found in it, each at its place.

`sections` reads YAML on top of this; `kinds` knows what each kind of file may say.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tailorbird.base.problems import Problem


@dataclass(slots=True)
class Source:
    """The text of one file (line ends are `\\n`) and the problems noted so far."""

    path: str
    text: str
    problems: list[Problem] = field(default_factory=list)

    def note(
        self,
        message: str,
        mend: str,
        *,
        offset: int | None = None,
        length: int = 1,
        is_warning: bool = False,
    ) -> None:
        """Note a problem at an offset in characters into the text; None is the whole file.

        What was noted already is not noted again: a key may be asked for more than once.
        """
        found = self._problem(message, mend, offset, length, is_warning=is_warning)
        if found not in self.problems:
            self.problems.append(found)

    def _problem(
        self, message: str, mend: str, offset: int | None, length: int, *, is_warning: bool
    ) -> Problem:
        severity = "warning" if is_warning else "error"
        if offset is None:
            return Problem(message=message, mend=mend, file=self.path, severity=severity)
        offset = max(0, min(offset, len(self.text)))
        start = self.text.rfind("\n", 0, offset) + 1
        end = self.text.find("\n", offset)
        excerpt = self.text[start : end if end >= 0 else len(self.text)]
        column = offset - start + 1
        return Problem(
            message=message,
            mend=mend,
            file=self.path,
            line=self.text.count("\n", 0, offset) + 1,
            column=column,
            length=max(1, min(length, len(excerpt) - column + 1)),
            excerpt=excerpt,
            severity=severity,
        )

    @property
    def error_count(self) -> int:
        """Return the number of problems noted so far that keep this file from going live."""
        return sum(problem.severity == "error" for problem in self.problems)

    def offset_of(self, line: int, column: int) -> int:
        """Return the offset of a line and column, both counted from 1."""
        start = 0
        for _ in range(line - 1):
            found = self.text.find("\n", start)
            if found < 0:
                break
            start = found + 1
        return min(start + column - 1, len(self.text))
