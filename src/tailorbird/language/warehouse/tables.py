"""The tables that a query is made of: some joined to those who are asked, some read by others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot import exp


@dataclass(slots=True)
class Tables:
    """The tables of one query, each once, by name."""

    selects: dict[str, exp.Query] = field(default_factory=dict)
    asked_for: list[str] = field(default_factory=list)
    _names: dict[object, str] = field(default_factory=dict)

    def keep(self, what: object, make: Callable[[], exp.Query]) -> str:
        """Keep a table of people under what it is; return its name."""
        name = self.below(what, make)
        self.asked_for.append(name)
        return name

    def below(self, what: object, make: Callable[[], exp.Query]) -> str:
        """Keep a table that only other tables read; return its name."""
        if what not in self._names:
            # What it reads itself is kept first, so that names are in order of reading.
            select = make()
            self._names[what] = f"h{len(self._names) + 1}"
            self.selects[self._names[what]] = select
        return self._names[what]
