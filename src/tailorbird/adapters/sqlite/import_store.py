"""Imports in one SQLite file."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from tailorbird.adapters.sqlite.connection import connect, transaction
from tailorbird.ports.import_store import ImportProgress

_MIGRATIONS = Path(__file__).parent / "sql" / "imports"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ImportProgress).decode


class SqliteImportStore:
    """What it lacks after a loss of power the log still knows; see `services.imports.run`."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, synchronous="NORMAL", migrations=_MIGRATIONS)

    def progress(self, key: str) -> ImportProgress | None:
        """Return how far an import has come."""
        row = self._connection.execute(
            "SELECT progress FROM import WHERE key = ?", (key,)
        ).fetchone()
        return None if row is None else _decode(row[0])

    def known(self, keys: Collection[int]) -> set[int]:
        """Return those of some keys that an import has brought."""
        # One text with all of them: their number would soon meet the limit of parameters.
        rows = self._connection.execute(
            "SELECT brought.key FROM json_each(?) AS asked"
            " JOIN brought ON brought.key = asked.value",
            (_encode(list(keys)).decode(),),
        )
        return {row[0] for row in rows}

    def commit(self, progress: ImportProgress, keys: Iterable[int]) -> None:
        """Note what was brought and how far it has come, in one transaction."""
        with transaction(self._connection):
            self._connection.executemany(
                "INSERT OR IGNORE INTO brought (key) VALUES (?)", [(one,) for one in sorted(keys)]
            )
            self._connection.execute(
                "INSERT OR REPLACE INTO import (key, progress) VALUES (?, ?)",
                (progress.key, _encode(progress)),
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
