"""Names that authors give: of definitions, steps and topics."""

from __future__ import annotations

import re

from tailorbird.base.names import nearest
from tailorbird.workspace.sections import Scalar

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

RULE = "Use letters, digits, - and _, at most 64, beginning with a letter or digit."


def is_name(text: str) -> bool:
    """Tell whether a text may name a definition, a step or a topic."""
    return _NAME.fullmatch(text) is not None


def check_name(scalar: Scalar, what: str) -> None:
    """Note a problem where a text cannot be a name."""
    if not is_name(scalar.value):
        scalar.note(f"`{scalar.value}` cannot be {what}", RULE)


def hint(name: str, known: list[str]) -> str:
    """Return a sentence that names the closest known name, or all where there is none close."""
    close = nearest(name, known)
    if close:
        return f"Did you mean `{close}`?"
    if not known:
        return "There is none yet."
    more = ", ..." if len(known) > 20 else "."
    return f"Known: {', '.join(sorted(known)[:20])}{more}"
