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
    """A cursor in an expression: `before` is the expression's text up to it.

    `key` is the expression's key. An expression of a source sees the fields of one message.
    """

    before: str
    key: str = ""
    is_in_source: bool = False

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


def place_at(text: str, offset: int, path: str = "") -> Place | None:
    """Return the place of a cursor in an expression, None where it stands in none.

    Args:
        text: The file.
        offset: Of the cursor, in characters.
        path: Of the file in its workspace: below `map` of a source all values are expressions.
    """
    found = _key_before(text, offset)
    if found is None:
        return None
    key, start, line_start = found
    is_in_source = path.startswith("sources/")
    if key not in KEYS and not (is_in_source and _is_in_map(text, line_start)):
        return None
    return Place(_plain(text[start:offset]), key, is_in_source)


def _key_before(text: str, offset: int) -> tuple[str, int, int] | None:
    """Return the key whose value an offset lies in, where that begins, and the key's line."""
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
    return found["key"], start + found.end(), start


def _is_in_map(text: str, line_start: int) -> bool:
    """Say whether a line stands, at any depth, below the key `map`."""
    end = text.find("\n", line_start)
    indent = _indent(text[line_start : end if end >= 0 else len(text)])
    for line in reversed(text[:line_start].split("\n")[:-1]):
        if line.strip() and not line.lstrip().startswith("#") and _indent(line) < indent:
            indent = _indent(line)
            if indent == 0:
                return line.startswith("map:")
    return False


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
