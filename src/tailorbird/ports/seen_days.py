"""Which messages came on earlier days: their deduplication keys, a day at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Protocol


class SeenDays(Protocol):
    """Days are whole days since 1970 in UTC, by the log's time. Derived from the log."""

    def days(self) -> set[int]:
        """Return the days that are stored."""
        ...

    def store(self, day: int, keys: Iterable[int]) -> None:
        """Store the keys (63 bits each, rising) of a day that is over, over what was stored."""
        ...

    def holds(self, day: int, key: int) -> bool:
        """Say whether a key came on a day; False for a day that is not stored."""
        ...

    def forget(self, before: int) -> None:
        """Remove the days before one."""
        ...

    def keep(self, pieces: Iterable[array[int]]) -> Sequence[int]:
        """Keep rising keys outside of memory as long as what is given back is in use.

        Raises:
            OSError: the disk is full.
        """
        ...
