"""Small words to build SQL trees with. Every part is copied, so that a tree may be used twice."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from tailorbird.base.numbers import PLACES, SCALE

Sql = exp.Expr
# Marks in a tree's `meta` that texts are compared in order here.
TEXT_ORDER = "text order"
NUMBER = exp.DataType.build("DECIMAL(38, 9)")
_COMPARISONS: dict[str, type[exp.Binary]] = {
    "=": exp.EQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}

TRUE = exp.true()
FALSE = exp.false()
NULL = exp.null()


def call(name: str, *arguments: Sql) -> Sql:
    """Call a function of the prelude."""
    return exp.Anonymous(this=f"tb_{name}", expressions=[one.copy() for one in arguments])


def column(name: str, table: str = "") -> Sql:
    """Name a column."""
    return exp.column(name, table=table or None, quoted=False)


def text(value: str) -> Sql:
    """Write a constant text."""
    return exp.Literal.string(value)


def integer(value: int) -> Sql:
    """Write a constant whole number."""
    return exp.Literal.number(value) if value >= 0 else exp.Neg(this=exp.Literal.number(-value))


def number(scaled: int) -> Sql:
    """Write a constant of the language's decimals."""
    whole, rest = divmod(abs(scaled), SCALE)
    digits = f"{whole}.{rest:0{PLACES}d}".rstrip("0").rstrip(".")
    literal = exp.Literal.number(digits)
    return literal if scaled >= 0 else exp.Neg(this=literal)


def as_number(value: Sql) -> Sql:
    """Give a value the type of the language's decimals."""
    return exp.Cast(this=value.copy(), to=NUMBER.copy())


def compare(op: str, left: Sql, right: Sql) -> Sql:
    """Compare; null where a side is null."""
    return _COMPARISONS[op](this=left.copy(), expression=right.copy())


def compare_texts(op: str, left: Sql, right: Sql) -> Sql:
    """Compare by code point; an engine that sorts by locale finds the mark."""
    found = compare(op, left, right)
    if op not in ("=", "!="):
        found.meta[TEXT_ORDER] = True
    return found


def both(*parts: Sql) -> Sql:
    """Join conditions by `and`."""
    found = [part for part in parts if part != TRUE]
    return exp.and_(*found) if found else TRUE.copy()


def either(*parts: Sql) -> Sql:
    """Join conditions by `or`."""
    return exp.or_(*parts) if parts else FALSE.copy()


def negated(part: Sql) -> Sql:
    """Negate a condition that is never null."""
    return exp.not_(part)


def surely(part: Sql) -> Sql:
    """Make a condition false where it is null."""
    return either_value(part, FALSE)


def either_value(*values: Sql) -> Sql:
    """Return the first value that is not null."""
    first, *others = (one.copy() for one in values)
    return exp.Coalesce(this=first, expressions=others) if others else first


def is_null(value: Sql) -> Sql:
    """Ask whether a value is null."""
    return exp.Is(this=value.copy(), expression=NULL.copy())


def is_there(value: Sql) -> Sql:
    """Ask whether a value is not null."""
    return exp.Not(this=is_null(value))


def case(*branches: tuple[Sql, Sql], otherwise: Sql | None = None) -> Sql:
    """Return the value of the first condition that holds."""
    found = exp.Case()
    for condition, value in branches:
        found = found.when(condition.copy(), value.copy(), copy=False)
    return found if otherwise is None else found.else_(otherwise.copy(), copy=False)


def plus(left: Sql, right: Sql) -> Sql:
    """Add."""
    return exp.Paren(this=exp.Add(this=left.copy(), expression=right.copy()))


def minus(left: Sql, right: Sql) -> Sql:
    """Subtract."""
    return exp.Paren(this=exp.Sub(this=left.copy(), expression=exp.paren(right)))


def minus_sign(value: Sql) -> Sql:
    """Change the sign."""
    return exp.Neg(this=exp.paren(value))


def times(left: Sql, right: Sql) -> Sql:
    """Multiply exactly: whole numbers, or a decimal with a whole number."""
    return exp.Mul(this=exp.paren(left), expression=exp.paren(right))


def rank_of(partition: Iterable[Sql], *order: tuple[Sql, bool]) -> Sql:
    """Number the rows of each partition; an order is (value, whether it falls)."""
    ordered = [
        exp.Ordered(this=value.copy(), desc=falls, nulls_first=False) for value, falls in order
    ]
    return exp.Window(
        this=exp.RowNumber(),
        partition_by=[one.copy() for one in partition],
        order=exp.Order(expressions=ordered),
    )


def named(value: Sql, name: str) -> Sql:
    """Give a column of a result its name."""
    return exp.alias_(value, name, quoted=False)
