"""The expressions of one definition in canonical form; everything else stays byte for byte.

An expression is rewritten inside its YAML scalar, in the scalar's own style where it can hold the
new text. Each rewriting is read back: where it would change anything but white space and spelling,
the expression is left as it was, and that is noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tailorbird.base.problems import Problem
from tailorbird.language.errors import ExpressionError
from tailorbird.language.lexer import has_comment
from tailorbird.language.parser import parse
from tailorbird.language.printer import format_expression, format_lines
from tailorbird.language.spelling import keep_units
from tailorbird.workspace.expressions import FILTER, Expression
from tailorbird.workspace.kinds.journey import read_journey
from tailorbird.workspace.kinds.score import read_score
from tailorbird.workspace.kinds.segment import read_segment
from tailorbird.workspace.kinds.source import read_source, source_expressions
from tailorbird.workspace.source import Source

WIDTH = 100  # characters of a line
FOLDERS = ("segments", "scores", "interests", "journeys", "sources")

_HEADER = re.compile(r"[|>][-+0-9]*[ \t]*")
_INDENT = re.compile(r" *(?:- +)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Formatted:
    """The text of a file in canonical form, and what keeps it or parts of it as they were."""

    text: str
    problems: tuple[Problem, ...]


def format_definition(path: str, text: str) -> Formatted:
    """Rewrite the expressions of a segment, a score, an interest, a journey or a source.

    Args:
        path: Such as `segments/vip.yaml`; its folder tells the kind.
        text: The file; line ends are `\\n`.

    Returns:
        The new text. A file with errors is returned unchanged, with the errors.
    """
    source = Source(path, text)
    found = _expressions(source)
    errors = tuple(one for one in source.problems if one.severity == "error")
    if errors:
        return Formatted(text=text, problems=errors)
    source.problems.clear()
    # From the end to the beginning: what was rewritten moves nothing that is still to come.
    for expression in sorted(found, key=lambda one: -_start(one)):
        text = _rewritten(text, expression)
    return Formatted(text=text, problems=tuple(reversed(source.problems)))


def _expressions(source: Source) -> list[Expression]:
    folder, _, file = source.path.partition("/")
    name = file.rpartition(".")[0]
    found: list[Expression | None] = []
    if folder == "segments":
        segment = read_segment(source, name)
        found = [segment.when] if segment is not None else []
    elif folder in ("scores", "interests"):
        score = read_score(source, name)
        if score is not None:
            found = [score.value, *(row.where for row in score.points)]
    elif folder == "journeys":
        journey = read_journey(source, name)
        found = [*journey.conditions] if journey is not None else []
    elif folder == "sources" and read_source(source, name) is not None and not source.error_count:
        found = [*source_expressions(source)]
    # An alias brings the same place twice.
    places = {_start(one): one for one in found if one is not None}
    return list(places.values())


def _start(expression: Expression) -> int:
    return int(expression.scalar.node.start_mark.index)


def _rewritten(text: str, expression: Expression) -> str:
    node = expression.scalar.node
    start, end = _start(expression), int(node.end_mark.index)
    # A block scalar ends where the next thing begins: the empty lines between stay.
    end = start + len(text[start:end].rstrip())
    if has_comment(expression.scalar.value):
        _note(expression, "left as it is: the expression holds a comment")
        return text
    if text[start] in "&!":
        _note(expression, "left as it is: the expression has an anchor or a tag")
        return text
    before = _shape(text)
    place = _ordinal(text, start)
    for candidate in _candidates(text, start, end, expression):
        changed = text[:start] + candidate + text[end:]
        if _is_same(before, changed, place, expression):
            return changed
    _note(expression, "left as it is: YAML cannot hold its canonical form at this place")
    return text


def _note(expression: Expression, message: str) -> None:
    expression.note(
        message,
        "Format it by hand: `tailorbird fmt --expression` prints the canonical form.",
        (0, len(expression.text)),
        is_warning=True,
    )


def _candidates(text: str, start: int, end: int, expression: Expression) -> Iterator[str]:
    """Yield ways to write an expression at its place, the dearest first."""
    line = text[text.rfind("\n", 0, start) + 1 : start]
    written = text[start:end]
    style = expression.scalar.node.style
    (flat,) = keep_units([format_expression(expression.node)], expression.text)
    indent = " " * (len(_INDENT.match(line)[0]) + 2)  # type: ignore[index]  # matches always
    lines = keep_units(format_lines(expression.node, WIDTH - len(indent)), expression.text)
    body = "".join(f"\n{indent}{one}" for one in lines)
    if style in ("|", ">"):
        header = _HEADER.match(written)
        if header is not None and "\n" in written[header.end() :][:1]:
            yield header[0].rstrip() + body
        elif "#" in written.partition("\n")[0]:
            yield written.partition("\n")[0] + body
        yield ">-" + body
        return
    quoted = {
        "'": "'" + flat.replace("'", "''") + "'",
        '"': '"' + flat.replace("\\", "\\\\").replace('"', '\\"') + '"',
    }
    own = quoted.get(style or "", flat)
    rest = text[end:].partition("\n")[0]
    # Behind a comment or inside [...] and {...} there is no room for a block.
    is_last = not rest.strip()
    if len(line) + len(own) + len(rest) > WIDTH and is_last and body.count("\n") > 1:
        yield ">-" + body
    yield own
    yield quoted["'"]
    yield quoted['"']


def _ordinal(text: str, start: int) -> int:
    """Return the position among all scalars of the one that begins at `start`."""
    scalars = (event for event in yaml.parse(text) if isinstance(event, yaml.ScalarEvent))
    return next(
        index
        for index, event in enumerate(scalars)
        if event.start_mark is not None and event.start_mark.index == start
    )


def _shape(text: str) -> list[tuple[Any, ...]] | None:
    """Return what YAML reads, without places and styles."""
    try:
        return [
            (type(event).__name__, *(getattr(event, name, None) for name in ("anchor", "value")))
            for event in yaml.parse(text)
        ]
    except (yaml.YAMLError, ValueError):
        return None


def _is_same(
    before: list[tuple[Any, ...]] | None, changed: str, place: int, expression: Expression
) -> bool:
    """Say whether only the spelling of this one expression has changed."""
    after = _shape(changed)
    if before is None or after is None or len(before) != len(after):
        return False
    seen = -1
    for old, new in zip(before, after, strict=True):
        seen += old[0] == yaml.ScalarEvent.__name__
        if old != new and (old[:2] != new[:2] or seen != place):
            return False
        if seen == place and old[0] == yaml.ScalarEvent.__name__:
            try:
                node = parse(new[2], in_where=expression.place == FILTER)
            except ExpressionError:
                return False
            if node != expression.node:
                return False
    return True
