"""How commands speak: JSON or text on standard output, complaints on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tailorbird.base.problems import Problem

OK = 0
WRONG = 1  # something is wrong with what was asked about
USAGE = 2  # the command was written wrongly
OUTSIDE = 3  # something outside failed
INTERRUPTED = 130


class Failure(Exception):
    """Ends a command with a complaint, a mend and an exit code."""

    def __init__(self, message: str, mend: str = "", *, code: int = WRONG) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend
        self.code = code


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # `head` has read enough: no failure, which rich would make of it.
        raise BrokenPipeError


def console() -> Console:
    """Return the console for people; colours only where it is a terminal."""
    return _Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def write_json(data: Any) -> None:
    """Write one JSON document and nothing else."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n")


def complain(message: str, mend: str = "", *, is_warning: bool = False) -> None:
    """Write a complaint to standard error."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    word, style = ("Warning: ", "bold yellow") if is_warning else ("Error: ", "bold red")
    errors.print(Text(word, style=style).append(Text(message, style="default")))
    if mend:
        errors.print(Text(mend))


def show_problems(problems: Iterable[Problem], *, is_failure: bool = False) -> None:
    """Print problems with excerpts and carets, each with its mend.

    Where they end the command they are a complaint, so that what reads JSON finds none of them.
    """
    out = Console(stderr=True, highlight=False, soft_wrap=True) if is_failure else console()
    for problem in problems:
        place = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
        is_error = problem.severity == "error"
        line = Text(f"{place}  " if place else "", style="bold")
        line.append("error " if is_error else "warning ", style="red" if is_error else "yellow")
        line.append(problem.message, style="not bold")
        out.print(line)
        if problem.excerpt:
            out.print(Text(f"    {problem.excerpt}"))
            caret = " " * max(problem.column - 1, 0) + "^" * max(problem.length, 1)
            out.print(Text(f"    {caret}", style="red" if is_error else "yellow"))
        if problem.mend:
            out.print(Text(f"  {problem.mend}"))
        out.print()


def table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table in the house's look; columns beginning with `>` are right-aligned."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(
            column.removeprefix(">"), justify="right" if column.startswith(">") else "left"
        )
    return made
