"""Identifiers and their profiles; owned by the log's writer, derived from the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol


class IdentityStore(Protocol):
    """Maps (kind, value) to profile ids. Kinds: user_id, anonymous_id, email, phone, device, ..."""

    def find(self, kind: str, value: str) -> int | None:
        """Return the profile that an identifier points at, redirects followed."""
        ...

    def identifiers(self, profile_id: int) -> list[tuple[str, str]]:
        """Return the identifiers that point at a profile."""
        ...

    def linked(self, kind: str, value: str) -> int | None:
        """Return the profile that an identifier was linked to, no redirects followed."""
        ...

    def own_identifiers(self, profile_id: int) -> list[tuple[str, str]]:
        """Return the identifiers that were linked to this profile itself."""
        ...

    def links(self, profile_id: int) -> list[tuple[str, str, int, int]]:
        """Return (kind, value, profile id, offset of the record) of what points at a profile.

        The profile id is the one that it was linked to, which may have been merged since.
        """
        ...

    def merges(self, profile_id: int) -> list[tuple[int, int, int]]:
        """Return (loser, winner, offset of the record) of all that became part of a profile.

        In the order in which it happened; offset 0 where it is not known.
        """
        ...

    def apply(
        self,
        links: Iterable[tuple[str, str, int, int]],
        merges: Iterable[tuple[int, int, int]],
        offset: int,
        unmerges: Iterable[tuple[int, int]] = (),
    ) -> None:
        """Take over what `link`, `merge_in` and `unmerge` records say, and the log offset reached.

        A merge of two who were set apart makes them one again.

        Args:
            links: (kind, value, profile id, offset of the record), later ones win.
            merges: (loser, winner, offset of the record).
            unmerges: (loser, winner): the loser's identifiers point at it again, and the two are
                apart.
            offset: Offset of the last record looked at.
        """
        ...

    def erase(self, profile_ids: Sequence[int], offset: int) -> None:
        """Forget all of these profiles, and note the log offset reached."""
        ...

    def resolve(self, profile_id: int) -> int:
        """Follow redirects of merged profiles to the surviving id."""
        ...

    def are_apart(self, left: int, right: int) -> bool:
        """Say whether a merge of these two, or of whom they have become, was undone."""
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
