"""`interests/NAME.yaml`: the values of a property, weighed by what a person did."""

from __future__ import annotations

from dataclasses import dataclass

from tailorbird.language.needs import Interest
from tailorbird.workspace.expressions import Expression
from tailorbird.workspace.kinds.score import POINT_KEYS, PointsRow, read_fixed_span, read_row
from tailorbird.workspace.sections import Section, compose
from tailorbird.workspace.source import Source

KEYS = ("title", "description", "by", "points", "half_life")
ROW_KEYS = (*POINT_KEYS, "by")


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestFile:
    """An interest as read."""

    name: str
    title: str
    description: str
    rows: tuple[PointsRow, ...]
    weights: Interest

    @property
    def expressions(self) -> list[Expression]:
        """The filters."""
        return [row.where for row in self.rows if row.where is not None]


def read_interest(source: Source, name: str) -> InterestFile | None:
    """Read an interest; what is wrong is noted in the source."""
    root = compose(source)
    if root is None:
        return None
    section = Section(source, root, "an interest", KEYS)
    if "points" not in section:
        section.note(
            "an interest needs `points`",
            "For example `points: [{event: product_viewed, points: 1}]`.",
        )
    usual = section.scalar("by")
    half_life = read_fixed_span(section, "half_life")
    rows: list[PointsRow] = []
    points = []
    for part in section.items("points", "points for an event", ROW_KEYS):
        row, by = read_row(part), part.scalar("by") or usual
        if by is None:
            part.note(
                "nothing says which property is weighed",
                "Add `by: category` here, or once for all at the top.",
            )
        elif row is not None:
            rows.append(row)
            where = row.where.node if row.where is not None else None
            points.append((row.event, row.points, where, tuple(by.value.split("."))))
    return InterestFile(
        name=name,
        title=section.text("title") or name.replace("-", " ").replace("_", " ").capitalize(),
        description=section.text("description"),
        rows=tuple(rows),
        weights=Interest(
            points=tuple(points),
            half_life=(half_life.micros or None) if half_life is not None else None,
        ),
    )
