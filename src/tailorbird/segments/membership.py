"""How segments stand in the compiled program."""

from __future__ import annotations


def key_of(segment: str) -> str:
    """Return the program's key of a segment's condition."""
    return f"segment:{segment}"
