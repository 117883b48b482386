"""What one engine reads otherwise than DuckDB: how it spells nodes, its functions and its settings.

A query calls functions named `tb_...` wherever engines differ in more than spelling: JSON, time
zones, months, half-even rounding, texts. Each engine has these functions written in its own words
in `preludes/DIALECT.sql`; the rest of a query sqlglot spells, but for a few nodes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, NamedTuple, Protocol

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.generator import Generator

from tailorbird.language.warehouse.errors import WarehouseError

# Names of functions that each engine has in its own words begin so.
PREFIX = "tb_"
# Writes a node with the generator that writes its parts. A node is of the class it is given for.
Spelling = Callable[[Generator, Any], str]


class Columns(NamedTuple):
    """Types of the columns that queries read."""

    stamp: str
    whole: str
    json: str
    decimal: str
    text: str
    truth: str


def as_called(generator: Generator, node: exp.Anonymous) -> str:
    """Write a call as it stands."""
    return generator.func(node.name, *node.expressions, normalize=False)


def unnested(items: str, *, has_place: bool) -> str:
    """Join the items of a list as `i.item`, and their places as `i.pos` where asked."""
    if has_place:
        return f"CROSS JOIN UNNEST({items}) WITH ORDINALITY AS i(item, pos)"
    return f"CROSS JOIN UNNEST({items}) AS i(item)"


class JoinedList(Protocol):
    """Writes the join of a list that is written already."""

    def __call__(self, items: str, *, has_place: bool) -> str:
        """Give the items the names that `unnested` gives them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Engine:
    """One engine: its name as its makers write it, sqlglot's name of it, and what it overrides.

    `spelling` writes nodes of some classes, `call` those that call a function of the prelude,
    `joined_list` the join of a list's items. `limits` are sentences about what the engine answers
    otherwise than the oracle, or refuses while asked. `ending` stands behind each query; `session`
    are the statements that a session begins with, where functions are written out in each query and
    there is no prelude.
    """

    name: str
    dialect: str
    columns: Columns
    spelling: Mapping[type[exp.Expr], Spelling] = field(default_factory=dict)
    call: Spelling = as_called
    joined_list: JoinedList = unnested
    limits: tuple[str, ...] = ()
    ending: str = ""
    session: str | None = None

    def write(self, select: exp.Query) -> str:
        """Write a query in the engine's words; the tree stays as it is.

        Raises:
            WarehouseError: the query needs what the engine does not have.
        """
        return generator_of(self).generate(select, copy=False) + self.ending

    def prelude(self) -> str:
        """Return the statements that define, once a session, what queries call."""
        return read_prelude(self.dialect) if self.session is None else self.session


def generator_of(engine: Engine) -> Generator:
    """Return what writes trees in an engine's words."""
    return _generator_class(engine)(dialect=engine.dialect, normalize_functions=False)


def read_prelude(dialect: str) -> str:
    """Return the functions of an engine, in its own words."""
    folder = resources.files("tailorbird.language.warehouse") / "preludes"
    return (folder / f"{dialect}.sql").read_text(encoding="utf-8")


@cache
def _generator_class(engine: Engine) -> type[Generator]:
    """Make sqlglot's generator of a dialect one that spells as the engine wants it."""
    base = Dialect.get_or_raise(engine.dialect).generator_class
    known = functions_of(engine.dialect)

    def call(generator: Generator, node: exp.Anonymous) -> str:
        if node.name.startswith(PREFIX) and node.name not in known:
            raise WarehouseError(
                f"{engine.name} is not asked this: it has no {node.name.removeprefix(PREFIX)};"
                " ask another engine, or leave that part of the expression out"
            )
        return engine.call(generator, node)

    def join(generator: Generator, node: exp.Join) -> str:
        # Sqlglot's own way turns the tree of a list as it writes it.
        if not isinstance(node.this, exp.Unnest):
            return generator.join_sql(node)
        items = generator.sql(node.this.expressions[0])
        return " " + engine.joined_list(items, has_place=bool(node.this.args.get("offset")))

    # A dialect searches all that lies below each SELECT for what it turns, and trees have nothing
    # of that: for three engines this took longer than all else.
    own: dict[type[exp.Expr], Spelling] = {
        exp.Anonymous: call,
        exp.Join: join,
        exp.Select: base.select_sql,
    }
    return spelling_as(base, {**own, **engine.spelling})


def spelling_as(
    base: type[Generator], spelling: Mapping[type[exp.Expr], Spelling]
) -> type[Generator]:
    """Return a generator that spells nodes of some classes in its own way."""
    return type(base.__name__, (base,), {"TRANSFORMS": {**base.TRANSFORMS, **spelling}})


@cache
def functions_of(dialect: str) -> frozenset[str]:
    """Return the names of the functions that an engine's prelude has."""
    return frozenset(
        re.findall(rf"(?:FUNCTION|MACRO) (?:pg_temp\.)?({PREFIX}\w+)", read_prelude(dialect))
    )
