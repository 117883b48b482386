"""A value of the language in SQL: one column for each type, of which at most one is not null.

A value's type is known at run time only (a property may hold 5 or '5'), a column's beforehand. So
each construct is written once for each type that it takes, and what is of another type is null.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from tailorbird.language.values import Lapse, Moment, Value
from tailorbird.language.warehouse import sql
from tailorbird.language.warehouse.sql import Sql

NAMES = ("number", "text", "truth", "moment", "lapse", "items")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """Columns of one value; None where it is never of that type.

    `number` is DECIMAL(38, 9), `moment` and `lapse` are BIGINT microseconds, `items` is a JSON
    list.
    """

    number: Sql | None = None
    text: Sql | None = None
    truth: Sql | None = None
    moment: Sql | None = None
    lapse: Sql | None = None
    items: Sql | None = None

    def there(self) -> dict[str, Sql]:
        """Return the columns that there are, by name."""
        return {name: one for name in NAMES if (one := getattr(self, name)) is not None}

    def is_there(self) -> Sql:
        """Ask whether the value is not missing."""
        return sql.either(*map(sql.is_there, self.there().values()))

    def holds(self) -> Sql:
        """Ask whether the value is true; never null."""
        return sql.own(sql.FALSE) if self.truth is None else sql.surely(self.truth)

    def key(self) -> Sql:
        """Return a text that is equal for equal numbers, texts and truths only."""
        parts = (self.number, self.text, self.truth)
        return sql.call("key_of", *(sql.NULL if one is None else one for one in parts))


MISSING = Facets()


def of_json(value: Sql) -> Facets:
    """Read a JSON value."""
    return Facets(
        number=sql.call("number", value),
        text=sql.call("text", value),
        truth=sql.call("truth", value),
        items=sql.call("items", value),
    )


def constant(value: Value) -> Facets:
    """Write a constant; lists are not."""
    match value:
        case None | tuple():
            return MISSING
        case bool():
            return Facets(truth=(sql.TRUE if value else sql.FALSE).copy())
        case str():
            return Facets(text=sql.text(value))
        case Moment():
            return Facets(moment=sql.integer(value))
        case Lapse():
            return Facets(lapse=sql.integer(value))
    return Facets(number=sql.number(value))


def first_there(values: list[Facets]) -> Facets:
    """Return the first value that is not missing."""
    found = {}
    for name in NAMES:
        branches = [
            (one.is_there(), one.there().get(name, sql.NULL)) for one in values if one.there()
        ]
        if any(value != sql.NULL for _, value in branches):
            found[name] = sql.case(*branches)
    return Facets(**found)


def compared(op: str, left: Facets, right: Facets) -> Sql:
    """Compare two values of one type; false for anything else, never null."""
    parts = []
    for name, one in left.there().items():
        other = right.there().get(name)
        if other is None or name == "items" or (name == "truth" and op not in ("=", "!=")):
            continue
        compare = sql.compare_texts if name == "text" else sql.compare
        if name == "number":
            one, other = _as_compared(one, other), _as_compared(other, one)
        parts.append(sql.surely(compare(op, one, other)))
    return sql.either(*parts)


def _as_compared(value: Sql, other: Sql) -> Sql:
    """Leave a column in the type that it has, where it is compared with a whole number."""
    if sql.is_whole(other) and isinstance(value, exp.Cast) and value.to == sql.NUMBER:
        found: Sql = value.this
        return found
    return value


def negative(value: Facets) -> Facets:
    """Return the value with the other sign."""
    found = {
        name: sql.minus_sign(one)
        for name, one in value.there().items()
        if name in ("number", "lapse")
    }
    return Facets(**found)


def _called(name: str) -> Callable[[Sql, Sql], Sql]:
    return lambda left, right: sql.call(name, left, right)


def _turned(name: str) -> Callable[[Sql, Sql], Sql]:
    return lambda left, right: sql.call(name, right, left)


def _numbers(join: Callable[[Sql, Sql], Sql]) -> Callable[[Sql, Sql], Sql]:
    return lambda left, right: join(sql.as_number(left), sql.as_number(right))


# What can be joined: operator, types of both sides and of the result, and how.
_ARITHMETIC: dict[str, tuple[tuple[str, str, str, Callable[[Sql, Sql], Sql]], ...]] = {
    "+": (
        ("number", "number", "number", _numbers(sql.plus)),
        ("lapse", "lapse", "lapse", sql.plus),
        ("moment", "lapse", "moment", sql.plus),
        ("lapse", "moment", "moment", sql.plus),
    ),
    "-": (
        ("number", "number", "number", _numbers(sql.minus)),
        ("lapse", "lapse", "lapse", sql.minus),
        ("moment", "lapse", "moment", sql.minus),
        ("moment", "moment", "lapse", sql.minus),
    ),
    "*": (
        ("number", "number", "number", _called("times")),
        ("lapse", "number", "lapse", _called("lapse_times")),
        ("number", "lapse", "lapse", _turned("lapse_times")),
    ),
    "/": (
        ("number", "number", "number", _called("over")),
        ("lapse", "lapse", "number", _called("lapse_ratio")),
        ("lapse", "number", "lapse", _called("lapse_over")),
    ),
}


def joined(op: str, left: Facets, right: Facets) -> Facets:
    """Add, subtract, multiply or divide; missing where the types do not go together."""
    ones, others = left.there(), right.there()
    found: dict[str, list[Sql]] = {}
    for one, other, result, join in _ARITHMETIC[op]:
        if one in ones and other in others:
            found.setdefault(result, []).append(join(ones[one], others[other]))
    return Facets(**{name: sql.either_value(*ways) for name, ways in found.items()})
