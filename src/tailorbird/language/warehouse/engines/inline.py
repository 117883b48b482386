"""Writes the functions of a prelude out where they are called, for engines that limit functions.

An argument that a function reads several times is bound once, as the one item of a list that a
lambda maps: else queries would double in size with each call.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import count

import sqlglot
from sqlglot import exp

from tailorbird.language.warehouse.engines.engine import PREFIX, Rewrite, read_prelude


@dataclass(frozen=True, slots=True)
class _Function:
    parameters: tuple[tuple[str, exp.DataType], ...]
    result: exp.DataType
    body: exp.Expr


def inlining(dialect: str) -> Rewrite:
    """Return the rewrite that puts bodies in place of calls; it takes a whole tree."""

    def rewrite(node: exp.Expr) -> exp.Expr:
        if node.parent is not None:
            return node
        return _Inliner(_functions(dialect)).written_out(node)

    return rewrite


@cache
def _functions(dialect: str) -> dict[str, _Function]:
    found = {}
    for one in sqlglot.parse(read_prelude(dialect), dialect=dialect):
        assert isinstance(one, exp.Create)
        returns = one.find(exp.ReturnsProperty)
        assert returns is not None
        parameters = tuple((part.name, part.args["kind"]) for part in one.this.expressions)
        body = one.expression.this
        body.pop_comments()
        found[one.this.this.name] = _Function(parameters, returns.this, body)
    return found


class _Inliner:
    def __init__(self, functions: dict[str, _Function]) -> None:
        self._functions = functions
        self._numbers = count(1)

    def written_out(self, node: exp.Expr) -> exp.Expr:
        """Put bodies in place of calls, from the innermost outwards."""
        calls = [
            one
            for one in node.find_all(exp.Anonymous, bfs=False)
            if str(one.this).startswith(PREFIX)
        ]
        for one in reversed(calls):
            body = self._body(one)
            if one is node:
                return body
            one.replace(body)
        return node

    def _body(self, call: exp.Anonymous) -> exp.Expr:
        function = self._functions[str(call.this)]
        body = self._renamed(self.written_out(function.body.copy()))
        bound: list[tuple[str, exp.Expr]] = []
        for (name, kind), given in zip(function.parameters, call.expressions, strict=True):
            uses = [one for one in body.find_all(exp.Column) if one.name == name and not one.table]
            value = _typed(given, kind)
            if not isinstance(given, (exp.Column, exp.Literal, exp.Identifier)) and len(uses) > 1:
                variable = f"v{next(self._numbers)}"
                bound.append((variable, value))
                value = exp.to_identifier(variable)
            for use in uses:
                if use is body:
                    body = value.copy()
                else:
                    use.replace(value.copy())
        found = _typed(body, function.result)
        for variable, value in reversed(bound):
            one = exp.Array(expressions=[value])
            maps = exp.Lambda(this=found, expressions=[exp.to_identifier(variable)])
            mapped = exp.Transform(this=one, expression=maps)
            found = exp.Bracket(this=mapped, expressions=[exp.Literal.number(0)])
        return found

    def _renamed(self, body: exp.Expr) -> exp.Expr:
        """Give each lambda's variables names of their own."""
        for one in list(body.find_all(exp.Lambda)):
            for variable in one.expressions:
                old, new = variable.name, f"v{next(self._numbers)}"
                for use in list(one.find_all(exp.Identifier)):
                    if use.name == old and not isinstance(use.parent, exp.Column):
                        use.set("this", new)
        return body


def _typed(value: exp.Expr, kind: exp.DataType) -> exp.Expr:
    # What a function's declaration does: a constant, or a null, is of the wanted type.
    if kind.is_type("VARIANT", "ARRAY", "TEXT", "BOOLEAN") and value != exp.null():
        return exp.paren(value.copy()) if isinstance(value, exp.Binary) else value.copy()
    return exp.Cast(this=value.copy(), to=kind.copy())
