"""What was refused, with its reason and its bytes, so that it can be looked at and mended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tailorbird.adapters.sqlite.connection import connect, transaction
from tailorbird.events.refusal import Refusal

_MIGRATIONS = Path(__file__).parent / "sql" / "dead_letters"
RAW_BYTES_MAX = 64 * 1024


class SqliteDeadLetters:
    """One file for the web role; the raw bytes of an item are cut at `RAW_BYTES_MAX`."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, synchronous="NORMAL", migrations=_MIGRATIONS)

    def keep(self, at: int, source: str, items: Sequence[tuple[Refusal, bytes]]) -> None:
        """Keep refused items."""
        with transaction(self._connection):
            self._connection.executemany(
                "INSERT INTO dead_letter (at, source, rule, field, detail, raw)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (at, source, one.rule.value, one.field, one.detail, raw[:RAW_BYTES_MAX])
                    for one, raw in items
                ],
            )

    def counts(self) -> dict[str, int]:
        """Return the number of kept items by rule."""
        rows = self._connection.execute("SELECT rule, count(*) FROM dead_letter GROUP BY rule")
        return dict(rows.fetchall())

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
