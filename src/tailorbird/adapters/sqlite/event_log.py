"""The log in SQLite: one file at a time, named by its first offset, cut at a size.

WAL with synchronous=FULL: when `append` returns, the records are on disk. Checkpoints are asked
for by the writer between requests (`checkpoint`), never by a commit.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from tailorbird.adapters.sqlite.connection import (
    StorageProblem,
    connect,
    connect_reader,
    empty_wal,
    transaction,
)
from tailorbird.events.event import Record
from tailorbird.events.upcast import CHAINS, Chains, present, written
from tailorbird.ports.event_log import Draft, LogProblem, Stamped

FILE_BYTES_MAX = 256 * 1024 * 1024
_SEAL_MILLISECONDS_MAX = 100
_FOLDER_SETTLES_NANOSECONDS = 1_000_000_000
_MIGRATIONS = Path(__file__).parent / "sql" / "event_log"
_INSERT = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)"
# A statement for many rows takes a fifth less time than one for each of them.
_ROWS_AT_ONCE = 20
_INSERT_MANY = _INSERT + ", (?, ?, ?, ?, ?, ?, ?)" * (_ROWS_AT_ONCE - 1)
_ROWS_PER_COPIED_COMMIT = 20_000
_READ_AT_ONCE_MAX = 2  # where one file ends, the next begins
_Row = tuple[int, int, int, str, int, int, bytes]
_COLUMNS = "offset, partition, now, kind, profile_id, body"


class SqliteEventLog:
    """Writer or reader of the log of one data folder; one process writes, any number read."""

    def __init__(
        self,
        folder: Path,
        *,
        is_writer: bool = False,
        file_bytes_max: int = FILE_BYTES_MAX,
        chains: Chains = CHAINS,
    ) -> None:
        """`chains` bring records of earlier forms to today's; what is written gets its number."""
        self._chains = chains
        self._folder = folder
        self._is_writer = is_writer
        self._file_bytes_max = file_bytes_max
        self._files: list[tuple[int, Path]] = []
        self._written_to: sqlite3.Connection | None = None
        # The writer brings the tables of what it reads up to date.
        self._open = _to_write if is_writer else connect_reader
        self._readers = _Readers(self._open)
        self._looked_at = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._look_for_files()
        if is_writer:
            if not self._files:
                self._start_file(1)
            self._end = self._read_end()
            self._last_now = self._read_last_now()
            self._bytes = self._files[-1][1].stat().st_size

    def append(self, drafts: Sequence[Draft], now: int) -> Sequence[Record]:
        """Stamp and store the drafts atomically and durably; see the port."""
        # Before the records, not after: a file that cannot be started must refuse what comes, not
        # answer badly for what was stored.
        if self._bytes > self._file_bytes_max and self._end >= self._files[-1][0]:
            self._seal_file()
        first, stamp = self._end + 1, max(now, self._last_now + 1)
        bodies = self._written(drafts)
        rows = [
            (offset, one.partition, at, one.kind, one.profile_id, one.dedup, body)
            for offset, at, one, body in zip(
                count(first), count(stamp), drafts, bodies, strict=False
            )
        ]
        connection = self._last_file()
        try:
            with transaction(connection):
                _insert(connection, rows)
        except sqlite3.Error as problem:
            raise self._refusal(problem) from problem
        self._end += len(rows)
        self._last_now = stamp + len(rows) - 1 if rows else self._last_now
        self._bytes += sum(map(len, bodies)) + 40 * len(rows)
        return Stamped(drafts, first, stamp)

    def _written(self, drafts: Sequence[Draft]) -> list[bytes]:
        if not self._chains:
            return [one.body for one in drafts]  # today's form is that of the first release
        return [written(one.kind, one.body, self._chains) for one in drafts]

    def read(
        self, after: int, limit: int, partitions: Collection[int] | None = None
    ) -> list[Record]:
        """Return up to `limit` records after an offset, in order; see the port."""
        found: list[Record] = []
        where = ""
        if partitions is not None:
            where = f" AND partition IN ({','.join(str(int(one)) for one in partitions)})"
        sql = f"SELECT {_COLUMNS} FROM record WHERE offset > ?{where} ORDER BY offset LIMIT ?"
        for path in self._paths_from(after + 1):
            rows = self._readers.of(path).execute(sql, (after, limit - len(found))).fetchall()
            found += [self._record(row) for row in rows]
            if len(found) >= limit:
                break
        return found

    def read_kind(self, kind: str) -> Iterator[Record]:
        """Yield all records of a kind, in order: a walk through the whole log."""
        self._look_for_files()
        sql = f"SELECT {_COLUMNS} FROM record WHERE kind = ? ORDER BY offset"
        for _, path in self._files:
            yield from map(self._record, self._rows(path, sql, kind))

    def merges(self, before: int) -> Iterator[Record]:
        """Yield the records that say who is who, by an index of their own; see the port."""
        self._look_for_files()
        # The condition on kinds is that of the index, word for word.
        sql = (
            f"SELECT {_COLUMNS} FROM record"
            " WHERE kind IN ('merge_in', 'unmerge') AND offset < ? ORDER BY offset"
        )
        for first, path in self._files:
            if first < before:
                yield from map(self._record, self._rows(path, sql, before))

    def offset_before(self, now: int) -> int:
        """Return the last offset that was stamped before `now`: stamps rise with offsets."""
        high = self.end()
        low = min(self._files[0][0] - 1, high)
        while low < high:
            middle = (low + high + 1) // 2
            if self._stamp(middle) < now:
                low = middle
            else:
                high = middle - 1
        return low

    def _stamp(self, offset: int) -> int:
        path = self._paths_from(offset)[0]
        found = self._readers.of(path).execute("SELECT now FROM record WHERE offset=?", (offset,))
        return int(found.fetchone()[0])

    def dedups_since(self, now: int) -> Iterator[tuple[int, int]]:
        """Yield stamps and deduplication keys, newest first; see the port."""
        self._look_for_files()
        sql = "SELECT now, dedup FROM record ORDER BY offset DESC"
        for _, path in reversed(self._files):
            for stamp, dedup in self._rows(path, sql):
                if stamp < now:
                    return
                if dedup:
                    yield stamp, dedup

    def end(self) -> int:
        """Return the last offset."""
        return self._end if self._is_writer else self._read_end()

    def last_now(self) -> int:
        """Return the stamp of the last record."""
        return self._last_now if self._is_writer else self._read_last_now()

    def _read_last_now(self) -> int:
        self._look_for_files()
        for _, path in reversed(self._files):
            row = self._readers.of(path).execute(
                "SELECT now FROM record ORDER BY offset DESC LIMIT 1"
            )
            found = row.fetchone()
            if found:
                return int(found[0])
        return 0

    def files(self) -> list[Path]:
        """Return the files of the log, in order; the last one is written to."""
        self._look_for_files()
        return [path for _, path in self._files]

    @staticmethod
    def write_copy(folder: Path, records: Iterable[Record]) -> None:
        """Write a log to be read for a while: records in any order, each at its offset."""
        folder.mkdir(parents=True)
        path = folder / f"{1:012d}.db"
        rows = (
            (one.offset, one.partition, one.now, one.kind, one.profile_id, 0, body)
            for one in records
            for body in [written(one.kind, one.body)]
        )
        with contextlib.closing(connect(path, synchronous="OFF", migrations=_MIGRATIONS)) as copy:
            while some := list(islice(rows, _ROWS_PER_COPIED_COMMIT)):
                with transaction(copy):
                    copy.executemany(_INSERT, some)
                empty_wal(copy)

    @staticmethod
    def make_stubs(path: Path, profile_ids: Sequence[int], until: int) -> tuple[int, int]:
        """Overwrite the bodies of profiles' records up to an offset; return records and bytes.

        The records of the erasures themselves stay. Of the last file call it while nothing is
        appended.

        Raises:
            LogProblem: a reader was in the way for too long; ask again.
        """
        marks = ",".join(str(int(one)) for one in profile_ids)
        which = f"profile_id IN ({marks}) AND offset <= {int(until)} AND kind != 'erase'"
        connection = connect(path, synchronous="FULL")
        try:
            connection.execute("PRAGMA secure_delete=ON")
            records, size = connection.execute(
                f"SELECT count(*), total(length(body)) FROM record WHERE {which}"
            ).fetchone()
            if records:
                with transaction(connection):
                    connection.execute(f"UPDATE record SET body = x'' WHERE {which}")
            _empty(connection, path)
        finally:
            connection.close()
        return int(records), int(size)

    @staticmethod
    def replace_body(path: Path, offset: int, kind: str, body: bytes) -> None:
        """Write another body of today's form over a record's; see `make_stubs`."""
        body = written(kind, body)
        connection = connect(path, synchronous="FULL")
        try:
            connection.execute("PRAGMA secure_delete=ON")
            with transaction(connection):
                connection.execute("UPDATE record SET body = ? WHERE offset = ?", (body, offset))
            _empty(connection, path)
        finally:
            connection.close()

    def checkpoint(self) -> int:
        """Move the write-ahead log into the file; return the pages that were left behind.

        On a connection of its own: it may run beside `append` in another thread, since a passive
        checkpoint waits for nobody, but on the appending connection it would make a commit fail.
        Only when it runs while nothing is appended does the write-ahead log begin anew.
        """
        connection = connect(self._files[-1][1], synchronous="FULL")
        try:
            row = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            return int(row[1] - row[2])
        finally:
            connection.close()

    def close(self) -> None:
        """Close all files."""
        if self._written_to is not None:
            self._written_to.close()
            self._written_to = None
        self._readers.close()

    def _record(self, row: tuple[int, int, int, str, int, bytes]) -> Record:
        offset, partition, now, kind, profile_id, body = row
        body = present(kind, body, self._chains)
        return Record(offset, partition, now, kind, profile_id, body)

    def _read_end(self) -> int:
        self._look_for_files()
        for first, path in reversed(self._files):
            found = self._readers.of(path).execute("SELECT max(offset) FROM record").fetchone()[0]
            if found is not None:
                return int(found)
            if first > 1:
                return first - 1
        return 0

    def _paths_from(self, offset: int) -> list[Path]:
        # A reader learns of a new file only when it has come to the end of the last one it knows.
        position = max(bisect_right([first for first, _ in self._files], offset) - 1, 0)
        if position >= len(self._files) - 1:
            self._look_for_files()
        return [path for _, path in self._files[position:]]

    def _look_for_files(self) -> None:
        # A new file changes the folder's time; readers ask hundreds of times a second. The time
        # ticks coarsely, so a fresh one does not yet mean that all has been seen.
        changed_at = self._folder.stat().st_mtime_ns
        if changed_at == self._looked_at:
            return
        is_settled = time.time_ns() - changed_at > _FOLDER_SETTLES_NANOSECONDS
        self._looked_at = changed_at if is_settled else 0
        self._files = sorted((int(path.stem), path) for path in self._folder.glob("[0-9]*.db"))

    def _seal_file(self) -> None:
        """Start the next file, and give the write-ahead log of the full one back to the disk."""
        full = self._last_file()
        try:
            self._start_file(self._end + 1)
        except (sqlite3.Error, StorageProblem) as problem:
            raise self._refusal(problem) from problem
        with contextlib.suppress(sqlite3.Error):  # a reader is in it: it stays a little larger
            full.execute(f"PRAGMA busy_timeout={_SEAL_MILLISECONDS_MAX}")
            full.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        full.close()

    def _refusal(self, problem: Exception) -> LogProblem:
        return LogProblem(
            f"the log in {self._folder} refuses to store ({problem}); nothing was kept:"
            " free disk space or make the folder writable, then send again",
            is_retry_safe=True,
        )

    def _rows(self, path: Path, sql: str, *given: object) -> Iterator[Any]:
        """Yield rows on a connection of their own: what is read meanwhile closes others."""
        with contextlib.closing(self._open(path)) as connection:
            yield from connection.execute(sql, given)

    def _start_file(self, first: int) -> None:
        path = self._folder / f"{first:012d}.db"
        self._written_to = _to_write(path)
        self._files.append((first, path))
        self._bytes = 0

    def _last_file(self) -> sqlite3.Connection:
        """Return the writer's connection to the file that is written to."""
        if self._written_to is None:
            self._written_to = _to_write(self._files[-1][1])
        return self._written_to


