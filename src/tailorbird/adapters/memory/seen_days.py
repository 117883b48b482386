"""Deduplication keys of earlier days in sets."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence


class MemorySeenDays:
    """`ports.seen_days.SeenDays` as long as the process."""

    def __init__(self) -> None:
        self._keys: dict[int, frozenset[int]] = {}

    def days(self) -> set[int]:
        """Return the days that are stored."""
        return set(self._keys)

    def store(self, day: int, keys: Iterable[int]) -> None:
        """Store the keys of a day."""
        self._keys[day] = frozenset(keys)

    def holds(self, day: int, key: int) -> bool:
        """Say whether a key came on a day."""
        return key in self._keys.get(day, ())

    def forget(self, before: int) -> None:
        """Remove the days before one."""
        self._keys = {day: keys for day, keys in self._keys.items() if day >= before}

    def keep(self, pieces: Iterable[array[int]]) -> Sequence[int]:
        """Keep keys in one array."""
        return array("q", b"".join(map(bytes, pieces)))
