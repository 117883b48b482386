"""`tailorbird fmt`: the expressions of definitions in canonical form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from tailorbird.base.problems import Problem
from tailorbird.cli import output
from tailorbird.language import ExpressionError, parse
from tailorbird.language.lexer import has_comment
from tailorbird.language.printer import format_expression
from tailorbird.language.spelling import keep_units
from tailorbird.workspace.formatting import FOLDERS, format_definition
from tailorbird.workspace.layout import is_hidden


def fmt(
    *paths: Path,
    check: Annotated[bool, Parameter(negative="")] = False,
    expression: str | None = None,
) -> int:
    """Rewrite the expressions of segments, scores, journeys and sources in their canonical form.

    Everything else in a file stays as it is, comments, order and the units of durations and
    percentages included. An expression that holds a comment is left alone and named.

    ```
    tailorbird fmt
    tailorbird fmt shop --check
    tailorbird fmt --expression "COUNT('Order Completed' within 48h)>3"
    ```

    Parameters
    ----------
    paths
        Definitions or folders, by default the current folder.
    check
        Change nothing; exit with 1 where a file would change.
    expression
        Print this one expression in canonical form and change no file.
    """
    if expression is not None:
        return _format_one(expression)
    changed: list[Path] = []
    problems: list[Problem] = []
    for file in _definitions(paths or (Path(),)):
        is_changed, found = _format_file(file, check=check)
        problems += found
        if is_changed:
            changed.append(file)
    output.show_problems(problems)
    out = output.console()
    for file in changed:
        out.print(Text(f"{'would change' if check else 'formatted'} {file}"))
    if not changed and not problems:
        out.print("All is in canonical form.")
    is_faulty = any(problem.severity == "error" for problem in problems)
    return output.WRONG if is_faulty or (check and changed) else output.OK


def _format_one(expression: str) -> int:
    try:
        node = parse(expression)
        if has_comment(expression):
            raise output.Failure("the expression holds a comment", "Remove it: it would be lost.")
    except ExpressionError as error:
        raise output.Failure(str(error)) from None
    (text,) = keep_units([format_expression(node)], expression)
    output.console().print(Text(text), soft_wrap=True)
    return output.OK


def _definitions(paths: tuple[Path, ...]) -> list[Path]:
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = [one for ending in ("yaml", "yml") for one in path.rglob(f"*.{ending}")]
            for file in sorted(inside):
                inner = file.relative_to(path).parts
                if _is_definition(file) and not any(map(is_hidden, inner)):
                    found[file] = None
        elif not path.exists():
            raise output.Failure(f"there is no {path}", "Name a definition or a folder.")
        elif not _is_definition(path):
            raise output.Failure(
                f"{path} is no definition with expressions",
                f"They are .yaml files in the folders {', '.join(FOLDERS)}.",
            )
        else:
            found[path] = None
    return list(found)


def _is_definition(file: Path) -> bool:
    # A link that leads round in a circle is no file, and cannot be followed either.
    is_named = file.suffix in (".yaml", ".yml") and file.is_file()
    return is_named and file.resolve().parent.name in FOLDERS


def _format_file(file: Path, *, check: bool) -> tuple[bool, list[Problem]]:
    whole = file.resolve()
    name = f"{whole.parent.name}/{whole.name}"
    try:
        given = whole.read_bytes()
        text = given.decode("utf-8")
    except OSError as error:
        raise output.Failure(
            f"{file} cannot be read: {error.strerror}", code=output.OUTSIDE
        ) from None
    except UnicodeDecodeError as error:
        return False, [Problem(message=f"byte {error.start} is no UTF-8", file=str(file))]
    returns, lines = text.count("\r\n"), text.count("\n")
    if returns not in (0, lines):
        return False, [
            Problem(
                message="left as it is: some lines end with CR LF, others with LF",
                mend="Give all lines the same end.",
                file=str(file),
                severity="warning",
            )
        ]
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    formatted = format_definition(name, text.removeprefix(mark).replace("\r\n", "\n"))
    new = mark + (formatted.text.replace("\n", "\r\n") if returns else formatted.text)
    if new != text and not check:
        _write(whole, new.encode("utf-8"))
    return new != text, list(formatted.problems)


def _write(file: Path, data: bytes) -> None:
    """Write beside the file and rename: a running server never reads half of it."""
    beside = file.with_name(f".{file.name}.tmp")
    try:
        beside.write_bytes(data)
        beside.chmod(file.stat().st_mode)
        os.replace(beside, file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise output.Failure(
            f"{file} cannot be written: {error.strerror}", code=output.OUTSIDE
        ) from None
