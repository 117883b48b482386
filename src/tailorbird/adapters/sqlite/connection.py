"""Opening SQLite files the way this project uses them: WAL, migrations, local disks."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tailorbird.base.problems import TailorbirdError

_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph"})
_NETWORK_PREFIXES = ("fuse.sshfs", "fuse.glusterfs", "fuse.s3", "fuse.rclone", "fuse.gcsfuse")
_BUSY_MILLISECONDS = 10_000


class StorageProblem(TailorbirdError):
    """A data folder that cannot be used; the text says why and what to do."""


def connect(
    path: Path, *, synchronous: str = "NORMAL", migrations: Path | None = None
) -> sqlite3.Connection:
    """Open a file for reading and writing and bring its tables up to date.

    `migrations` is a folder of `NNNN_title.sql`, each run once, in order, forward only.

    Raises:
        StorageProblem: the file was made by a newer release, cannot be written, or is none of ours.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if migrations is not None and not path.exists():
            _create(path, migrations)
        connection = _open(path, synchronous)
        if migrations is not None:
            _migrate(connection, path, migrations)
    except (sqlite3.OperationalError, OSError) as problem:
        raise StorageProblem(
            f"{path} cannot be opened for writing ({problem}); its folder has to be there and"
            " writable for whoever runs this, with room on its disk"
        ) from problem
    except sqlite3.DatabaseError as problem:
        raise _damaged(path, problem) from problem
    return connection


def _damaged(path: Path, problem: Exception) -> StorageProblem:
    return StorageProblem(
        f"{path} is damaged or no file of Tailorbird ({problem}); restore it from a backup"
    )


def _create(path: Path, migrations: Path) -> None:
    """Make a file with its tables under another name first: who sees it may read it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    connection = _open(fresh, "FULL")
    _migrate(connection, fresh, migrations)
    connection.close()
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # another process was first
    finally:
        fresh.unlink()


def _open(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


def copy_database(source: Path, target: Path) -> None:
    """Copy a file as of its last commit, while another process may write it."""
    reader, writer = connect_reader(source), sqlite3.connect(target)
    try:
        reader.backup(writer)
    finally:
        writer.close()
        reader.close()


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open an existing file for reading, while another process may write it.

    Raises:
        StorageProblem: it is not there, or none of ours.
    """
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
        # The file itself is looked at here, so that a damaged one is named.
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError as problem:
        raise StorageProblem(
            f"{path} cannot be opened for reading ({problem}); the process that owns it makes it"
            " when it first starts: is this the data folder of a server?"
        ) from problem
    except sqlite3.DatabaseError as problem:
        raise _damaged(path, problem) from problem
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A commit that failed leaves its transaction open, and the next could not begin.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def scrub(connection: sqlite3.Connection) -> bool:
    """Write a file anew, without what was deleted, and empty its write-ahead log.

    False where a reader was in the way: the write-ahead log still holds old pages; ask again.
    """
    connection.execute("VACUUM")
    return empty_wal(connection)


def empty_wal(connection: sqlite3.Connection) -> bool:
    """Move the write-ahead log into the file and empty it; False where a reader was in the way."""
    return int(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]) == 0


def refuse_network_disk(folder: Path, mounts: Path = Path("/proc/mounts")) -> None:
    """Refuse a data folder on a network file system: SQLite's WAL needs shared memory.

    Raises:
        StorageProblem: the folder lies on such a file system.
    """
    if not mounts.exists():
        return
    target = str(folder.resolve()) + "/"
    best, kind = "", ""
    for line in mounts.read_text().splitlines():
        _, point, found, *_ = line.split(" ")
        place = point.replace("\\040", " ").rstrip("/") + "/"
        if target.startswith(place) and len(place) >= len(best):
            best, kind = place, found
    if kind in _NETWORK or kind.startswith(_NETWORK_PREFIXES):
        raise StorageProblem(
            f"the data folder {folder} lies on a network file system ({kind}),"
            " where a crash can lose acknowledged events; choose a folder on a local disk"
        )


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Path) -> None:
    done = connection.execute("PRAGMA user_version").fetchone()[0]
    steps = sorted(migrations.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    if done > len(steps):
        raise StorageProblem(
            f"{path} was made by a newer release (tables at step {done}, this release knows"
            f" {len(steps)}); upgrade tailorbird or use another data folder"
        )
    for number, step in enumerate(steps[done:], start=done + 1):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{step.read_text()}\nPRAGMA user_version={number};\nCOMMIT;"
            )
        except sqlite3.OperationalError:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            # Another process that opened the file at the same time may have taken the step.
            if connection.execute("PRAGMA user_version").fetchone()[0] < number:
                raise
