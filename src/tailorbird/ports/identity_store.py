"""Identifiers and their profiles; owned by the log's writer, derived from the log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class IdentityStore(Protocol):
    """Maps (kind, value) to profile ids. Kinds: user_id, anonymous_id, email, phone, device, ..."""

    def find(self, kind: str, value: str) -> int | None:
        """Return the profile that an identifier points at, redirects followed."""
        ...

    def identifiers(self, profile_id: int) -> list[tuple[str, str]]:
        """Return the identifiers that point at a profile."""
        ...

    def apply(
        self,
        links: Iterable[tuple[str, str, int, int]],
        merges: Iterable[tuple[int, int]],
        offset: int,
    ) -> None:
        """Take over what `link` and `merge_in` records say, and the log offset reached.

        Args:
            links: (kind, value, profile id, offset of the record), later ones win.
            merges: (loser, winner).
            offset: Offset of the last record looked at.
        """
        ...

    def resolve(self, profile_id: int) -> int:
        """Follow redirects of merged profiles to the surviving id."""
        ...

    def known_since(self, profile_id: int) -> int | None:
        """Return the offset of the profile's first link, None for an unknown id."""
        ...

    def has_user(self, profile_id: int) -> bool:
        """Say whether a user id points at the profile."""
        ...

    def offset(self) -> int:
        """Return the log offset up to which links have been taken over."""
        ...
