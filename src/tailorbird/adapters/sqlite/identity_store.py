"""Identifiers and their profiles, derived from the log's link and merge records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from tailorbird.adapters.sqlite.connection import connect, connect_reader, scrub, transaction

_MIGRATIONS = Path(__file__).parent / "sql" / "identity"
_REDIRECTS_MAX = 1_000
_PERSON = (
    "WITH RECURSIVE person (id) AS (SELECT ? UNION"
    " SELECT loser_id FROM redirect JOIN person ON winner_id = person.id)"
)
_FIND = (
    "SELECT profile_id, winner_id FROM identifier LEFT JOIN redirect ON loser_id = profile_id"
    " WHERE kind = ? AND value = ?"
)
# About 250 bytes each.
REMEMBERED_MAX = 50_000

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class SqliteIdentityStore:
    """Written by the log's writer alone, right after each commit; others read.

    The writer asks for every event, so it remembers the latest answers; readers would not learn
    of changes and remember nothing.
    """

    def __init__(
        self, path: Path, *, is_writer: bool = False, remembered_max: int = REMEMBERED_MAX
    ) -> None:
        self._is_writer = is_writer
        self._remembered_max = remembered_max
        self._found: Remembered[tuple[str, str], int] = Remembered(remembered_max)
        self._winners: Remembered[int, int] = Remembered(remembered_max)
        if is_writer:
            self._connection = connect(path, synchronous="NORMAL", migrations=_MIGRATIONS)
        else:
            self._connection = connect_reader(path)

    def find(self, kind: str, value: str) -> int | None:
        """Return the profile that an identifier points at, redirects followed."""
        key = (kind, value)
        # Asked for each identifier of each event: what came lately is found without a call.
        known = self._found.latest.get(key) or self._found.get(key)
        if known is None:
            row = self._connection.execute(_FIND, key).fetchone()
            if row is None:
                return None
            known, winner_id = row
            if not self._is_writer:
                return known if winner_id is None else self.resolve(winner_id)
            self._found.put(key, known)
            self._winners.put(known, known if winner_id is None else winner_id)
        # Nearly everybody has become nobody else.
        return known if self._winners.latest.get(known) == known else self.resolve(known)

    def identifiers(self, profile_id: int) -> list[tuple[str, str]]:
        """Return the identifiers that point at a profile, those of merged ones included."""
        rows = self._connection.execute(
            f"{_PERSON} SELECT kind, value FROM identifier"
            " WHERE profile_id IN (SELECT id FROM person)"
            " ORDER BY kind, value",
            (profile_id,),
        )
        return rows.fetchall()

    def linked(self, kind: str, value: str) -> int | None:
        """Return the profile that an identifier was linked to."""
        row = self._connection.execute(
            "SELECT profile_id FROM identifier WHERE kind = ? AND value = ?", (kind, value)
        ).fetchone()
        return None if row is None else int(row[0])

    def own_identifiers(self, profile_id: int) -> list[tuple[str, str]]:
        """Return the identifiers that were linked to this profile itself."""
        rows = self._connection.execute(
            "SELECT kind, value FROM identifier WHERE profile_id = ? ORDER BY kind, value",
            (profile_id,),
        )
        return rows.fetchall()

    def links(self, profile_id: int) -> list[tuple[str, str, int, int]]:
        """Return what points at a profile, with the id and the record that it was linked by."""
        rows = self._connection.execute(
            f"{_PERSON} SELECT kind, value, profile_id, offset FROM identifier"
            " WHERE profile_id IN (SELECT id FROM person) ORDER BY kind, value",
            (profile_id,),
        )
        return rows.fetchall()

    def merges(self, profile_id: int) -> list[tuple[int, int, int]]:
        """Return all that became part of a profile, in order."""
        rows = self._connection.execute(
            f"{_PERSON} SELECT loser_id, winner_id, offset FROM redirect"
            " WHERE winner_id IN (SELECT id FROM person) ORDER BY offset",
            (profile_id,),
        )
        return rows.fetchall()

    def apply(
        self,
        links: Iterable[tuple[str, str, int, int]],
        merges: Iterable[tuple[int, int, int]],
        offset: int,
        unmerges: Iterable[tuple[int, int]] = (),
    ) -> None:
        """Take over links, merges and what was undone; see the port."""
        links, merges, unmerges = list(links), list(merges), list(unmerges)
        with transaction(self._connection):
            self._connection.executemany(
                "INSERT OR REPLACE INTO identifier VALUES (?, ?, ?, ?)", links
            )
            self._connection.executemany(
                "INSERT OR IGNORE INTO profile VALUES (?, ?)", [row[2:] for row in links]
            )
            self._connection.executemany("INSERT OR REPLACE INTO redirect VALUES (?, ?, ?)", merges)
            self._connection.executemany(
                "DELETE FROM apart WHERE (loser_id, winner_id) IN (VALUES (?1, ?2), (?2, ?1))",
                [row[:2] for row in merges],
            )
            self._connection.executemany(
                "DELETE FROM redirect WHERE loser_id = ?", [row[:1] for row in unmerges]
            )
            self._connection.executemany("INSERT OR REPLACE INTO apart VALUES (?, ?)", unmerges)
            self._connection.execute(
                "UPDATE progress SET value = ? WHERE name = 'offset'", (offset,)
            )
        if not self._is_writer:
            return
        for kind, value, profile_id, _ in links:
            self._found.put((kind, value), profile_id)
            self._winners.put(profile_id, profile_id)  # who is linked to has become nobody else
        for loser_id, winner_id, _ in merges:
            self._winners.put(loser_id, winner_id)
        for loser_id, _ in unmerges:
            self._winners.put(loser_id, loser_id)

    def erase(self, profile_ids: Sequence[int], offset: int) -> None:
        """Forget all of these profiles; `scrub` then overwrites what the file still holds."""
        with transaction(self._connection):
            for one in profile_ids:
                for sql in (
                    "DELETE FROM identifier WHERE profile_id = ?1",
                    "DELETE FROM profile WHERE id = ?1",
                    "DELETE FROM redirect WHERE loser_id = ?1 OR winner_id = ?1",
                    "DELETE FROM apart WHERE loser_id = ?1 OR winner_id = ?1",
                ):
                    self._connection.execute(sql, (one,))
            self._connection.execute(
                "UPDATE progress SET value = ? WHERE name = 'offset'", (offset,)
            )
        self._found = Remembered(self._remembered_max)
        self._winners = Remembered(self._remembered_max)

    def scrub(self) -> bool:
        """Write the file anew without what was erased; False: ask again."""
        return scrub(self._connection)

    def are_apart(self, left: int, right: int) -> bool:
        """Say whether a merge of these two was undone; see the port."""
        rows = self._connection.execute("SELECT loser_id, winner_id FROM apart")
        return any({self.resolve(one), self.resolve(two)} == {left, right} for one, two in rows)

    def resolve(self, profile_id: int) -> int:
        """Follow redirects to the surviving id."""
        for _ in range(_REDIRECTS_MAX):
            winner_id = self._winners.get(profile_id)
            if winner_id is None:
                winner_id = self._winner(profile_id)
            if winner_id == profile_id:
                return profile_id
            profile_id = winner_id
        raise AssertionError(f"redirects of profile {profile_id} go in a circle")

    def known_since(self, profile_id: int) -> int | None:
        """Return the offset of the profile's first link."""
        row = self._connection.execute(
            "SELECT since FROM profile WHERE id = ?", (profile_id,)
        ).fetchone()
        return None if row is None else int(row[0])

    def has_user(self, profile_id: int) -> bool:
        """Say whether a user id points at the profile."""
        return any(kind == "user_id" for kind, _ in self.identifiers(profile_id))

    def offset(self) -> int:
        """Return the log offset reached."""
        row = self._connection.execute("SELECT value FROM progress WHERE name = 'offset'")
        return int(row.fetchone()[0])

    def _winner(self, profile_id: int) -> int:
        """Return what a profile went over to; itself where it did not."""
        row = self._connection.execute(
            "SELECT winner_id FROM redirect WHERE loser_id = ?", (profile_id,)
        ).fetchone()
        winner_id = profile_id if row is None else int(row[0])
        if self._is_writer:
            self._winners.put(profile_id, winner_id)
        return winner_id

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class Remembered(Generic[_Key, _Value]):
    """A bounded dictionary that forgets what was not asked for in a while.

    Two generations: what is found in the old one moves to the new one, and the old one goes when
    the new one, `latest`, is full. Half the cost of putting each key found to the end.
    """

    def __init__(self, size_max: int) -> None:
        self._half = max(size_max // 2, 1)
        self.latest: dict[_Key, _Value] = {}
        self._old: dict[_Key, _Value] = {}

    def get(self, key: _Key) -> _Value | None:
        """Return what is remembered of a key."""
        found = self.latest.get(key)
        if found is None and self._old:
            found = self._old.get(key)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: _Key, value: _Value) -> None:
        """Remember a value."""
        if len(self.latest) >= self._half:
            self._old, self.latest = self.latest, {}
        self.latest[key] = value
