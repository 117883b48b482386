"""How far imports have come, and which messages imports have brought: for as long as the log."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

import msgspec


class ImportProgress(msgspec.Struct, frozen=True, kw_only=True):
    """One import. `counts` are of all its runs: new, known, left out, refused rows.

    `at` is the log's instant (microseconds UTC) of the last chunk.
    """

    key: str
    name: str
    rows: int = 0
    counts: dict[str, int] = {}
    at: int = 0
    is_finished: bool = False


class ImportStore(Protocol):
    """One importer at a time. Keys are deduplication keys as the log has them."""

    def progress(self, key: str) -> ImportProgress | None:
        """Return how far an import has come."""
        ...

    def known(self, keys: Collection[int]) -> set[int]:
        """Return those of some keys that an import has brought."""
        ...

    def commit(self, progress: ImportProgress, keys: Iterable[int]) -> None:
        """Note what was brought and how far it has come, in one transaction."""
        ...
