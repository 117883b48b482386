"""`segments/NAME.yaml`: a named condition."""

from __future__ import annotations

from dataclasses import dataclass

from tailorbird.workspace.expressions import Expression, read_expression
from tailorbird.workspace.sections import Section, compose
from tailorbird.workspace.source import Source

KEYS = ("when", "title", "description")


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFile:
    """A segment as read: its condition is parsed, not yet checked."""

    name: str
    title: str
    description: str
    when: Expression | None


def read_segment(source: Source, name: str) -> SegmentFile | None:
    """Read a segment; what is wrong is noted in the source."""
    root = compose(source)
    if root is None:
        return None
    section = Section(source, root, "a segment", KEYS)
    section.required("when", "count(order_completed within 90d) >= 3")
    return SegmentFile(
        name=name,
        title=section.text("title") or name.replace("-", " ").replace("_", " ").capitalize(),
        description=section.text("description"),
        when=read_expression(section, "when", "segment") if section.text("when") else None,
    )
