"""What was refused, with its reason and its bytes, so that it can be looked at and mended."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from tailorbird.adapters.sqlite.connection import connect, scrub, transaction
from tailorbird.base.problems import OperationalError
from tailorbird.events.refusal import Refusal

_MIGRATIONS = Path(__file__).parent / "sql" / "dead_letters"
RAW_BYTES_MAX = 64 * 1024
ITEMS_MAX = 20_000
# A request can hold thousands of refused items; the first of them tell the fault.
ITEMS_PER_CALL_MAX = 100


class SqliteDeadLetters:
    """One file: the newest `items_max` items, their bytes cut at `RAW_BYTES_MAX`.

    Write keys lie open in browsers: what anybody can send must not fill the disk.
    """

    def __init__(self, path: Path, *, items_max: int = ITEMS_MAX) -> None:
        self._connection = connect(path, synchronous="NORMAL", migrations=_MIGRATIONS)
        self._items_max = items_max

    def keep(self, at: int, source: str, items: Sequence[tuple[Refusal, bytes]]) -> None:
        """Keep refused items, at most `ITEMS_PER_CALL_MAX` of them.

        Raises:
            OperationalError: the disk is full or fails; nothing was kept.
        """
        try:
            self._insert(at, source, items[:ITEMS_PER_CALL_MAX])
        except sqlite3.Error as error:
            raise OperationalError(
                f"refused items cannot be kept: {error}", is_retry_safe=True
            ) from error

    def _insert(self, at: int, source: str, items: Sequence[tuple[Refusal, bytes]]) -> None:
        with transaction(self._connection):
            self._connection.executemany(
                "INSERT INTO dead_letter (at, source, rule, field, detail, raw)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (at, source, one.rule.value, one.field, one.detail, raw[:RAW_BYTES_MAX])
                    for one, raw in items
                ],
            )
            self._connection.execute(
                "DELETE FROM dead_letter WHERE id <= (SELECT max(id) FROM dead_letter) - ?",
                (self._items_max,),
            )

    def erase(self, values: Sequence[str]) -> int:
        """Remove items that name one of these values as a JSON text; return how many."""
        found: set[int] = set()
        for value in values:
            for text in {json.dumps(value), json.dumps(value, ensure_ascii=False)}:
                rows = self._connection.execute(
                    "SELECT id FROM dead_letter WHERE instr(lower(CAST(raw AS TEXT)), lower(?))",
                    (text,),
                )
                found.update(row[0] for row in rows)
        with transaction(self._connection):
            self._connection.executemany(
                "DELETE FROM dead_letter WHERE id = ?", [(one,) for one in found]
            )
        if not scrub(self._connection):
            raise OperationalError("refused items are being read; try again", is_retry_safe=True)
        return len(found)

    def counts(self) -> dict[str, int]:
        """Return the number of kept items by rule."""
        rows = self._connection.execute("SELECT rule, count(*) FROM dead_letter GROUP BY rule")
        return dict(rows.fetchall())

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
