"""Where a cursor stands: in which expression of a YAML file, after what, on which word.

The YAML being typed need not be sound, so that keys are found by lines and indentation alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tailorbird.language import lexer

KEYS = ("when", "value", "where", "exit", "if", "unless")
_KEY = re.compile(r"(?P<indent>\s*(?:- +)*)(?P<key>[A-Za-z_]\w*):(?:[ \t]+|$)")
_BLOCK = re.compile(r"[|>][-+0-9]*[ \t]*(?:\n|$)")
_WORD = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A cursor in an expression: `before` is the expression's text up to it."""

    before: str

    @property
    def is_in_text(self) -> bool:
        """Say whether the cursor stands between quotes."""
        return any(
            piece.kind == lexer.FAULT and self.before.startswith("'", piece.start)
            for piece in lexer.pieces(self.before)
        )

    @property
    def is_in_comment(self) -> bool:
        """Say whether the cursor stands in a comment."""
        *_, last = (None, *lexer.pieces(self.before))
        return last is not None and last.kind == lexer.COMMENT


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a file and its offsets."""

    text: str
    start: int
    end: int


def place_at(text: str, offset: int) -> Place | None:
    """Return the place of a cursor in an expression, None where it stands in none."""
    line_start = text.rfind("\n", 0, offset) + 1
    start, found = line_start, _KEY.match(text[line_start:offset])
    if found is None:
        indent = _indent(text[line_start:offset])
        while found is None:
            if start == 0:
                return None
            end, start = start - 1, text.rfind("\n", 0, start - 1) + 1
            line = text[start:end]
            if line.strip() and _indent(line) < indent:
                found = _KEY.match(line)
                if found is None:
                    indent = _indent(line)
    if found["key"] not in KEYS:
        return None
    return Place(_plain(text[start + found.end() : offset]))


def word_at(text: str, offset: int) -> Word | None:
    """Return the word that an offset lies on or right after."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    for found in _WORD.finditer(text, start, end if end >= 0 else len(text)):
        if found.start() <= offset <= found.end():
            return Word(found[0], found.start(), found.end())
    return None


def key_at(text: str, word: Word) -> str | None:
    """Return the word where it is a key at the left margin."""
    is_key = text.startswith(":", word.end) and (word.start == 0 or text[word.start - 1] == "\n")
    return word.text if is_key else None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _plain(written: str) -> str:
    """Take what is YAML's off the beginning of a value; single quotes there double the inner."""
    block = _BLOCK.match(written)
    if block:
        return written[block.end() :]
    if written.startswith('"'):
        return written[1:]
    if written.startswith("'"):
        return written[1:].replace("''", "'")
    return written
