"""Writes the lines of a mapping."""

from __future__ import annotations

import re
from collections.abc import Collection

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_ ./()-]*[A-Za-z0-9_)]|[A-Za-z_]")
_SPECIAL = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "now"})


class Lines:
    """The text of a mapping on its way; `columns` are those that the table has."""

    def __init__(self, columns: Collection[str]) -> None:
        self.columns = columns
        self._lines: list[str] = []

    def say(self, comment: str) -> None:
        """Add a comment."""
        self._lines.append(f"# {comment}")

    def add(self, *lines: str) -> None:
        """Add lines."""
        self._lines += lines

    def column(self, column: str, line: str) -> None:
        """Add a line where the table has a column."""
        if column in self.columns:
            self._lines.append(line)

    def text(self) -> str:
        """Return the file; keys without anything below them are left out."""
        kept: list[str] = []
        for line, following in zip(self._lines, [*self._lines[1:], ""], strict=True):
            is_empty = line.endswith(":") and not following.startswith(_indent(line) + " ")
            if not (is_empty and not line.startswith("#")):
                kept.append(line)
        return "\n".join(kept) + "\n"


def text_of(value: str) -> str:
    """Write a text as YAML: plain where that is clear, else quoted."""
    if _PLAIN.fullmatch(value) and value.lower() not in _SPECIAL:
        return value
    return "'" + value.replace("'", "''") + "'"


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
