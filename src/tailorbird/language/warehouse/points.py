"""Scores of points that fade or have a cap, in SQL: exact in whole numbers, rounded once.

As the oracle has it: points of one UTC day are pooled where there is a cap or an even fall; points
with a half-life are added up by whole half-lives, so that sums stay whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from tailorbird.language import decay, tree
from tailorbird.language.needs import PointsScore
from tailorbird.language.warehouse import sql
from tailorbird.language.warehouse.frame import Frame
from tailorbird.language.warehouse.sql import Sql

# Returns the keys of the events that an argument takes, as `e`.
Matching = Callable[[tree.Selector], exp.Select]


def points_table(score: PointsScore, frame: Frame, matching: Matching) -> exp.Select:
    """Return a row with the `total` in billionths of a point for each person who has any."""
    given = _pooled(score, frame, matching) if score.is_pooled else _given(score, frame, matching)
    if score.fades_over is not None:
        return _falling(given, score.fades_over, frame)
    if score.half_life is not None:
        return halved(given, score.half_life, frame, is_pooled=score.is_pooled)
    return summed(given, frame)


def summed(given: exp.Query, frame: Frame) -> exp.Select:
    """Return the sum of points that stay, as `total`."""
    total = exp.Sum(this=sql.column("points", "g"))
    return _by_person(given, "g", frame).select(sql.named(total, "total"))


def _given(score: PointsScore, frame: Frame, matching: Matching) -> exp.Query:
    """Return each event that gives points: keys, given_at (microseconds), points (billionths)."""
    parts = []
    for event, points, where in score.points:
        rows = matching(tree.Selector(event=event, where=where))
        at = sql.call("micros", sql.column("timestamp", "e"))
        worth = exp.Cast(this=sql.integer(points), to=exp.DataType.build("BIGINT"))
        parts.append(rows.select(sql.named(at, "given_at"), sql.named(worth, "points")))
    return parts[0] if len(parts) == 1 else exp.union(*parts, distinct=False)


def _pooled(score: PointsScore, frame: Frame, matching: Matching) -> exp.Query:
    """Return the points of each UTC day as given at its end, at most the cap."""
    end = sql.call("fade_day_end", sql.column("given_at", "p"))
    points: Sql = exp.Sum(this=sql.column("points", "p"))
    if score.cap_per_day is not None:
        points = exp.Least(this=points, expressions=[sql.integer(score.cap_per_day)])
    days = _by_person(_given(score, frame, matching), "p", frame)
    return days.select(sql.named(end, "given_at"), sql.named(points, "points")).group_by(end)


def _falling(given: exp.Query, span: int, frame: Frame) -> exp.Select:
    left = sql.call(
        "fade_evenly",
        sql.column("points", "g"),
        sql.column("given_at", "g"),
        _now(frame, "g"),
        sql.integer(span),
    )
    total = sql.call("half_even", exp.Sum(this=left), sql.integer(span))
    return _by_person(given, "g", frame).select(sql.named(total, "total"))


def halved(given: exp.Query, half_life: int, frame: Frame, *, is_pooled: bool) -> exp.Select:
    """Return the sum of points that have faded since they were given, as `total`.

    `given` has keys, given_at (microseconds) and points (billionths). Pooled points are given at
    their day's end, and whole until then.
    """
    at, points, life = (
        sql.column("given_at", "g"),
        sql.column("points", "g"),
        sql.integer(half_life),
    )
    index, weight = (sql.call(f"fade_{one}", at, life) for one in ("index", "weight"))
    if is_pooled:
        # Until its day ends a point is whole: it is in no half-life.
        has_begun = sql.compare(">", _now(frame, "g"), at)
        index = sql.case((has_begun, index))
        weight = sql.case((has_begun, weight), otherwise=sql.integer(1))
    weighed = exp.Sum(this=sql.times(points, weight))
    lives = _by_person(given, "g", frame)
    lives = lives.select(sql.named(index, "place"), sql.named(weighed, "weighed")).group_by(index)
    oldest = sql.minus(sql.call("fade_index", _now(frame, "w"), life), sql.integer(decay.KEPT))
    place, sums = sql.column("place", "w"), sql.column("weighed", "w")
    high, low = (
        sql.either_value(
            exp.Sum(this=sql.call(f"fade_{one}", sums, sql.minus(place, oldest))), sql.integer(0)
        )
        for one in ("high", "low")
    )
    # All rows of a person are of one instant of asking.
    now_weight = exp.Max(this=sql.call("fade_weight", _now(frame, "w"), life))
    total = sql.call("fade_total", high, low, now_weight)
    if is_pooled:
        whole = exp.Sum(this=sql.case((sql.is_null(place), sums)))
        total = sql.plus(total, sql.either_value(whole, sql.integer(0)))
    return _by_person(lives, "w", frame).select(sql.named(total, "total"))


def _by_person(rows: exp.Query, name: str, frame: Frame) -> exp.Select:
    keys = frame.key_columns(name)
    return sql.select(*keys).from_(rows.subquery(name)).group_by(*keys)


def _now(frame: Frame, table: str) -> Sql:
    return sql.integer(frame.now) if frame.now is not None else sql.column("asked_at", table)
