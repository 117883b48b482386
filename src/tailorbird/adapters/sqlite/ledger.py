"""The ledger in SQLite: WAL with synchronous=FULL, one commit a round."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from tailorbird.adapters.sqlite.connection import connect, connect_reader, scrub, transaction
from tailorbird.base.problems import OperationalError
from tailorbird.ports.ledger import (
    HANDING_OVER,
    HELD,
    INTENT,
    MAY_HAVE_ARRIVED,
    ON_HOLD,
    ON_HOLD_REASON,
    SUPPRESSED,
    UNKNOWN,
    Message,
)

_MIGRATIONS = Path(__file__).parent / "sql" / "ledger"
_FIELDS = tuple(Message.__struct_fields__)
_LISTED = ", ".join("x'' AS record" if name == "record" else name for name in _FIELDS)
_ALL = ", ".join(_FIELDS)
_INSERT = (
    f"INSERT OR IGNORE INTO message ({_ALL}) VALUES ({', '.join(':' + name for name in _FIELDS)})"
)
_CHANGING = (
    "status",
    "address",
    "subject",
    "reason",
    "attempts",
    "next_attempt_at",
    "finished_at",
    "reported",
    "record",
    "profile_id",
)
_IS_ON_HOLD = f"status IN ('intent', 'held') AND next_attempt_at = {ON_HOLD}"
_UPDATE = (
    f"UPDATE message SET {', '.join(f'{name} = :{name}' for name in _CHANGING)}"
    " WHERE effect_id = :effect_id"
)


class SqliteLedger:
    """Written by `deliver` alone; others open it as readers."""

    def __init__(self, path: Path, *, is_writer: bool = False) -> None:
        if is_writer:
            self._connection = connect(path, synchronous="FULL", migrations=_MIGRATIONS)
            # For what a power loss may take back, because it would be done again all the same:
            # reports are known to the log. Intents are not: once it reads the cursor, an engine
            # takes them out of its outbox, and its file may reach the disk before this one does.
            self._repeatable = connect(path, synchronous="NORMAL")
        else:
            self._connection = self._repeatable = connect_reader(path)

    @staticmethod
    def cursor_in(path: Path, state: int) -> int:
        """Return the cursor of one state without keeping the file open."""
        reader = SqliteLedger(path)
        try:
            return reader.cursor(state)
        except sqlite3.OperationalError:
            # The file is there, its tables not yet.
            return 0
        finally:
            reader.close()

    def cursor(self, state: int) -> int:
        """Return the outbox row up to which intents are here."""
        row = self._connection.execute(
            "SELECT seq FROM cursor WHERE state = ?", (state,)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def take_over(self, state: int, messages: Sequence[Message], cursor: int) -> None:
        """Store intents and the cursor."""
        with transaction(self._connection):
            self._connection.executemany(_INSERT, [_row(message) for message in messages])
            self._connection.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", (state, cursor))

    def waiting(self, now: int, limit: int) -> list[Message]:
        """Return messages whose next attempt is due."""
        return self._select(
            f"SELECT {_ALL} FROM message WHERE status IN ('intent', 'held')"
            " AND next_attempt_at <= ? ORDER BY next_attempt_at, seq LIMIT ?",
            (now, limit),
        )

    def update(self, messages: Sequence[Message]) -> None:
        """Store the new standing of messages."""
        if messages:
            with transaction(self._connection):
                self._connection.executemany(_UPDATE, [_row(message) for message in messages])

    def postpone(self, now: int, until: int, reason: str) -> None:
        """Let all messages that are due wait until an instant."""
        self._connection.execute(
            "UPDATE message SET next_attempt_at = ?, reason = ?"
            " WHERE status IN ('intent', 'held') AND next_attempt_at <= ?",
            (until, reason, now),
        )

    def recover(self, now: int, resends_max: int = 0) -> int:
        """Turn messages that a crash caught in the hand-over to `unknown`, or to intents."""
        with transaction(self._connection):
            self._connection.execute(
                "UPDATE message SET status = ?, next_attempt_at = ?, reason = ?"
                " WHERE status = ? AND attempts BETWEEN 1 AND ?",
                (INTENT, now, MAY_HAVE_ARRIVED, HANDING_OVER, resends_max),
            )
            return self._connection.execute(
                "UPDATE message SET status = ?, finished_at = ?, reason = ? WHERE status = ?",
                (UNKNOWN, now, MAY_HAVE_ARRIVED, HANDING_OVER),
            ).rowcount

    def marketing_sent_at(self, address: str, since: int) -> list[int]:
        """Return when marketing mail left for an address, after an instant."""
        rows = self._connection.execute(
            "SELECT finished_at FROM message WHERE address = ? AND finished_at > ?"
            " AND kind = 'marketing' AND status IN ('sent', 'unknown')",
            (address, since),
        )
        return [row[0] for row in rows.fetchall()]

    def capped(self, since: int, count: int) -> set[str]:
        """Return addresses that marketing mail left for so often, at least, after an instant."""
        rows = self._connection.execute(
            "SELECT address FROM message WHERE finished_at > ? AND kind = 'marketing'"
            " AND status IN ('sent', 'unknown') GROUP BY address HAVING count(*) >= ?",
            (since, count),
        )
        return {row[0] for row in rows.fetchall()}

    def unreported(self, limit: int) -> list[Message]:
        """Return finished messages whose outcome the log lacks."""
        return self._select(
            f"SELECT {_LISTED} FROM message WHERE NOT reported"
            " AND status NOT IN ('intent', 'held', 'handing_over') ORDER BY seq LIMIT ?",
            (limit,),
        )

    def mark_reported(self, effect_ids: Sequence[str]) -> None:
        """Note that the log has the outcomes."""
        if effect_ids:
            with transaction(self._repeatable):
                self._repeatable.executemany(
                    "UPDATE message SET reported = 1 WHERE effect_id = ?",
                    [(one,) for one in effect_ids],
                )

    def put_on_hold(self, until: int, log_end: int) -> int:
        """Hold what is not finished and may have been sent; see the port."""
        return self._connection.execute(
            "UPDATE message SET status = ?, next_attempt_at = ?, reason = ?,"
            " required_offset = min(required_offset, ?)"
            " WHERE status IN ('intent', 'held', 'handing_over')"
            " AND (due_at <= ? OR required_offset > ? OR status = 'handing_over')",
            (HELD, ON_HOLD, ON_HOLD_REASON, log_end, until, log_end),
        ).rowcount

    def on_hold(self, limit: int) -> list[Message]:
        """Return messages that wait to be released."""
        return self._select(
            f"SELECT {_LISTED} FROM message WHERE {_IS_ON_HOLD} ORDER BY due_at, seq LIMIT ?",
            (limit,),
        )

    def count_on_hold(self) -> int:
        """Return how many messages wait to be released."""
        row = self._connection.execute(f"SELECT count(*) FROM message WHERE {_IS_ON_HOLD}")
        return int(row.fetchone()[0])

    def release(self, now: int, effect_ids: Sequence[str] | None = None) -> int:
        """Let messages that are on hold be asked again now."""
        return self._settle_hold("next_attempt_at = ?, reason = ''", (now,), effect_ids)

    def drop(self, now: int, reason: str, effect_ids: Sequence[str] | None = None) -> int:
        """Settle messages that are on hold as suppressed."""
        return self._settle_hold(
            "status = ?, reason = ?, finished_at = ?", (SUPPRESSED, reason, now), effect_ids
        )

    def _settle_hold(
        self, change: str, values: tuple[object, ...], effect_ids: Sequence[str] | None
    ) -> int:
        sql = f"UPDATE message SET {change} WHERE {_IS_ON_HOLD}"
        with transaction(self._connection):
            if effect_ids is None:
                return self._connection.execute(sql, values).rowcount
            rows = [(*values, one) for one in dict.fromkeys(effect_ids)]
            return self._connection.executemany(f"{sql} AND effect_id = ?", rows).rowcount

    def erase(self, profile_ids: Sequence[int], now: int) -> tuple[int, int]:
        """Make unreadable what is kept of messages to people, also in freed pages."""
        which = f"profile_id IN ({','.join(str(int(one)) for one in profile_ids)})"
        count, size = self._connection.execute(
            f"SELECT count(*), total(length(record) + length(effect)) FROM message WHERE {which}"
        ).fetchone()
        with transaction(self._connection):
            self._connection.execute(
                "UPDATE message SET status = ?, finished_at = ?"
                f" WHERE {which} AND status IN ('intent', 'held', 'handing_over')",
                (SUPPRESSED, now),
            )
            self._connection.execute(
                "UPDATE message SET address = '', subject = '', reason = '', effect = x'',"
                f" record = x'', reported = 1 WHERE {which}"
            )
        if not scrub(self._connection):
            raise OperationalError("the ledger is being read; try again", is_retry_safe=True)
        return int(count), int(size)

    def report_again(self, since: int) -> None:
        """Let outcomes since an instant be written to the log again."""
        self._connection.execute(
            "UPDATE message SET reported = 0 WHERE reported AND finished_at >= ?"
            " AND status NOT IN ('intent', 'held', 'handing_over')",
            (since,),
        )

    def rendering(self, key: str, data: bytes | None = None) -> bytes:
        """Return the rendering kept under a key; keep `data` there if there is none yet."""
        if data is not None:
            self._connection.execute("INSERT OR IGNORE INTO rendering VALUES (?, ?)", (key, data))
        row = self._connection.execute("SELECT data FROM rendering WHERE key = ?", (key,))
        found = row.fetchone()
        return b"" if found is None else bytes(found[0])

    def message(self, effect_id: str) -> Message | None:
        """Return one message with its record."""
        found = self._select(f"SELECT {_ALL} FROM message WHERE effect_id = ?", (effect_id,))
        return found[0] if found else None

    def messages(
        self,
        *,
        profile_ids: Sequence[int] | None = None,
        status: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Message]:
        """Return messages, newest first, without records."""
        conditions: list[str] = []
        values: list[object] = []
        if profile_ids is not None:
            conditions.append(f"profile_id IN ({', '.join('?' * len(profile_ids))})")
            values += profile_ids
        if status is not None:
            conditions.append("status = ?")
            values.append(status)
        if before is not None:
            conditions.append("created_at < ?")
            values.append(before)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return self._select(
            f"SELECT {_LISTED} FROM message{where} ORDER BY seq DESC LIMIT ?", (*values, limit)
        )

    def counts(self) -> dict[str, int]:
        """Return the number of messages by status."""
        rows = self._connection.execute(
            "SELECT status, sum(count) FROM tally GROUP BY status HAVING sum(count) > 0"
        )
        return dict(rows.fetchall())

    def counts_by_journey(self) -> dict[str, dict[str, int]]:
        """Return the number of messages by journey and status."""
        found: dict[str, dict[str, int]] = {}
        rows = self._connection.execute("SELECT journey, status, count FROM tally WHERE count > 0")
        for journey, status, count in rows.fetchall():
            found.setdefault(journey, {})[status] = count
        return found

    def unfinished(self, now: int) -> int:
        """Return how many messages keep deliver busy now."""
        row = self._connection.execute(
            "SELECT (SELECT count(*) FROM message WHERE status IN ('intent', 'held')"
            " AND next_attempt_at <= ?)"
            " + (SELECT count(*) FROM message WHERE status = 'handing_over')"
            " + (SELECT count(*) FROM message WHERE NOT reported"
            " AND status NOT IN ('intent', 'held', 'handing_over'))",
            (now,),
        ).fetchone()
        return int(row[0])

    def close(self) -> None:
        """Close the file."""
        self._repeatable.close()
        self._connection.close()

    def _select(self, sql: str, values: Sequence[object]) -> list[Message]:
        rows = self._connection.execute(sql, values).fetchall()
        return [Message(**dict(zip(_FIELDS, row, strict=True))) for row in rows]


def _row(message: Message) -> dict[str, object]:
    return {name: getattr(message, name) for name in _FIELDS}
