"""Small words to build SQL trees with.

A part that lies in a tree already is copied, so that it may be used twice; one that does not is
taken as it is, for copies of copies were half of what compiling took.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from sqlglot import exp

from tailorbird.base.numbers import PLACES, SCALE

Sql = exp.Expr
_Part = TypeVar("_Part", bound=exp.Expr)
# Marks in a tree's `meta` that texts are compared in order here.
TEXT_ORDER = "text order"
_COMPARISONS: dict[str, type[exp.Binary]] = {
    "=": exp.EQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}


def constant(value: _Part) -> _Part:
    """Return a part that any number of trees may take: it lies in a tree of its own."""
    exp.Tuple(expressions=[value])
    return value


TRUE, FALSE, NULL = (constant(one()) for one in (exp.true, exp.false, exp.null))
NUMBER = constant(exp.DataType.build("DECIMAL(38, 9)"))
STAMP = constant(exp.DataType.build("TIMESTAMP"))
BIGINT = constant(exp.DataType.build("BIGINT"))


def own(value: _Part) -> _Part:
    """Return a part that lies in no tree yet."""
    return value if value.parent is None else value.copy()


def select(*columns: Sql) -> exp.Select:
    """Begin a query."""
    return exp.Select(expressions=list(map(own, columns)))


def table(name: str, alias: str = "") -> exp.Table:
    """Name a table."""
    found = exp.Table(this=exp.Identifier(this=name))
    if alias:
        found.set("alias", exp.TableAlias(this=exp.Identifier(this=alias)))
    return found


def with_tables(query: exp.Select, tables: Mapping[str, exp.Query]) -> exp.Select:
    """Put the tables that a query reads before it."""
    named_tables = [
        exp.CTE(this=one, alias=exp.TableAlias(this=exp.Identifier(this=name)))
        for name, one in tables.items()
    ]
    query.set("with_", exp.With(expressions=named_tables) if named_tables else None)
    return query


def left_joined(query: exp.Select, other: Sql, on: Sql) -> exp.Select:
    """Join a table that need not have a row."""
    query.append("joins", exp.Join(this=other, side="LEFT", on=own(on)))
    return query


def cross_joined(query: exp.Select, other: Sql) -> exp.Select:
    """Join each row of a table."""
    query.append("joins", exp.Join(this=other, kind="CROSS"))
    return query


def call(name: str, *arguments: Sql) -> Sql:
    """Call a function of the prelude."""
    return exp.Anonymous(this=f"tb_{name}", expressions=list(map(own, arguments)))


def column(name: str, table: str = "") -> Sql:
    """Name a column."""
    found = exp.Column(this=exp.Identifier(this=name))
    if table:
        found.set("table", exp.Identifier(this=table))
    return found


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


def is_whole(value: Sql) -> bool:
    """Tell a constant whole number."""
    one = value.this if isinstance(value, exp.Neg) else value
    return isinstance(one, exp.Literal) and not one.is_string and "." not in one.name


def as_number(value: Sql) -> Sql:
    """Give a value the type of the language's decimals."""
    return exp.Cast(this=own(value), to=own(NUMBER))


def compare(op: str, left: Sql, right: Sql) -> Sql:
    """Compare; null where a side is null."""
    return _COMPARISONS[op](this=own(left), expression=own(right))


def compare_texts(op: str, left: Sql, right: Sql) -> Sql:
    """Compare by code point; an engine that sorts by locale finds the mark."""
    found = compare(op, left, right)
    if op not in ("=", "!="):
        found.meta[TEXT_ORDER] = True
    return found


def both(*parts: Sql) -> Sql:
    """Join conditions by `and`."""
    found = [part for part in parts if part != TRUE]
    return exp.and_(*map(own, found), copy=False) if found else own(TRUE)


def either(*parts: Sql) -> Sql:
    """Join conditions by `or`."""
    return exp.or_(*map(own, parts), copy=False) if parts else own(FALSE)


def negated(part: Sql) -> Sql:
    """Negate a condition that is never null."""
    return exp.not_(own(part), copy=False)


def surely(part: Sql) -> Sql:
    """Make a condition false where it is null."""
    return either_value(part, FALSE)


def asked_for_truth(part: Sql) -> Sql:
    """Return a condition of `where`, which takes null for false by itself."""
    if isinstance(part, (exp.And, exp.Or)):
        part.set("this", asked_for_truth(part.this))
        part.set("expression", asked_for_truth(part.expression))
    elif isinstance(part, exp.Paren):
        part.set("this", asked_for_truth(part.this))
    elif isinstance(part, exp.Coalesce) and part.expressions == [FALSE]:
        inner = asked_for_truth(part.this)
        return exp.paren(inner, copy=False) if isinstance(inner, exp.Connector) else inner
    return part


def either_value(*values: Sql) -> Sql:
    """Return the first value that is not null."""
    first, *others = map(own, values)
    return exp.Coalesce(this=first, expressions=others) if others else first


def is_null(value: Sql) -> Sql:
    """Ask whether a value is null."""
    return exp.Is(this=own(value), expression=own(NULL))


def is_there(value: Sql) -> Sql:
    """Ask whether a value is not null."""
    return exp.Not(this=is_null(value))


def is_in(name: str, table: str, select: exp.Query) -> Sql:
    """Ask whether a column's value is among those of a query."""
    return exp.In(this=column(name, table), query=select.subquery(copy=False))


def case(*branches: tuple[Sql, Sql], otherwise: Sql | None = None) -> Sql:
    """Return the value of the first condition that holds."""
    found = exp.Case()
    for condition, value in branches:
        found = found.when(own(condition), own(value), copy=False)
    return found if otherwise is None else found.else_(own(otherwise), copy=False)


def plus(left: Sql, right: Sql) -> Sql:
    """Add."""
    return exp.Paren(this=exp.Add(this=own(left), expression=own(right)))


def minus(left: Sql, right: Sql) -> Sql:
    """Subtract."""
    return exp.Paren(this=exp.Sub(this=own(left), expression=exp.paren(own(right), copy=False)))


def minus_sign(value: Sql) -> Sql:
    """Change the sign."""
    return exp.Neg(this=exp.paren(own(value), copy=False))


def times(left: Sql, right: Sql) -> Sql:
    """Multiply exactly: whole numbers, or a decimal with a whole number."""
    return exp.Mul(
        this=exp.paren(own(left), copy=False), expression=exp.paren(own(right), copy=False)
    )


def rank_of(partition: Iterable[Sql], *order: tuple[Sql, bool]) -> Sql:
    """Number the rows of each partition; an order is (value, whether it falls)."""
    return over(exp.RowNumber(), partition, order)


def sum_from_here(value: Sql, partition: Iterable[Sql], *order: tuple[Sql, bool]) -> Sql:
    """Add up a row and those after it; of the first row this is the whole partition."""
    found = over(exp.Sum(this=own(value)), partition, order)
    spec = exp.WindowSpec(kind="ROWS", start="CURRENT ROW", end="UNBOUNDED", end_side="FOLLOWING")
    found.set("spec", spec)
    return found


def over(function: Sql, partition: Iterable[Sql], order: Iterable[tuple[Sql, bool]]) -> exp.Window:
    """Let a function see the other rows of its partition."""
    ordered = [
        exp.Ordered(this=own(value), desc=falls, nulls_first=False) for value, falls in order
    ]
    return exp.Window(
        this=function,
        partition_by=list(map(own, partition)),
        order=exp.Order(expressions=ordered),
    )


def named(value: Sql, name: str) -> Sql:
    """Give a column of a result its name."""
    return exp.Alias(this=own(value), alias=exp.Identifier(this=name))
