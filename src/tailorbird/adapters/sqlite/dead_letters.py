"""What was refused, with its reason and its bytes, so that it can be looked at and mended."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tailorbird.adapters.sqlite.connection import connect, scrub, transaction
from tailorbird.base.problems import OperationalError
from tailorbird.events.decode import REQUEST_BYTES_MAX
from tailorbird.events.refusal import Refusal
from tailorbird.ports.dead_letters import EXPIRED, Group, Letter, Refused, Which

_MIGRATIONS = Path(__file__).parent / "sql" / "dead_letters"
# No request that is read is larger, so nothing that was sent is cut but what is too large anyway.
RAW_BYTES_MAX = REQUEST_BYTES_MAX
# Write keys lie open in browsers: what anybody can send must not fill the disk. `retain` holds it
# to what the settings say; this is held at each insertion.
BYTES_MAX = 2_000_000_000
_BYTES, _KEPT = "bytes", "kept"
_COLUMNS = (
    "id, at, source, call, sent_at, rule, field, value, detail, raw, is_cut, fresh_id,"
    " is_historical"
)
_PAGE = 1_000


class SqliteDeadLetters:
    """One file, at most `bytes_max` bytes of items: the oldest make room for the newest."""

    def __init__(self, path: Path, *, bytes_max: int = BYTES_MAX) -> None:
        self._connection = connect(path, synchronous="NORMAL", migrations=_MIGRATIONS)
        self._bytes_max = bytes_max

    def keep(self, at: int, source: str, items: Sequence[Refused]) -> None:
        """Keep refused items; see the port."""
        try:
            with transaction(self._connection):
                self._insert(at, source, items)
        except sqlite3.Error as error:
            raise OperationalError(
                f"refused items cannot be kept: {error}", is_retry_safe=True
            ) from error

    def _insert(self, at: int, source: str, items: Sequence[Refused]) -> None:
        rows = [
            (
                at,
                source,
                one.call,
                one.sent_at,
                one.refusal.rule.value,
                one.refusal.field,
                one.refusal.value,
                one.refusal.detail,
                one.raw[:RAW_BYTES_MAX],
                len(one.raw) > RAW_BYTES_MAX,
                one.fresh_id,
                one.is_historical,
            )
            for one in items
        ]
        self._connection.executemany(
            "INSERT INTO dead_letter (at, source, call, sent_at, rule, field, value, detail, raw,"
            " is_cut, fresh_id, is_historical) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        self._count(_KEPT, len(rows))
        if self._count(_BYTES, sum(len(row[8]) for row in rows)) > self._bytes_max:
            self._make_room(self._bytes_max)

    def groups(self, which: Which) -> list[Group]:
        """Return groups of letters, the largest first."""
        where, values = _where(which)
        rows = self._connection.execute(
            "SELECT rule, field, source, count(*), min(at), max(at), max(id) FROM dead_letter"
            f" WHERE {where} GROUP BY rule, field, source ORDER BY count(*) DESC, max(id) DESC",
            values,
        ).fetchall()
        latest = {one.id: one for one in self._read([row[6] for row in rows])}
        return [
            Group(
                rule=rule,
                field=field,
                source=source,
                count=count,
                first_at=first_at,
                last_at=last_at,
                latest=latest[newest],
            )
            for rule, field, source, count, first_at, last_at, newest in rows
            if newest in latest
        ]

    def letters(self, which: Which, *, after: int = 0, limit: int = 100) -> list[Letter]:
        """Return letters in the order in which they came."""
        where, values = _where(which)
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM dead_letter WHERE id > ? AND {where} ORDER BY id LIMIT ?",
            (after, *values, limit),
        )
        return [_letter(row) for row in rows]

    def settle(
        self,
        ids: Sequence[int],
        how: str,
        rests: Sequence[tuple[Letter, Sequence[Refused]]] = (),
    ) -> None:
        """Take letters away that were replayed or dropped, and count them; see the port."""
        with transaction(self._connection):
            for letter, items in rests:
                self._insert(letter.at, letter.source, items)
            self._count(how, self._delete(ids))

    def refuse_again(self, letter_id: int, refusal: Refusal) -> None:
        """Note the reason for which a letter was refused when it was tried again."""
        self._connection.execute(
            "UPDATE dead_letter SET rule = ?, field = ?, value = ?, detail = ? WHERE id = ?",
            (refusal.rule.value, refusal.field, refusal.value, refusal.detail, letter_id),
        )

    def retain(self, before: int, bytes_max: int) -> int:
        """Take letters away that came before an instant, and the oldest beyond a size."""
        gone = 0
        while True:
            with transaction(self._connection):
                rows = self._connection.execute(
                    "SELECT id FROM dead_letter WHERE at < ? ORDER BY id LIMIT ?", (before, _PAGE)
                ).fetchall()
                count = self._delete([row[0] for row in rows])
                self._count(EXPIRED, count)
            gone += count
            if len(rows) < _PAGE:
                break
        with transaction(self._connection):
            return gone + self._make_room(bytes_max)

    def erase(self, values: Sequence[str]) -> int:
        """Remove letters that name one of these values as a JSON text; return how many."""
        found: set[int] = set()
        for value in values:
            for text in {json.dumps(value), json.dumps(value, ensure_ascii=False)}:
                rows = self._connection.execute(
                    "SELECT id FROM dead_letter WHERE instr(lower(CAST(raw AS TEXT)), lower(?))",
                    (text,),
                )
                found.update(row[0] for row in rows)
        with transaction(self._connection):
            self._delete(sorted(found))
        if not scrub(self._connection):
            raise OperationalError("refused items are being read; try again", is_retry_safe=True)
        return len(found)

    def counts(self) -> dict[str, int]:
        """Return the number of letters by rule."""
        rows = self._connection.execute("SELECT rule, count(*) FROM dead_letter GROUP BY rule")
        return dict(rows.fetchall())

    def totals(self) -> dict[str, int]:
        """Return how many were ever kept, replayed, dropped and expired, and the bytes kept now."""
        return dict(self._connection.execute("SELECT name, value FROM tally").fetchall())

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _read(self, ids: Sequence[int]) -> list[Letter]:
        marks = ",".join("?" * len(ids))
        sql = f"SELECT {_COLUMNS} FROM dead_letter WHERE id IN ({marks})"
        return [_letter(row) for row in self._connection.execute(sql, list(ids))]

    def _delete(self, ids: Sequence[int]) -> int:
        """Delete letters inside a transaction; return how many there were."""
        count = size = 0
        for one in ids:
            row = self._connection.execute(
                "DELETE FROM dead_letter WHERE id = ? RETURNING length(raw)", (one,)
            ).fetchone()
            if row is not None:
                count, size = count + 1, size + row[0]
        self._count(_BYTES, -size)
        return count

    def _make_room(self, bytes_max: int) -> int:
        """Delete the oldest inside a transaction until the rest fits."""
        surplus, ids = self._count(_BYTES, 0) - bytes_max, []
        if surplus <= 0:
            return 0
        for one, size in self._connection.execute(
            "SELECT id, length(raw) FROM dead_letter ORDER BY id"
        ):
            ids.append(one)
            surplus -= size
            if surplus <= 0:
                break
        self._count(EXPIRED, count := self._delete(ids))
        return count

    def _count(self, name: str, more: int) -> int:
        """Add to a count and return it."""
        row = self._connection.execute(
            "INSERT INTO tally VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value RETURNING value",
            (name, more),
        ).fetchone()
        return int(row[0])


def _letter(row: Sequence[Any]) -> Letter:
    *known, raw, is_cut, fresh_id, is_historical = row
    names = ("id", "at", "source", "call", "sent_at", "rule", "field", "value", "detail")
    return Letter(
        **dict(zip(names, known, strict=True)),
        raw=raw,
        is_cut=bool(is_cut),
        fresh_id=fresh_id,
        is_historical=bool(is_historical),
    )


def _where(which: Which) -> tuple[str, list[Any]]:
    parts, values = ["1"], list[Any]()
    if which.ids:
        parts.append(f"id IN ({','.join('?' * len(which.ids))})")
        values += which.ids
    for name in ("rule", "field", "source"):
        value = getattr(which, name)
        if value:
            parts.append(f"{name} = ?")
            values.append(value)
    if which.since is not None:
        parts.append("at >= ?")
        values.append(which.since)
    if which.before is not None:
        parts.append("at < ?")
        values.append(which.before)
    if which.text:
        parts.append("instr(lower(CAST(raw AS TEXT)), lower(?))")
        values.append(which.text)
    return " AND ".join(parts), values
