"""Writes the functions of a prelude out where they are called, for engines that limit functions.

Each function becomes text once, with holes for its arguments. An argument that a function reads
several times is bound, as the one item of a list that a lambda maps: else queries would double in
size with each call.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.generator import Generator

from tailorbird.language.warehouse.engines.engine import (
    PREFIX,
    Spelling,
    read_prelude,
    spelling_as,
)
from tailorbird.language.warehouse.sql import NULL

# Where the argument of that number goes in a function's text.
_HOLE = re.compile("\0([0-9]+)\0")
# Types that a value has by itself, where it is not null.
_BARE = ("VARIANT", "ARRAY", "TEXT", "BOOLEAN")


@dataclass(frozen=True, slots=True)
class _Parameter:
    """What is given is cast to `kind`, if any; `variable` binds what is read several times."""

    kind: str
    is_bare: bool
    is_read_again: bool
    variable: str


@dataclass(frozen=True, slots=True)
class _Function:
    """A body in pieces: text and, at odd places, the number of a parameter."""

    parameters: tuple[_Parameter, ...]
    pieces: tuple[str, ...]

    def called(self, values: Sequence[str]) -> str:
        pieces = list(self.pieces)
        for at in range(1, len(pieces), 2):
            pieces[at] = values[int(pieces[at])]
        return "".join(pieces)


def inlining(dialect: str) -> Spelling:
    """Return what writes a call as the body of its function."""
    return lambda generator, call: _functions(dialect).written(generator, call)


def _typed(text: str, value: exp.Expr, parameter: _Parameter) -> str:
    # What a function's declaration does: a constant, or a null, is of the wanted type.
    if parameter.is_bare and value != NULL:
        return f"({text})" if isinstance(value, exp.Binary) else text
    return f"CAST({text} AS {parameter.kind})"


@cache
def _functions(dialect: str) -> _Functions:
    functions = _Functions(dialect)
    functions.make()
    return functions


class _Functions:
    """The functions of a prelude by name.

    No two of them have a variable of one name, and none calls itself: so what is written into a
    lambda never reads a variable of a lambda further out by mistake.
    """

    def __init__(self, dialect: str) -> None:
        base = Dialect.get_or_raise(dialect).generator_class
        written_out = spelling_as(base, {exp.Anonymous: self.written})
        self.made: dict[str, _Function] = {}
        self._dialect = dialect
        self._generator = written_out(dialect=dialect, normalize_functions=False)
        self._numbers = count(1)

    def make(self) -> None:
        """Make the functions in their order; each calls only what stands before it."""
        for one in sqlglot.parse(read_prelude(self._dialect), dialect=self._dialect):
            assert isinstance(one, exp.Create)
            self.made[one.this.this.name] = self._make(one)

    def written(self, generator: Generator, call: exp.Anonymous) -> str:
        """Write a call as the body of its function."""
        if not call.name.startswith(PREFIX):
            return generator.anonymous_sql(call)
        function = self.made[call.name]
        values, bound = [], []
        for parameter, given in zip(function.parameters, call.expressions, strict=True):
            value = _typed(generator.sql(given), given, parameter)
            is_short = isinstance(given, (exp.Column, exp.Literal, exp.Identifier))
            if parameter.is_read_again and not is_short:
                bound.append((parameter.variable, value))
                value = parameter.variable
            values.append(value)
        found = function.called(values)
        for variable, value in reversed(bound):
            found = f"TRANSFORM(ARRAY({value}), {variable} -> {found})[0]"
        return found

    def _make(self, declared: exp.Create) -> _Function:
        body = declared.expression.this
        body.pop_comments()
        self._rename(body)
        kinds = {one.name: one.args["kind"] for one in declared.this.expressions}
        for number, name in enumerate(kinds):
            for use in list(body.find_all(exp.Column)):
                if use.name == name and not use.table:
                    use.set("this", exp.Identifier(this=f"\0{number}\0"))
        returns = declared.find(exp.ReturnsProperty)
        assert returns is not None
        text = _typed(self._generator.sql(body), body, self._parameter(returns.this))
        pieces = tuple(_HOLE.split(text))
        uses = pieces[1::2]
        return _Function(
            tuple(
                self._parameter(kind, is_read_again=uses.count(str(number)) > 1)
                for number, kind in enumerate(kinds.values())
            ),
            pieces,
        )

    def _parameter(self, kind: exp.DataType, *, is_read_again: bool = False) -> _Parameter:
        variable = f"v{next(self._numbers)}" if is_read_again else ""
        return _Parameter(self._generator.sql(kind), kind.is_type(*_BARE), is_read_again, variable)

    def _rename(self, body: exp.Expr) -> None:
        """Give each lambda's variables names of their own."""
        for one in list(body.find_all(exp.Lambda)):
            for variable in one.expressions:
                old, new = variable.name, f"v{next(self._numbers)}"
                for use in list(one.find_all(exp.Identifier)):
                    if use.name == old and not isinstance(use.parent, exp.Column):
                        use.set("this", new)
