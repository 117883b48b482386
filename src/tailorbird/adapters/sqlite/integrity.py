"""What the files of a data folder say of themselves: gaps, counts, numbers, differing tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from tailorbird.adapters.sqlite.connection import connect_reader

_SHOWN_MAX = 10


def log_gaps(folder: Path) -> list[str]:
    """Return where offsets or stamps of a log do not follow on, file by file."""
    found: list[str] = []
    end = last_now = 0
    for path in sorted(folder.glob("[0-9]*.db"), key=lambda one: int(one.stem)):
        with closing(connect_reader(path)) as reader:
            first, last, count, earliest, latest = reader.execute(
                "SELECT min(offset), max(offset), count(*), min(now), max(now) FROM record"
            ).fetchone()
            if int(path.stem) != end + 1:
                found.append(f"{path.name} follows on record {end:,}")
            if not count:
                continue
            if first != int(path.stem):
                found.append(f"{path.name} begins with record {first:,}")
            if last - first + 1 != count:
                found.append(f"{path.name} lacks {last - first + 1 - count:,} record(s)")
                found += _missing(reader)
            if earliest <= last_now:
                found.append(f"{path.name} has stamps earlier than the file before")
            end, last_now = last, latest
    return found


def _missing(reader: sqlite3.Connection) -> list[str]:
    rows = reader.execute(
        "SELECT before, offset FROM (SELECT offset, lag(offset) OVER (ORDER BY offset) AS before"
        " FROM record) WHERE offset > before + 1 LIMIT ?",
        (_SHOWN_MAX,),
    )
    return [f"nothing between records {before:,} and {after:,}" for before, after in rows]


def miscounted(state: Path) -> list[str]:
    """Return what a state counts otherwise than its rows are."""
    with closing(connect_reader(state)) as reader:
        # One statement each: a reader sees one commit, however the engine goes on.
        rows = reader.execute(
            "SELECT name, size, (SELECT count(*) FROM membership WHERE segment_id = segment.id)"
            " AS counted FROM segment WHERE size != counted"
        )
        found = [
            f"segment {name} says {size:,} members, there are {counted:,}"
            for name, size, counted in rows
        ]
        said, counted = reader.execute(
            "SELECT (SELECT value FROM progress WHERE name = 'profiles'),"
            " (SELECT count(*) FROM profile WHERE NOT is_merged)"
        ).fetchone()
    if said != counted:
        found.append(f"it says {said:,} people, there are {counted:,}")
    return found


def outbox_number(state: Path) -> int:
    """Return the largest number that a row of a state's outbox ever got."""
    with closing(connect_reader(state)) as reader:
        row = reader.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'outbox'")
        return int(row.fetchone()[0] or 0)


def differing_tables(left: Path, right: Path, tables: Iterable[str]) -> list[str]:
    """Return how two files differ in tables of the same columns."""
    found: list[str] = []
    with closing(sqlite3.connect(left)) as connection:
        connection.execute("ATTACH ? AS other", (str(right),))
        for table in tables:
            for one, two, says in (
                ("main", "other", "too many"),
                ("other", "main", "missing"),
            ):
                count = connection.execute(
                    f"SELECT count(*) FROM (SELECT * FROM {one}.{table}"
                    f" EXCEPT SELECT * FROM {two}.{table})"
                ).fetchone()[0]
                if count:
                    found.append(f"{count:,} row(s) of `{table}` are {says}")
    return found
