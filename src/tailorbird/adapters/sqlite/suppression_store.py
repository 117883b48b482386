"""Who must not get mail, derived from the log; read last before every hand-over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from tailorbird.adapters.sqlite.connection import connect, connect_reader, scrub, transaction
from tailorbird.ports.suppression_store import SuppressionChange

_MIGRATIONS = Path(__file__).parent / "sql" / "suppression"
_UPSERT = (Path(__file__).parent / "sql" / "upsert_suppression.sql").read_text()


class SqliteSuppressionStore:
    """Written by the log's writer alone, before it answers."""

    def __init__(
        self,
        path: Path,
        *,
        is_writer: bool = False,
        erased: Callable[[int], int] = lambda address_hash: address_hash,
    ) -> None:
        """`erased` gives the hash under which an address of somebody erased is kept."""
        self._erased = erased
        if is_writer:
            self._connection = connect(path, synchronous="FULL", migrations=_MIGRATIONS)
        else:
            self._connection = connect_reader(path)

    def apply(self, changes: Iterable[SuppressionChange], offset: int) -> None:
        """Store changes; the later one of an address and topic wins."""
        changes = list(changes)
        with transaction(self._connection):
            self._connection.executemany(
                _UPSERT,
                [
                    (one.address_hash, one.topic, one.is_suppressed, one.reason, one.at)
                    for one in changes
                ],
            )
            # Who asks for mail again does so for the address, whoever had it before.
            self._connection.executemany(
                "UPDATE suppression SET is_suppressed = 0, at = ?1"
                " WHERE address_hash = ?2 AND topic = ?3 AND at <= ?1",
                [
                    (one.at, self._erased(one.address_hash), one.topic)
                    for one in changes
                    if not one.is_suppressed
                ],
            )
            self._connection.execute(
                "UPDATE progress SET value = ? WHERE name = 'offset'", (offset,)
            )

    def reason(self, address_hash: int, topic: str) -> str | None:
        """Return why this topic is suppressed for this address, or None."""
        row = self._connection.execute(
            "SELECT reason FROM suppression"
            " WHERE address_hash IN (?, ?) AND topic IN (?, '*') AND is_suppressed ORDER BY topic",
            (address_hash, self._erased(address_hash), topic),
        ).fetchone()
        return None if row is None else str(row[0])

    def topics(self, address_hash: int) -> list[tuple[str, str, int]]:
        """Return (topic, reason, at) of what is suppressed for an address."""
        rows = self._connection.execute(
            "SELECT topic, reason, at FROM suppression"
            " WHERE address_hash IN (?, ?) AND is_suppressed ORDER BY topic",
            (address_hash, self._erased(address_hash)),
        )
        return rows.fetchall()

    def forget(self, address_hashes: Iterable[int]) -> None:
        """Remove all that is kept of addresses."""
        with transaction(self._connection):
            self._connection.executemany(
                "DELETE FROM suppression WHERE address_hash = ?", [(one,) for one in address_hashes]
            )

    def scrub(self) -> bool:
        """Write the file anew without what was removed; False: ask again."""
        return scrub(self._connection)

    def offset(self) -> int:
        """Return the log offset reached."""
        row = self._connection.execute("SELECT value FROM progress WHERE name = 'offset'")
        return int(row.fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
