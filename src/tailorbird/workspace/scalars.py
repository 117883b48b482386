"""Where each character of a YAML scalar's value stands in the file.

Expressions live in plain, quoted and block scalars; a fault in one is shown in the file as it was
written, so folding, quoting, escapes and indentation are traced back here.
"""

from __future__ import annotations

import yaml

_ESCAPE_LENGTHS = {"x": 4, "u": 6, "U": 10}


def offset_in_file(text: str, node: yaml.ScalarNode, offset: int) -> int:
    """Return the offset in the file of the value's character at `offset`.

    An offset at or past the value's end gives the place right after its last character.
    """
    places = _places(text, node)
    if not places:
        return int(node.start_mark.index)
    if offset >= len(places):
        return places[-1] + 1
    return places[offset]


def _places(text: str, node: yaml.ScalarNode) -> list[int]:
    """Walk the source and the value side by side: YAML only ever alters white space and escapes."""
    at = _first(text, node)
    end = int(node.end_mark.index)
    is_double = node.style == '"'
    places: list[int] = []
    for character in node.value:
        if not character.isspace():
            at = _skip_space(text, at, end, is_double=is_double)
        if is_double and at < end and text[at] == "\\":
            places.append(at)
            at += _escape_length(text, at)
            continue
        places.append(min(at, end))
        if at >= end:
            continue
        if character.isspace() and not text[at].isspace():
            continue
        # A doubled quote inside single quotes stands for one.
        at += 2 if node.style == "'" and text.startswith("''", at) else 1
    return places


def _skip_space(text: str, at: int, end: int, *, is_double: bool) -> int:
    """Skip white space and, in double quotes, line ends escaped by a backslash."""
    while at < end and (text[at].isspace() or (is_double and text.startswith("\\\n", at))):
        at += 1
    return at


def _first(text: str, node: yaml.ScalarNode) -> int:
    start = int(node.start_mark.index)
    if node.style in ("'", '"'):
        return start + 1
    if node.style in ("|", ">"):
        line_end = text.find("\n", start)
        return len(text) if line_end < 0 else line_end + 1
    return start


def _escape_length(text: str, at: int) -> int:
    following = text[at + 1 : at + 2]
    return _ESCAPE_LENGTHS.get(following, 2)
