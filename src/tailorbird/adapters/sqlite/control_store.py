"""Workspace versions, keys and switches in control.db."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import msgspec

from tailorbird.adapters.sqlite.connection import connect

_MIGRATIONS = Path(__file__).parent / "sql" / "control"


class SqliteControlStore:
    """Small and shared by all roles; every process may write."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, synchronous="FULL", migrations=_MIGRATIONS)

    def save_version(self, version: str, files: Mapping[str, str], created_at: int) -> None:
        """Keep the files of a version; a known one is left alone."""
        body = zlib.compress(msgspec.msgpack.encode(dict(files)))
        self._connection.execute(
            "INSERT OR IGNORE INTO version VALUES (?, ?, ?)", (version, created_at, body)
        )

    def load_version(self, version: str) -> dict[str, str]:
        """Return the files of a version; KeyError where there is none."""
        row = self._connection.execute(
            "SELECT files FROM version WHERE id = ?", (version,)
        ).fetchone()
        if row is None:
            raise KeyError(version)
        return msgspec.msgpack.decode(zlib.decompress(row[0]), type=dict[str, str])

    def versions(self) -> list[tuple[str, int]]:
        """Return (version, created_at) in order of publication."""
        rows = self._connection.execute("SELECT id, created_at FROM version ORDER BY created_at")
        return rows.fetchall()

    def get(self, name: str) -> str | None:
        """Return a named value."""
        row = self._connection.execute(
            "SELECT value FROM setting WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else str(row[0])

    def set(self, name: str, value: str) -> None:
        """Store a named value, durably."""
        self._connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def named(self, prefix: str) -> dict[str, str]:
        """Return the named values whose names begin so."""
        rows = self._connection.execute(
            "SELECT name, value FROM setting WHERE name >= ? AND name < ? ORDER BY name",
            (prefix, prefix + "\U0010ffff"),
        )
        return dict(rows.fetchall())

    def remove(self, name: str) -> None:
        """Remove a named value, durably."""
        self._connection.execute("DELETE FROM setting WHERE name = ?", (name,))

    def set_default(self, name: str, value: str) -> None:
        """Store a named value unless there is one."""
        self._connection.execute("INSERT OR IGNORE INTO setting VALUES (?, ?)", (name, value))

    def key_role(self, key: str) -> str | None:
        """Return the role of a key; keys are stored as hashes."""
        row = self._connection.execute(
            "SELECT role FROM access_key WHERE hash = ?", (_hash(key),)
        ).fetchone()
        return None if row is None else str(row[0])

    def add_key(self, key: str, role: str) -> None:
        """Store a key's hash with its role."""
        self._connection.execute(
            "INSERT OR REPLACE INTO access_key VALUES (?, ?)", (_hash(key), role)
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _hash(key: str) -> str:
    # Keys are 128 random bits and more: a plain hash cannot be searched.
    return sha256(key.encode()).hexdigest()
