"""Suppressions as a dictionary."""

from __future__ import annotations

from collections.abc import Iterable

from tailorbird.ports.suppression_store import SuppressionChange


class MemorySuppressionStore:
    """Who must not get mail, lost with the process."""

    def __init__(self) -> None:
        self._changes: dict[tuple[int, str], SuppressionChange] = {}
        self._offset = 0

    def apply(self, changes: Iterable[SuppressionChange], offset: int) -> None:
        """Store changes; the later one of an address and topic wins."""
        for change in changes:
            known = self._changes.get((change.address_hash, change.topic))
            if known is None or change.at >= known.at:
                self._changes[change.address_hash, change.topic] = change
        self._offset = offset

    def reason(self, address_hash: int, topic: str) -> str | None:
        """Return why this topic is suppressed for this address, or None."""
        for one in ("*", topic):
            change = self._changes.get((address_hash, one))
            if change is not None and change.is_suppressed:
                return change.reason
        return None

    def topics(self, address_hash: int) -> list[tuple[str, str, int]]:
        """Return (topic, reason, at) of what is suppressed for an address."""
        return sorted(
            (one.topic, one.reason, one.at)
            for one in self._changes.values()
            if one.address_hash == address_hash and one.is_suppressed
        )

    def forget(self, address_hashes: Iterable[int]) -> None:
        """Remove all that is kept of addresses."""
        gone = set(address_hashes)
        for key in [key for key in self._changes if key[0] in gone]:
            del self._changes[key]

    def offset(self) -> int:
        """Return the log offset reached."""
        return self._offset
