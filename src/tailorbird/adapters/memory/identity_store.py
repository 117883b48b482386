"""Identifiers as a dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class MemoryIdentityStore:
    """Maps identifiers to profiles, lost with the process."""

    def __init__(self) -> None:
        self._identifiers: dict[tuple[str, str], int] = {}
        self._redirects: dict[int, int] = {}
        self._apart: set[tuple[int, int]] = set()
        self._linked_at: dict[tuple[str, str], int] = {}
        self._merged_at: dict[int, int] = {}
        self._since: dict[int, int] = {}
        self._offset = 0

    def find(self, kind: str, value: str) -> int | None:
        """Return the profile that an identifier points at, redirects followed."""
        found = self._identifiers.get((kind, value))
        return None if found is None else self.resolve(found)

    def identifiers(self, profile_id: int) -> list[tuple[str, str]]:
        """Return the identifiers that point at a profile, those of merged ones included."""
        return sorted(
            key for key, found in self._identifiers.items() if self.resolve(found) == profile_id
        )

    def linked(self, kind: str, value: str) -> int | None:
        """Return the profile that an identifier was linked to."""
        return self._identifiers.get((kind, value))

    def own_identifiers(self, profile_id: int) -> list[tuple[str, str]]:
        """Return the identifiers that were linked to this profile itself."""
        return sorted(key for key, found in self._identifiers.items() if found == profile_id)

    def links(self, profile_id: int) -> list[tuple[str, str, int, int]]:
        """Return what points at a profile, with the id and the record that it was linked by."""
        return [
            (*key, self._identifiers[key], self._linked_at[key])
            for key in self.identifiers(profile_id)
        ]

    def merges(self, profile_id: int) -> list[tuple[int, int, int]]:
        """Return all that became part of a profile, in order."""
        found = [
            (loser_id, winner_id, self._merged_at[loser_id])
            for loser_id, winner_id in self._redirects.items()
            if self.resolve(loser_id) == profile_id
        ]
        return sorted(found, key=lambda one: one[2])

    def erase(self, profile_ids: Sequence[int], offset: int) -> None:
        """Forget all of these profiles."""
        gone = set(profile_ids)
        for key in [key for key, found in self._identifiers.items() if found in gone]:
            del self._identifiers[key]
            self._linked_at.pop(key, None)
        for loser_id in [
            one for one, winner in self._redirects.items() if one in gone or winner in gone
        ]:
            del self._redirects[loser_id]
            self._merged_at.pop(loser_id, None)
        for one in gone:
            self._since.pop(one, None)
        self._apart = {pair for pair in self._apart if not gone & set(pair)}
        self._offset = offset

    def apply(
        self,
        links: Iterable[tuple[str, str, int, int]],
        merges: Iterable[tuple[int, int, int]],
        offset: int,
        unmerges: Iterable[tuple[int, int]] = (),
    ) -> None:
        """Take over links, merges and what was undone."""
        for kind, value, profile_id, since in links:
            self._identifiers[kind, value] = profile_id
            self._linked_at[kind, value] = since
            self._since.setdefault(profile_id, since)
        for loser_id, winner_id, at in merges:
            self._redirects[loser_id] = winner_id
            self._merged_at[loser_id] = at
            self._apart = {one for one in self._apart if set(one) != {loser_id, winner_id}}
        for loser_id, winner_id in unmerges:
            self._redirects.pop(loser_id, None)
            self._apart.add((loser_id, winner_id))
        self._offset = offset

    def resolve(self, profile_id: int) -> int:
        """Follow redirects to the surviving id."""
        while profile_id in self._redirects:
            profile_id = self._redirects[profile_id]
        return profile_id

    def are_apart(self, left: int, right: int) -> bool:
        """Say whether a merge of these two was undone."""
        return any(
            {self.resolve(one), self.resolve(two)} == {left, right} for one, two in self._apart
        )

    def known_since(self, profile_id: int) -> int | None:
        """Return the offset of the profile's first link."""
        return self._since.get(profile_id)

    def has_user(self, profile_id: int) -> bool:
        """Say whether a user id points at the profile."""
        return any(kind == "user_id" for kind, _ in self.identifiers(profile_id))

    def offset(self) -> int:
        """Return the log offset reached."""
        return self._offset
