"""Keeps the units that somebody chose: `48h` and `2d` mean the same, but are read differently."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Sequence

from tailorbird.language.lexer import DURATION, NUMBER, tokenize

_CHOSEN = re.compile(r"(0|[1-9][0-9]*)([a-z]+|(\.[0-9]+)?%)")


def keep_units(lines: Sequence[str], written: str) -> list[str]:
    """Write durations and percentages of a canonical text as they were written.

    Example:
        >>> keep_units(["count(a within 2d) > 0.5"], "COUNT(a within 48h) > 50%")
        ['count(a within 48h) > 50%']
    """
    chosen: defaultdict[tuple[str, object], deque[str]] = defaultdict(deque)
    for token in tokenize(written):
        spelling = written[token.start : token.end]
        if token.kind in (DURATION, NUMBER):
            chosen[token.kind, token.value].append(spelling)
    text = "\n".join(lines)
    pieces, end = list[str](), 0
    for token in tokenize(text):
        spellings = chosen.get((token.kind, token.value))
        if spellings:
            spelling = spellings.popleft()
            if _CHOSEN.fullmatch(spelling):
                pieces += text[end : token.start], spelling
                end = token.end
    return [*"".join([*pieces, text[end:]]).split("\n")]
