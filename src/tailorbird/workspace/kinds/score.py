"""`scores/NAME.yaml`: a named number, by points per event or by an expression."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from tailorbird.base.names import snake_case
from tailorbird.base.numbers import scaled
from tailorbird.base.time import Duration
from tailorbird.workspace.expressions import FILTER, Expression, read_expression
from tailorbird.workspace.sections import Scalar, Section, compose
from tailorbird.workspace.source import Source

KEYS = ("title", "description", "value", "points", "half_life")
POINT_KEYS = ("event", "points", "where")


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsRow:
    """Points for each event of a name that matches `where`."""

    event: str
    event_scalar: Scalar
    points: int  # scaled
    where: Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFile:
    """A score as read: either `value` or `points`."""

    name: str
    title: str
    description: str
    value: Expression | None
    points: tuple[PointsRow, ...]
    half_life: Duration | None


def read_score(source: Source, name: str) -> ScoreFile | None:
    """Read a score; what is wrong is noted in the source."""
    root = compose(source)
    if root is None:
        return None
    section = Section(source, root, "a score", KEYS)
    if ("value" in section) == ("points" in section):
        section.note(
            "a score has either `value` or `points`",
            "For example `value: count(order_completed within 90d)`, or a list of `points`.",
            "value",
        )
    if "value" in section and "half_life" in section:
        section.note("`half_life` belongs to `points`", "Remove it.", "half_life")
    half_life = section.duration("half_life")
    if half_life is not None and half_life.months:
        section.note(
            "`half_life` cannot be counted in months or years",
            "They differ in length; write days, such as 30d.",
            "half_life",
        )
    rows = [_read_row(row) for row in section.items("points", "points for an event", POINT_KEYS)]
    return ScoreFile(
        name=name,
        title=section.text("title") or name.replace("-", " ").replace("_", " ").capitalize(),
        description=section.text("description"),
        value=read_expression(section, "value", "score"),
        points=tuple(row for row in rows if row is not None),
        half_life=half_life,
    )


def _read_row(section: Section) -> PointsRow | None:
    event = section.required("event", "order_completed")
    points = section.required("points", "10")
    name = snake_case(event.value) if event is not None else ""
    where = read_expression(section, "where", FILTER, name)
    number = None if points is None else _number(points)
    if event is None or number is None:
        return None
    return PointsRow(event=snake_case(event.value), event_scalar=event, points=number, where=where)


def _number(scalar: Scalar) -> int | None:
    try:
        number = scaled(Decimal(scalar.value))
    except InvalidOperation:
        number = None
    if number is None:
        scalar.note(f"`{scalar.value}` is not a number", "Write a number such as 10 or -2.5.")
    return number
