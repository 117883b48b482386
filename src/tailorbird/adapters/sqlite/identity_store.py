"""Identifiers and their profiles, derived from the log's link and merge records."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from tailorbird.adapters.sqlite.connection import connect, connect_reader, transaction

_MIGRATIONS = Path(__file__).parent / "sql" / "identity"
_REDIRECTS_MAX = 1_000
_PERSON = (
    "WITH RECURSIVE person (id) AS (SELECT ? UNION"
    " SELECT loser_id FROM redirect JOIN person ON winner_id = person.id)"
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
        self._found: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._winners: OrderedDict[int, int | None] = OrderedDict()
        if is_writer:
            self._connection = connect(path, synchronous="NORMAL", migrations=_MIGRATIONS)
        else:
            self._connection = connect_reader(path)

    def find(self, kind: str, value: str) -> int | None:
        """Return the profile that an identifier points at, redirects followed."""
        key = (kind, value)
        known = self._found.get(key)
        if known is not None:
            self._found.move_to_end(key)
            return self.resolve(known)
        row = self._connection.execute(
            "SELECT profile_id FROM identifier WHERE kind = ? AND value = ?", key
        ).fetchone()
        if row is None:
            return None
        self._remember(self._found, key, row[0])
        return self.resolve(row[0])

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
        for kind, value, profile_id, _ in links:
            self._remember(self._found, (kind, value), profile_id)
        for loser_id, winner_id, _ in merges:
            self._remember(self._winners, loser_id, winner_id)
        for loser_id, _ in unmerges:
            self._remember(self._winners, loser_id, None)

    def are_apart(self, left: int, right: int) -> bool:
        """Say whether a merge of these two was undone; see the port."""
        rows = self._connection.execute("SELECT loser_id, winner_id FROM apart")
        return any({self.resolve(one), self.resolve(two)} == {left, right} for one, two in rows)

    def resolve(self, profile_id: int) -> int:
        """Follow redirects to the surviving id."""
        for _ in range(_REDIRECTS_MAX):
            winner_id = self._winner(profile_id)
            if winner_id is None:
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

    def _winner(self, profile_id: int) -> int | None:
        if profile_id in self._winners:
            self._winners.move_to_end(profile_id)
            return self._winners[profile_id]
        row = self._connection.execute(
            "SELECT winner_id FROM redirect WHERE loser_id = ?", (profile_id,)
        ).fetchone()
        winner_id = None if row is None else int(row[0])
        self._remember(self._winners, profile_id, winner_id)
        return winner_id

    def _remember(self, answers: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
        if not self._is_writer:
            return
        answers[key] = value
        answers.move_to_end(key)
        if len(answers) > self._remembered_max:
            answers.popitem(last=False)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
