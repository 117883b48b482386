"""What one engine reads otherwise than DuckDB: how its tree, its functions and its settings differ.

A query calls functions named `tb_...` wherever engines differ in more than spelling: JSON, time
zones, months, half-even rounding, texts. Each engine has these functions written in its own words
in `preludes/DIALECT.sql`; the rest of a query sqlglot spells, after a few rewrites of its tree.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple

from sqlglot import exp

from tailorbird.language.warehouse.errors import WarehouseError

# Names of functions that each engine has in its own words begin so.
PREFIX = "tb_"
# Changes one node of a finished tree, or returns it as it is.
Rewrite = Callable[[exp.Expr], exp.Expr]


class Columns(NamedTuple):
    """Types of the columns that queries read."""

    stamp: str
    whole: str
    json: str
    decimal: str
    text: str
    truth: str


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One engine: its name as its makers write it, sqlglot's name of it, and what it overrides.

    `limits` are sentences about what it answers otherwise than the oracle, or refuses while asked.
    `ending` stands behind each query; `session` are the statements that a session begins with,
    where functions are written out in each query and there is no prelude.
    """

    name: str
    dialect: str
    columns: Columns
    rewrites: tuple[Rewrite, ...] = ()
    limits: tuple[str, ...] = ()
    ending: str = ""
    session: str | None = None

    def write(self, select: exp.Query) -> str:
        """Write a query in the engine's words.

        Raises:
            WarehouseError: the query needs what the engine does not have.
        """
        is_changed_by_writing = self._looked_through(select)
        tree: exp.Expr = select
        for rewrite in self.rewrites:
            tree = tree.transform(rewrite, copy=tree is select)
        # A copy takes as long as the writing itself.
        copy = is_changed_by_writing and tree is select
        return tree.sql(dialect=self.dialect, normalize_functions=False, copy=copy) + self.ending

    def _looked_through(self, select: exp.Query) -> bool:
        """Refuse what the engine lacks; tell whether sqlglot turns the tree as it writes it."""
        known = _functions_of(self.dialect)
        is_changed = False
        for node in select.walk():
            if isinstance(node, exp.Unnest):
                is_changed = True
            elif isinstance(node, exp.Anonymous):
                name = str(node.this)
                if name.startswith(PREFIX) and name not in known:
                    raise WarehouseError(
                        f"{self.name} is not asked this: it has no {name.removeprefix(PREFIX)};"
                        " ask another engine, or leave that part of the expression out"
                    )
        return is_changed

    def prelude(self) -> str:
        """Return the statements that define, once a session, what queries call."""
        return read_prelude(self.dialect) if self.session is None else self.session


def read_prelude(dialect: str) -> str:
    """Return the functions of an engine, in its own words."""
    folder = resources.files("tailorbird.language.warehouse") / "preludes"
    return (folder / f"{dialect}.sql").read_text(encoding="utf-8")


@cache
def _functions_of(dialect: str) -> frozenset[str]:
    return frozenset(
        re.findall(rf"(?:FUNCTION|MACRO) (?:pg_temp\.)?({PREFIX}\w+)", read_prelude(dialect))
    )