class _Readers(threading.local):
    """Connections to files that are read: each thread has a few, and closes one for another.

    A log may have thousands of files, and a connection takes three descriptors and some megabytes.
    """

    def __init__(self, open_file: Callable[[Path], sqlite3.Connection]) -> None:
        self._open_file = open_file
        self._opened: dict[Path, sqlite3.Connection] = {}

    def of(self, path: Path) -> sqlite3.Connection:
        """Return a connection to a file, good until another file is asked for."""
        connection = self._opened.pop(path, None) or self._open_file(path)
        self._opened[path] = connection
        while len(self._opened) > _READ_AT_ONCE_MAX:
            self._opened.pop(next(iter(self._opened))).close()
        return connection

    def close(self) -> None:
        """Close those of this thread."""
        while self._opened:
            self._opened.popitem()[1].close()


def _to_write(path: Path) -> sqlite3.Connection:
    connection = connect(path, synchronous="FULL", migrations=_MIGRATIONS)
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def _insert(connection: sqlite3.Connection, rows: list[_Row]) -> None:
    whole = len(rows) - len(rows) % _ROWS_AT_ONCE
    for begin in range(0, whole, _ROWS_AT_ONCE):
        connection.execute(_INSERT_MANY, [*chain(*rows[begin : begin + _ROWS_AT_ONCE])])
    connection.executemany(_INSERT, rows[whole:])


def _empty(connection: sqlite3.Connection, path: Path) -> None:
    if not empty_wal(connection):
        raise LogProblem(f"{path.name} is being read; it is tried again", is_retry_safe=True)
