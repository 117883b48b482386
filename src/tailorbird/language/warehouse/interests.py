"""Interests in SQL: what a value weighs, and which one weighs most, exact in whole numbers.

Weights are compared over two hundred half-lives: the number is written in digits of 32 bits, added
up place by place, carried from the lowest to the highest, and then ordered digit by digit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from tailorbird.language import tree
from tailorbird.language.needs import Interest
from tailorbird.language.warehouse import sql
from tailorbird.language.warehouse.frame import Frame
from tailorbird.language.warehouse.points import halved, summed
from tailorbird.language.warehouse.properties import Carried
from tailorbird.language.warehouse.sql import Sql

# Half-lives before a person's newest event beyond which another counts no more for the order.
ORDER_KEPT = 200
_DIGIT_BITS = 32
_DIGITS = ORDER_KEPT // _DIGIT_BITS + 1

# Returns `select KEYS from the values of a property, as v`, and how to read one.
Values = Callable[[tree.Selector], tuple[exp.Select, Carried]]


def weight_table(interest: Interest, of: str, frame: Frame, values: Values) -> exp.Select:
    """Return a row with the `total` in billionths of a point of one value for each person."""
    given = exp.select("*").from_(_given(interest, frame, values).subquery("o"))
    mine = given.where(sql.compare("=", sql.column("text", "o"), sql.text(of)))
    if interest.half_life is None:
        return summed(mine, frame)
    return halved(mine, interest.half_life, frame, is_pooled=False)


def top_table(interest: Interest, frame: Frame, values: Values) -> exp.Select:
    """Return a row with the `text` that weighs most for each person who has one."""
    given = _given(interest, frame, values)
    keys = [*frame.keys, "text"]
    if interest.half_life is None:
        weighed = _of(given, "g", keys).group_by(*_columns("g", keys))
        total = sql.named(exp.Sum(this=sql.column("points", "g")), "d0")
        return _heaviest(weighed.select(total), 1, frame)
    return _heaviest(_digits(given, interest.half_life, frame), _DIGITS, frame)


def _given(interest: Interest, frame: Frame, values: Values) -> exp.Query:
    """Return each text that gives points: keys, text, given_at (microseconds), points."""
    parts = []
    for event, points, where, path in interest.points:
        rows, carried = values(tree.Selector(event=event, path=path, where=where))
        text = carried.read("v").text
        at = sql.call("micros", sql.column("timestamp", "v"))
        worth = exp.Cast(this=sql.integer(points), to=exp.DataType.build("BIGINT"))
        rows = rows.select(
            sql.named(sql.NULL if text is None else text, "text"),
            sql.named(at, "given_at"),
            sql.column("event_order", "v"),
            sql.named(worth, "points"),
        )
        # Of a list each text counts once.
        found = rows.where(sql.FALSE if text is None else sql.is_there(text)).distinct()
        parts.append(found)
    return parts[0] if len(parts) == 1 else exp.union(*parts, distinct=False)


def _digits(given: exp.Query, half_life: int, frame: Frame) -> exp.Select:
    """Return the weight of each text as digits, `d0` the lowest; the highest has the sign."""
    keys = [*frame.keys, "text"]
    at, life = sql.column("given_at", "g"), sql.integer(half_life)
    index = sql.call("fade_index", at, life)
    weight = sql.times(sql.column("points", "g"), sql.call("fade_weight", at, life))
    lives = _of(given, "g", keys).group_by(*_columns("g", keys), index)
    lives = lives.select(sql.named(index, "life"), sql.named(exp.Sum(this=weight), "weighed"))

    newest = exp.Window(
        this=exp.Max(this=sql.column("life", "w")), partition_by=_columns("w", frame.keys)
    )
    place = sql.minus(sql.column("life", "w"), sql.minus(newest, sql.integer(ORDER_KEPT)))
    placed = _of(lives, "w", keys).select(sql.named(place, "place"), sql.column("weighed", "w"))

    at_place = sql.column("place", "p")
    digits = _of(placed, "p", keys).group_by(*_columns("p", keys))
    for digit in range(_DIGITS):
        low = digit * _DIGIT_BITS
        power = sql.call("fade_power", sql.minus(at_place, sql.integer(low)))
        is_here = sql.both(
            sql.compare(">=", at_place, sql.integer(low)),
            sql.compare("<", at_place, sql.integer(low + _DIGIT_BITS)),
        )
        here = sql.case(
            (is_here, sql.times(sql.column("weighed", "p"), power)), otherwise=sql.integer(0)
        )
        digits = digits.select(sql.named(exp.Sum(this=here), f"d{digit}"))
    for digit in range(_DIGITS - 1):
        digits = _carried_up(digits, digit, keys)
    return digits


def _carried_up(digits: exp.Select, digit: int, keys: Sequence[str]) -> exp.Select:
    base = sql.integer(1 << _DIGIT_BITS)
    value = sql.column(f"d{digit}", "c")
    rest = sql.call("floor_rest", value, base)
    carry = exp.IntDiv(this=sql.minus(value, rest), expression=base)
    found = _of(digits, "c", keys)
    for one in range(_DIGITS):
        column = sql.column(f"d{one}", "c")
        shown = {digit: rest, digit + 1: sql.plus(column, carry)}.get(one, column)
        found = found.select(sql.named(shown, f"d{one}"))
    return found


def _heaviest(weighed: exp.Select, digits: int, frame: Frame) -> exp.Select:
    columns = [sql.column(f"d{digit}", "r") for digit in reversed(range(digits))]
    zero = sql.integer(0)
    lower = [sql.compare(">", one, zero) for one in columns[1:]]
    is_more = sql.compare(">", columns[0], zero)
    if lower:
        is_more = sql.either(
            is_more, sql.both(sql.compare("=", columns[0], zero), sql.either(*lower))
        )
    text = sql.column("text", "r")
    order = [*((one, True) for one in columns), (text, False)]
    ranked = _of(weighed, "r", frame.keys).select(
        text, sql.named(sql.rank_of(_columns("r", frame.keys), *order), "rank")
    )
    found = _of(ranked.where(is_more), "t", frame.keys).select(sql.column("text", "t"))
    return found.where(sql.compare("=", sql.column("rank", "t"), sql.integer(1)))


def _columns(table: str, names: Sequence[str]) -> list[Sql]:
    return [sql.column(name, table) for name in names]


def _of(rows: exp.Query, name: str, columns: Sequence[str]) -> exp.Select:
    return sql.select(*_columns(name, columns)).from_(rows.subquery(name))
