"""Folded history in one SQLite file, named by a hash of what is in it once it is complete."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

from tailorbird.adapters.sqlite.connection import StorageProblem, connect_reader, transaction
from tailorbird.base.problems import OperationalError
from tailorbird.events.event import partition_of
from tailorbird.language.accumulators import Cells, CellSpec

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (cells TEXT NOT NULL, cutoff INTEGER NOT NULL, offset INTEGER);
CREATE TABLE IF NOT EXISTS filled (
    profile_id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, cells BLOB NOT NULL
);
"""
_KEPT_MAX = 3  # complete files: of the version that goes live, and of a few before
_NAME_LENGTH = 32
_encode = msgspec.msgpack.Encoder().encode
_decode_cells = msgspec.msgpack.Decoder(Cells).decode


class SqliteFillingWork:
    """A file that is being filled; see the port."""

    def __init__(
        self, folder: Path, specs: Mapping[int, CellSpec], cutoff: Callable[[], int], after: int
    ) -> None:
        """Begin, or go on with what was begun for the same cells.

        Args:
            folder: Where the files lie.
            specs: The cells that are filled.
            cutoff: Asked for the last offset where it is begun.
            after: The offset that it begins after.
        """
        folder.mkdir(parents=True, exist_ok=True)
        about = _about(specs)
        self._path = folder / f"work-{blake2b(about.encode(), digest_size=8).hexdigest()}.db"
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        # What a power loss takes of it is folded again.
        self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
        self._connection.executescript(_SCHEMA)
        row = self._connection.execute("SELECT cutoff, offset FROM about").fetchone()
        if row is None:
            row = (cutoff(), after)
            self._connection.execute("INSERT INTO about VALUES (?, ?, ?)", (about, *row))
        self.cutoff, self.offset = row

    def get(self, profile_id: int) -> Cells | None:
        """Return the cells of a profile so far."""
        return _get(self._connection, profile_id)

    def add(self, cells: Mapping[int, Cells], offset: int) -> None:
        """Put cells in their places and go on to an offset."""
        rows = [(one, partition_of(one), _encode(mine)) for one, mine in cells.items()]
        try:
            with transaction(self._connection):
                self._connection.executemany("INSERT OR REPLACE INTO filled VALUES (?, ?, ?)", rows)
                self._connection.execute("UPDATE about SET offset = ?", (offset,))
        except sqlite3.Error as problem:
            raise OperationalError(
                f"{self._path} cannot be written ({problem}); free disk space and apply again: it"
                " goes on where it was",
                is_retry_safe=True,
            ) from problem
        self.offset = offset

    def finish(self) -> str:
        """Name the file by what is in it."""
        connection = self._connection
        connection.execute("CREATE INDEX IF NOT EXISTS place ON filled (partition, profile_id)")
        connection.execute("PRAGMA journal_mode=DELETE")
        name = _digest(connection)
        connection.close()
        with self._path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self._path, self._path.with_name(f"{name}.db"))
        complete = [one for one in self._path.parent.glob("*.db") if len(one.stem) == _NAME_LENGTH]
        for old in sorted(complete, key=lambda one: one.stat().st_mtime)[:-_KEPT_MAX]:
            old.unlink()
        return name

    def discard(self) -> None:
        """Close and remove it."""
        self._connection.close()
        self._path.unlink(missing_ok=True)


class SqliteFilled:
    """A complete file; see the port."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.cutoff = int(connection.execute("SELECT cutoff FROM about").fetchone()[0])

    def ids(self, partition: int) -> list[int]:
        """Return the profiles of a partition that have any cells."""
        rows = self._connection.execute(
            "SELECT profile_id FROM filled WHERE partition = ?", (partition,)
        )
        return [row[0] for row in rows]

    def get(self, profile_id: int) -> Cells | None:
        """Return the cells of a profile."""
        return _get(self._connection, profile_id)


def open_filled(folder: Path, name: str, specs: Mapping[int, CellSpec]) -> SqliteFilled | None:
    """Open a complete file; None where it is gone, damaged, or holds other cells."""
    path = folder / f"{name}.db"
    if not path.is_file():
        return None
    try:
        connection = connect_reader(path)
    except StorageProblem:
        return None
    try:
        about = connection.execute("SELECT cells FROM about").fetchone()
        if about == (_about(specs),) and _digest(connection) == name:
            return SqliteFilled(connection)
    except sqlite3.DatabaseError:
        pass
    connection.close()
    return None


def _about(specs: Mapping[int, CellSpec]) -> str:
    return json.dumps([repr(specs[one]) for one in sorted(specs)])


def _digest(connection: sqlite3.Connection) -> str:
    digest = blake2b(digest_size=_NAME_LENGTH // 2)
    digest.update(repr(connection.execute("SELECT cells, cutoff FROM about").fetchone()).encode())
    for one, cells in connection.execute(
        "SELECT profile_id, cells FROM filled ORDER BY profile_id"
    ):
        digest.update(one.to_bytes(8, "big"))
        digest.update(cells)
    return digest.hexdigest()


def _get(connection: sqlite3.Connection, profile_id: int) -> Cells | None:
    row = connection.execute(
        "SELECT cells FROM filled WHERE profile_id = ?", (profile_id,)
    ).fetchone()
    return None if row is None else _decode_cells(row[0])
