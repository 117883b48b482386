"""What one engine derived, in one SQLite file: profiles, memberships, deadlines, outbox, offset."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any

from tailorbird.adapters.sqlite.connection import connect, connect_reader, scrub, transaction
from tailorbird.events.event import PARTITIONS, partition_of
from tailorbird.ports.state_store import SEND, Commit, MembershipRow, OutboxRow, SweepRow

_SQL = Path(__file__).parent / "sql"
_MIGRATIONS = _SQL / "state"
_UPSERT_PROFILE = (_SQL / "upsert_profile.sql").read_text()
_DUE_PARTITIONS = (_SQL / "due_partitions.sql").read_text()
_CHUNK = 500
_PROFILE_ID = attrgetter("profile_id")
_CACHE_KILOBYTES = 16_000
_CHECKPOINT_PAGES_MAX = 16_000


class SqliteStateStore:
    """Owned by one engine; `web`, `deliver` and the log's writer open it as readers.

    synchronous=NORMAL: after a power loss it may fall back some commits; what left it for the log
    or the ledger has a name, so reducing again does no harm.
    """

    def __init__(self, path: Path, *, is_writer: bool = False) -> None:
        if is_writer:
            self._connection = connect(path, synchronous="NORMAL", migrations=_MIGRATIONS)
            self._connection.execute(f"PRAGMA cache_size=-{_CACHE_KILOBYTES}")
            # The engine's process checkpoints beside its commits; this is for who does not.
            self._connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES_MAX}")
        else:
            self._connection = connect_reader(path)
        self._path = path
        self._segment_ids: dict[str, int] = {}

    def commit(self, commit: Commit) -> None:
        """Store a batch atomically."""
        try:
            self._store(commit)
        except BaseException:
            self._segment_ids.clear()  # numbers given in vain
            raise

    def _store(self, commit: Commit) -> None:
        connection = self._connection
        with transaction(connection):
            self._store_profiles(commit)
            self._store_memberships(commit.memberships)
            connection.executemany(
                "INSERT OR IGNORE INTO outbox"
                " (effect_id, kind, partition, offset, profile_id, body) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (row.effect_id, row.kind, row.partition, row.offset, row.profile_id, row.body)
                    for row in commit.outbox
                ],
            )
            for kind, seq in commit.outbox_done.items():
                connection.execute("DELETE FROM outbox WHERE seq <= ? AND kind = ?", (seq, kind))
            connection.executemany(
                "INSERT OR REPLACE INTO version VALUES (?, ?)", list(commit.versions.items())
            )
            connection.executemany("INSERT OR REPLACE INTO poison VALUES (?, ?)", commit.poison)
            self._store_sweeps(commit)
            connection.execute(
                "UPDATE progress SET value = ? WHERE name = 'offset'", (commit.offset,)
            )

    def erase(self, profile_id: int) -> None:
        """Remove all of a profile; `scrub` then overwrites what the file still holds of it."""
        connection = self._connection
        with transaction(connection):
            connection.execute(
                "UPDATE progress SET value = value - (SELECT count(*) FROM profile"
                " WHERE id = ? AND NOT is_merged) WHERE name = 'profiles'",
                (profile_id,),
            )
            connection.execute("DELETE FROM profile WHERE id = ?", (profile_id,))
            for (segment_id,) in connection.execute("SELECT id FROM segment").fetchall():
                gone = connection.execute(
                    "DELETE FROM membership WHERE segment_id = ? AND profile_id = ?",
                    (segment_id, profile_id),
                ).rowcount
                connection.execute(
                    "UPDATE segment SET size = size - ? WHERE id = ?", (gone, segment_id)
                )
            connection.execute("DELETE FROM outbox WHERE profile_id = ?", (profile_id,))
            connection.execute("DELETE FROM poison WHERE instr(error, ?)", (f" of {profile_id}:",))
            connection.execute("INSERT OR REPLACE INTO progress VALUES ('unscrubbed', 1)")

    def is_scrubbed(self) -> bool:
        """Say whether nothing of an erased profile is left in the file or beside it."""
        return not self._number("SELECT count(*) FROM progress WHERE name = 'unscrubbed'")

    def scrub(self) -> None:
        """Write the file anew without what was erased, and empty the write-ahead log."""
        if scrub(self._connection):
            self._connection.execute("DELETE FROM progress WHERE name = 'unscrubbed'")

    def offset(self) -> int:
        """Return the offset of the last record in the state."""
        return self._number("SELECT value FROM progress WHERE name = 'offset'")

    def versions(self) -> dict[int, str]:
        """Return the live version of each partition."""
        return dict(self._connection.execute("SELECT partition, version FROM version").fetchall())

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that is read meanwhile be of one commit; for readers."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    def profiles(self, profile_ids: Iterable[int]) -> dict[int, bytes]:
        """Return the encoded states of those that exist."""
        wanted = sorted(profile_ids)  # in the order of the table
        found: dict[int, bytes] = {}
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            rows = self._connection.execute(
                f"SELECT id, state FROM profile WHERE id IN ({marks})", chunk
            )
            found.update(rows.fetchall())
        return found

    def sweeps(self) -> list[SweepRow]:
        """Return the activations that are on their way."""
        rows = self._rows("SELECT partition, offset, before, after, tick FROM sweep ORDER BY 1")
        return [SweepRow(*row) for row in rows]

    def swept(self) -> set[int]:
        """Return who was activated ahead of a sweep."""
        return {row[0] for row in self._rows("SELECT profile_id FROM swept")}

    def due(self, partition: int, until: int) -> list[int]:
        """Return ids of profiles with a deadline <= `until`."""
        rows = self._connection.execute(
            "SELECT id FROM profile WHERE partition = ? AND deadline <= ? ORDER BY id",
            (partition, until),
        )
        return [row[0] for row in rows.fetchall()]

    def due_partitions(self, until: int) -> dict[int, int]:
        """Return the earliest due deadline of each partition that has one."""
        return dict(self._connection.execute(_DUE_PARTITIONS, (PARTITIONS, until)).fetchall())

    def profile_ids(self, partition: int, after: int, limit: int) -> list[int]:
        """Page through the profile ids of a partition."""
        rows = self._connection.execute(
            "SELECT id FROM profile WHERE partition = ? AND id > ? ORDER BY id LIMIT ?",
            (partition, after, limit),
        )
        return [row[0] for row in rows.fetchall()]

    def outbox(self, after: int, limit: int, kind: str = SEND) -> list[OutboxRow]:
        """Return outbox rows of a kind after a sequence number."""
        rows = self._connection.execute(
            "SELECT seq, effect_id, kind, partition, offset, profile_id, body FROM outbox"
            " WHERE seq > ? AND kind = ? ORDER BY seq LIMIT ?",
            (after, kind, limit),
        )
        return [OutboxRow(*row) for row in rows.fetchall()]

    def number_outbox_after(self, seq: int) -> None:
        """Give outbox rows numbers above `seq`; see the port."""
        # `sqlite_sequence` is where AUTOINCREMENT keeps the largest number ever given.
        with transaction(self._connection):
            known = self._number("SELECT max(seq) FROM sqlite_sequence WHERE name = 'outbox'")
            if known < seq:
                self._connection.execute("DELETE FROM sqlite_sequence WHERE name = 'outbox'")
                self._connection.execute("INSERT INTO sqlite_sequence VALUES ('outbox', ?)", (seq,))

    def poisoned(self, limit: int) -> list[tuple[int, str]]:
        """Return what could not be reduced, newest first."""
        rows = self._connection.execute(
            "SELECT offset, error FROM poison ORDER BY offset DESC LIMIT ?", (limit,)
        )
        return rows.fetchall()

    def poison_count(self) -> int:
        """Return how many records could not be reduced."""
        return self._number("SELECT count(*) FROM poison")

    def segment_sizes(self) -> dict[str, int]:
        """Return the number of members of each segment."""
        return dict(self._connection.execute("SELECT name, size FROM segment").fetchall())

    def members(self, segment: str, after: int, limit: int) -> list[tuple[int, int]]:
        """Return (profile id, since) of members after an id."""
        rows = self._connection.execute(
            "SELECT profile_id, since FROM membership"
            " WHERE segment_id = (SELECT id FROM segment WHERE name = ?) AND profile_id > ?"
            " ORDER BY profile_id LIMIT ?",
            (segment, after, limit),
        )
        return rows.fetchall()

    def count(self) -> int:
        """Return the number of living profiles."""
        return self._number("SELECT value FROM progress WHERE name = 'profiles'")

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file, on a connection of its own.

        It may run in another thread beside `commit`, without waiting. Only one that runs between
        two commits lets the write-ahead log begin anew.
        """
        connection = connect(self._path, synchronous="NORMAL")
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            connection.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _store_profiles(self, commit: Commit) -> None:
        self._connection.executemany(
            _UPSERT_PROFILE,
            [
                (row.profile_id, row.partition, row.deadline, row.is_merged, row.state)
                for row in sorted(commit.profiles, key=_PROFILE_ID)
            ],
        )
        if commit.growth:
            self._connection.execute(
                "UPDATE progress SET value = value + ? WHERE name = 'profiles'", (commit.growth,)
            )

    def _store_sweeps(self, commit: Commit) -> None:
        connection = self._connection
        for partition in commit.sweeps_done:
            connection.execute("DELETE FROM sweep WHERE partition = ?", (partition,))
            connection.execute("DELETE FROM swept WHERE partition = ?", (partition,))
        connection.executemany(
            "INSERT OR REPLACE INTO sweep VALUES (?, ?, ?, ?, ?)",
            [(row.partition, row.offset, row.before, row.after, row.tick) for row in commit.sweeps],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO swept VALUES (?, ?)",
            [(one, partition_of(one)) for one in commit.swept],
        )

    def _store_memberships(self, rows: Sequence[MembershipRow]) -> None:
        latest: dict[str, dict[int, MembershipRow]] = {}
        for row in rows:
            latest.setdefault(row.segment, {})[row.profile_id] = row
        for segment, changes in latest.items():
            segment_id = self._segment_id(segment)
            joined = [
                (segment_id, row.profile_id, row.since, row.cause)
                for row in changes.values()
                if row.is_member
            ]
            left = [(segment_id, row.profile_id) for row in changes.values() if not row.is_member]
            growth = self._changed("INSERT OR IGNORE INTO membership VALUES (?, ?, ?, ?)", joined)
            if growth < len(joined):
                # Some were members already: a merge can make them so since an earlier time.
                self._changed("INSERT OR REPLACE INTO membership VALUES (?, ?, ?, ?)", joined)
            growth -= self._changed(
                "DELETE FROM membership WHERE segment_id = ? AND profile_id = ?", left
            )
            if growth:
                self._connection.execute(
                    "UPDATE segment SET size = size + ? WHERE id = ?", (growth, segment_id)
                )

    def _changed(self, sql: str, rows: Sequence[tuple[object, ...]]) -> int:
        """Run a statement for each row; return how many rows of the table changed."""
        return self._connection.executemany(sql, rows).rowcount if rows else 0

    def _segment_id(self, name: str) -> int:
        known = self._segment_ids.get(name)
        if known is None:
            self._connection.execute("INSERT OR IGNORE INTO segment (name) VALUES (?)", (name,))
            row = self._connection.execute("SELECT id FROM segment WHERE name = ?", (name,))
            known = self._segment_ids[name] = int(row.fetchone()[0])
        return known

    def _number(self, sql: str) -> int:
        rows = self._rows(sql)
        return int(rows[0][0] or 0) if rows else 0

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql).fetchall()
        except sqlite3.OperationalError as problem:
            # A reader may come before the owner has made the tables.
            if "no such table" in str(problem):
                return []
            raise
