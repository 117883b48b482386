"""Rows of somewhere else that are to be imported: a file, or the answer of a database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `number` is its line in a text file, its place otherwise; both count from 1.

    `fault` says why it is no row; then `values` is empty and `raw` holds what was read.
    """

    number: int
    values: dict[str, Any] = field(default_factory=dict)
    fault: str = ""
    raw: bytes = b""


class Table(Protocol):
    """What holds rows; may be read again from the beginning."""

    @property
    def name(self) -> str:
        """Return the name that people know it by."""
        ...

    @property
    def columns(self) -> Sequence[str]:
        """Return the names of all columns; empty where each row has its own."""
        ...

    @property
    def is_text(self) -> bool:
        """Say whether all values are texts, as in CSV."""
        ...

    @property
    def has_order(self) -> bool:
        """Say whether reading again gives the same rows in the same order."""
        ...

    def fingerprint(self) -> str:
        """Return what changes when the content does, or tells the query."""
        ...

    def rows(self) -> Iterator[Row]:
        """Yield all rows, holding only a few at a time.

        Raises:
            OperationalError: it cannot be read on; rows yielded before stay good.
        """
        ...
