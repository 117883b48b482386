"""Who belongs to which segment, since when, and when to ask again."""

from __future__ import annotations

from collections.abc import Iterable

from tailorbird.language.program import Program, ViewLike
from tailorbird.profiles.state import ProfileState


def key_of(segment: str) -> str:
    """Return the program's key of a segment's condition."""
    return f"segment:{segment}"


def settle(
    program: Program, view: ViewLike, state: ProfileState, segments: Iterable[str], now: int
) -> list[tuple[str, bool]]:
    """Ask some segments at `now`, in place; return (segment, is member) for those that changed."""
    changes: list[tuple[str, bool]] = []
    for segment in segments:
        holds, flip = program.evaluate(key_of(segment), view, now)
        if flip is None:
            state.deadlines.pop(segment, None)
        else:
            state.deadlines[segment] = flip
        is_member = holds is True
        if is_member is (segment in state.segments):
            continue
        if is_member:
            state.segments[segment] = now
        else:
            del state.segments[segment]
        changes.append((segment, is_member))
    return changes
