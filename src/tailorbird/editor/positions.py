"""Places in a text as people count them, and as the language server protocol does.

A problem counts lines and characters from 1; the protocol counts lines from 0 and columns in
units of the encoding that client and server agreed upon, UTF-16 unless the client wants another.
"""

from __future__ import annotations

from lsprotocol import types
from pygls.workspace import PositionCodec

from tailorbird.base.problems import Problem


def normalised(text: str) -> str:
    """Return a text with `\\n` as its only line end, as the definitions are read."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def range_of(problem: Problem, lines: list[str], codec: PositionCodec) -> types.Range:
    """Return what a problem underlines; without a line it is the first line of its file."""
    number = min(max(problem.line - 1, 0), len(lines) - 1)
    line = lines[number]
    start = min(max(problem.column - 1, 0), len(line))
    end = min(start + max(problem.length, 1), len(line)) if problem.line else len(line)
    return types.Range(
        start=types.Position(line=number, character=codec.client_num_units(line[:start])),
        end=types.Position(line=number, character=codec.client_num_units(line[:end])),
    )


def offset_of(text: str, position: types.Position, codec: PositionCodec) -> int:
    """Return the offset in characters of a position; past the end of a line it is that end."""
    lines = text.split("\n")
    if position.line >= len(lines):
        return len(text)
    before = sum(len(line) + 1 for line in lines[: position.line])
    units = 0
    for count, character in enumerate(lines[position.line]):
        if units >= position.character:
            return before + count
        units += codec.client_num_units(character)
    return before + len(lines[position.line])
