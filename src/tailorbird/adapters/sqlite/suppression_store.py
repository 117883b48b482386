"""Who must not get mail, derived from the log; read last before every hand-over."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tailorbird.adapters.sqlite.connection import connect, connect_reader, transaction
from tailorbird.ports.suppression_store import SuppressionChange

_MIGRATIONS = Path(__file__).parent / "sql" / "suppression"
_UPSERT = (Path(__file__).parent / "sql" / "upsert_suppression.sql").read_text()


class SqliteSuppressionStore:
    """Written by the log's writer alone, before it answers."""

    def __init__(self, path: Path, *, is_writer: bool = False) -> None:
        if is_writer:
            self._connection = connect(path, synchronous="FULL", migrations=_MIGRATIONS)
        else:
            self._connection = connect_reader(path)

    def apply(self, changes: Iterable[SuppressionChange], offset: int) -> None:
        """Store changes; the later one of an address and topic wins."""
        with transaction(self._connection):
            self._connection.executemany(
                _UPSERT,
                [
                    (one.address_hash, one.topic, one.is_suppressed, one.reason, one.at)
                    for one in changes
                ],
            )
            self._connection.execute(
                "UPDATE progress SET value = ? WHERE name = 'offset'", (offset,)
            )

    def reason(self, address_hash: int, topic: str) -> str | None:
        """Return why this topic is suppressed for this address, or None."""
        row = self._connection.execute(
            "SELECT reason FROM suppression"
            " WHERE address_hash = ? AND topic IN (?, '*') AND is_suppressed ORDER BY topic",
            (address_hash, topic),
        ).fetchone()
        return None if row is None else str(row[0])

    def offset(self) -> int:
        """Return the log offset reached."""
        row = self._connection.execute("SELECT value FROM progress WHERE name = 'offset'")
        return int(row.fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
