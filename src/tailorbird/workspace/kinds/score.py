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

_FADING = ("half_life", "linear_decay", "cap_per_day")
KEYS = ("title", "description", "value", "points", *_FADING)
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
    linear_decay: Duration | None = None
    cap_per_day: int | None = None  # scaled


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
    half_life, linear_decay, cap_per_day = _read_fading(section)
    rows = [read_row(row) for row in section.items("points", "points for an event", POINT_KEYS)]
    return ScoreFile(
        name=name,
        title=section.text("title") or name.replace("-", " ").replace("_", " ").capitalize(),
        description=section.text("description"),
        value=read_expression(section, "value", "score"),
        points=tuple(row for row in rows if row is not None),
        half_life=half_life,
        linear_decay=linear_decay,
        cap_per_day=cap_per_day,
    )


def _read_fading(section: Section) -> tuple[Duration | None, Duration | None, int | None]:
    for key in _FADING:
        if "value" in section and key in section:
            section.note(f"`{key}` belongs to `points`", "Remove it.", key)
    spans = {key: read_fixed_span(section, key) for key in ("half_life", "linear_decay")}
    if all(key in section for key in spans):
        section.note(
            "points fade either by `half_life` or by `linear_decay`", "Keep one.", "linear_decay"
        )
    cap = section.scalar("cap_per_day")
    number = None if cap is None else _number(cap)
    if number is not None and number <= 0:
        section.note("`cap_per_day` must be more than 0", "For example 50.", "cap_per_day")
    if cap is not None and not any(key in section for key in spans):
        section.note(
            "`cap_per_day` needs points that fade",
            "Add `half_life: 30d` or `linear_decay: 30d`.",
            "cap_per_day",
        )
    return spans["half_life"], spans["linear_decay"], number


def read_fixed_span(section: Section, key: str) -> Duration | None:
    """Read a span that must not be counted in months."""
    span = section.duration(key)
    if span is not None and span.months:
        section.note(
            f"`{key}` cannot be counted in months or years",
            "They differ in length; write days, such as 30d.",
            key,
        )
    return span


def read_row(section: Section) -> PointsRow | None:
    """Read event, points and filter; what is wrong is noted in the source."""
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
