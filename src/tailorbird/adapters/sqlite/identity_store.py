"""Identifiers and their profiles, derived from the log's link and merge records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tailorbird.adapters.sqlite.connection import connect, connect_reader, transaction

_MIGRATIONS = Path(__file__).parent / "sql" / "identity"
_REDIRECTS_MAX = 1_000


class SqliteIdentityStore:
    """Written by the log's writer alone, right after each commit; others read."""

    def __init__(self, path: Path, *, is_writer: bool = False) -> None:
        if is_writer:
            self._connection = connect(path, synchronous="NORMAL", migrations=_MIGRATIONS)
        else:
            self._connection = connect_reader(path)

    def find(self, kind: str, value: str) -> int | None:
        """Return the profile that an identifier points at, redirects followed."""
        row = self._connection.execute(
            "SELECT profile_id FROM identifier WHERE kind = ? AND value = ?", (kind, value)
        ).fetchone()
        return None if row is None else self.resolve(row[0])

    def identifiers(self, profile_id: int) -> list[tuple[str, str]]:
        """Return the identifiers that point at a profile, those of merged ones included."""
        rows = self._connection.execute(
            "WITH RECURSIVE person (id) AS (SELECT ? UNION"
            " SELECT loser_id FROM redirect JOIN person ON winner_id = person.id)"
            " SELECT kind, value FROM identifier WHERE profile_id IN (SELECT id FROM person)"
            " ORDER BY kind, value",
            (profile_id,),
        )
        return rows.fetchall()

    def apply(
        self,
        links: Iterable[tuple[str, str, int, int]],
        merges: Iterable[tuple[int, int]],
        offset: int,
    ) -> None:
        """Take over links and merges; see the port."""
        links = list(links)
        with transaction(self._connection):
            self._connection.executemany(
                "INSERT OR REPLACE INTO identifier VALUES (?, ?, ?)", [row[:3] for row in links]
            )
            self._connection.executemany(
                "INSERT OR IGNORE INTO profile VALUES (?, ?)", [row[2:] for row in links]
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO redirect VALUES (?, ?)", list(merges)
            )
            self._connection.execute(
                "UPDATE progress SET value = ? WHERE name = 'offset'", (offset,)
            )

    def resolve(self, profile_id: int) -> int:
        """Follow redirects to the surviving id."""
        for _ in range(_REDIRECTS_MAX):
            row = self._connection.execute(
                "SELECT winner_id FROM redirect WHERE loser_id = ?", (profile_id,)
            ).fetchone()
            if row is None:
                return profile_id
            profile_id = row[0]
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

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
