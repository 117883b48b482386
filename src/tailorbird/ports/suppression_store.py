"""Who must not get mail, by address hash and topic; the log's writer owns it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec


class SuppressionChange(msgspec.Struct, frozen=True, array_like=True):
    """An address hash (`delivery.suppression.address_hash`) and a topic ("*" is everything).

    `reason` is unsubscribed, bounced, complained or manual; `is_suppressed` False lifts it.
    """

    address_hash: int
    topic: str
    is_suppressed: bool
    reason: str
    at: int


class SuppressionStore(Protocol):
    """Read last before every hand-over; an unsubscribe never waits for an engine."""

    def apply(self, changes: Iterable[SuppressionChange], offset: int) -> None:
        """Store changes (the later `at` wins) and the log offset reached, in one transaction."""
        ...

    def reason(self, address_hash: int, topic: str) -> str | None:
        """Return why mail of this topic to this address is suppressed, or None."""
        ...

    def topics(self, address_hash: int) -> list[tuple[str, str, int]]:
        """Return (topic, reason, at) of what is suppressed for an address."""
        ...

    def forget(self, address_hashes: Iterable[int]) -> None:
        """Remove all that is kept of addresses; of an erased one the salted hash stays."""
        ...

    def offset(self) -> int:
        """Return the log offset up to which changes have been taken over."""
        ...
