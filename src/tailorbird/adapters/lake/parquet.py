"""The lake in a folder: `date=D/FIRST-LAST.parquet` for events, `records/` for all other kinds.

`manifest.json` names the files that count, with the offset of the log up to which they hold
everything. It is written anew beside the old one and takes its place in one step: a crash leaves
files that nobody names, which the next addition removes. Files of an older manifest are left for
readers that began with it, until the addition after.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from tailorbird.base.problems import OperationalError
from tailorbird.base.time import DAY, from_micros
from tailorbird.ports.lake import PROMOTED, LakeEvent, LakeRecord

MANIFEST = "manifest.json"
QUARANTINE = "quarantine"
FILES_PER_DAY_MAX = 8
_FORMAT = "FORMAT parquet, COMPRESSION zstd"
_FACETS = {str: ("text", "VARCHAR"), bool: ("truth", "BOOLEAN"), int: ("number", "BIGINT")}
# Numbers come scaled by 1e9.
_NUMBER = "CAST({0}::DECIMAL(22, 0) * 0.000000001::DECIMAL(10, 9) AS DECIMAL(22, 9)) AS {0}"
_INSTANTS = ("now", "known_at", "timestamp", "original_timestamp")
_KINDS = {
    "record_offset": "BIGINT",
    "partition": "UTINYINT",
    "profile_id": "BIGINT",
    "survivor_id": "BIGINT",
    "event_order": "BIGINT",
    "is_historical": "BOOLEAN",
    "body": "BLOB",
}


class LakeFile(msgspec.Struct, frozen=True):
    """A file that counts. `day` is "" for records; `lists` are promoted names that hold lists."""

    path: str  # in the folder
    day: str
    first: int  # offsets
    last: int
    rows: int
    size: int  # bytes
    lists: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True):
    """What counts, and up to which offset of the log."""

    offset: int = 0
    files: tuple[LakeFile, ...] = ()


_decode = msgspec.json.Decoder(Manifest).decode
_encode = msgspec.json.Encoder().encode


class ParquetLake:
    """`ports.lake.Lake`; one process writes, any number read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def manifest(self) -> Manifest:
        """Return what counts now.

        Raises:
            OperationalError: the manifest cannot be read.
        """
        path = self._folder / MANIFEST
        try:
            return _decode(path.read_bytes())
        except FileNotFoundError:
            return Manifest()
        except (OSError, msgspec.DecodeError) as problem:
            raise OperationalError(
                f"{path} cannot be read ({problem}): remove the folder {self._folder}, the lake is"
                " made again from the log",
                is_retry_safe=True,
            ) from problem

    def offset(self) -> int:
        """Return the offset of the log up to which the lake holds everything."""
        return self.manifest().offset

    def event_files(self) -> list[Path]:
        """Return the files that hold events, by day."""
        return [self._folder / one.path for one in self.manifest().files if one.day]

    def promoted(self) -> tuple[str, ...]:
        """Return the properties whose columns stand for them: those that never hold a list."""
        lists = {name for one in self.manifest().files for name in one.lists}
        return tuple(sorted(PROMOTED - lists))

    def add(self, events: Sequence[LakeEvent], records: Sequence[LakeRecord], offset: int) -> None:
        """Add rows durably and move the offset on: both or none of it."""
        before = self.manifest()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._sweep(before)
            with _connection() as connection:
                files = [*self._write_days(connection, events), *self._write(connection, records)]
            self._replace(Manifest(offset, (*before.files, *files)))
        except (OSError, duckdb.Error) as problem:
            raise OperationalError(
                f"the lake in {self._folder} cannot be written ({problem}); the log has everything,"
                " it is tried again",
                is_retry_safe=True,
            ) from problem

    def compact(self) -> int:
        """Make one file of each day's many; return how many files were made."""
        before = self.manifest()
        by_day: dict[str, list[LakeFile]] = {}
        for one in before.files:
            by_day.setdefault(one.day, []).append(one)
        made: dict[str, LakeFile] = {}
        with _connection() as connection:
            for day, files in by_day.items():
                if len(files) > FILES_PER_DAY_MAX:
                    made[day] = self._merged(connection, day, files)
        if made:
            kept = [one for one in before.files if one.day not in made]
            self._replace(Manifest(before.offset, (*kept, *made.values())))
        return len(made)

    def forget(self, profile_ids: Collection[int], until: int) -> int:
        """Remove rows of profiles up to an offset; files that held them are removed at once."""
        before = self.manifest()
        marks = ",".join(str(int(one)) for one in profile_ids) or "NULL"
        which = f"profile_id IN ({marks}) AND record_offset <= {int(until)}"
        files: list[LakeFile] = []
        gone: list[Path] = []
        count = 0
        with _connection() as connection:
            for one in before.files:
                source = f"read_parquet({_quoted(self._folder / one.path)})"
                (found,) = _row(connection, f"SELECT count(*) FROM {source} WHERE {which}")
                if not found:
                    files.append(one)
                    continue
                count += found
                gone.append(self._folder / one.path)
                if found < one.rows:
                    rest = f"SELECT * FROM {source} WHERE NOT ({which})"
                    files.append(self._copy(connection, rest, one.day, one.lists))
        if count:
            self._replace(Manifest(before.offset, tuple(files)))
            for path in gone:
                path.unlink(missing_ok=True)
        return count

    def drop_days(self, before: str) -> int:
        """Remove the days before a date (YYYY-MM-DD); return how many."""
        manifest = self.manifest()
        old = {one.day for one in manifest.files if one.day and one.day < before}
        if old:
            kept = tuple(one for one in manifest.files if one.day not in old)
            self._replace(Manifest(manifest.offset, kept))
        return len(old)

    def check(self) -> list[str]:
        """Set files aside that cannot be read, and return what is wrong with them, in words.

        The lake then goes back to the offset before the first of them, so that the next export
        makes them again from the log.
        """
        manifest = self.manifest()
        bad: list[tuple[LakeFile, str]] = []
        with _connection() as connection:
            for one in manifest.files:
                path = self._folder / one.path
                try:
                    source = f"read_parquet({_quoted(path)})"
                    (rows,) = _row(connection, f"SELECT count(*) FROM {source}")
                    # All columns are read: a truncated page shows itself only then.
                    connection.execute(f"SELECT hash(t) FROM {source} AS t")
                    connection.fetchall()
                    if rows != one.rows:
                        bad.append((one, f"holds {rows} rows, not {one.rows}"))
                except (duckdb.Error, OSError) as problem:
                    bad.append((one, str(problem).splitlines()[0]))
        if not bad:
            return []
        first = min(one.first for one, _ in bad)
        names = {one.path for one, _ in bad}
        aside = self._folder / QUARANTINE
        aside.mkdir(exist_ok=True)
        for one, _ in bad:
            with contextlib.suppress(FileNotFoundError):
                (self._folder / one.path).rename(aside / one.path.replace("/", "_"))
        # What came after the first bad row is made again as well: each row has one file.
        kept: list[LakeFile] = []
        with _connection() as connection:
            for one in manifest.files:
                if one.path in names or one.first >= first:
                    continue
                kept.append(one if one.last < first else self._cut(connection, one, first))
        self._replace(Manifest(first - 1, tuple(kept)))
        return [f"{one.path} {says}: set aside in {QUARANTINE}/" for one, says in bad]

    # -- files -----------------------------------------------------------------------------------

    def _write_days(
        self, connection: duckdb.DuckDBPyConnection, events: Sequence[LakeEvent]
    ) -> Iterator[LakeFile]:
        if not events:
            return
        joined = "events"
        names = LakeEvent._fields[: -len(("promoted", "lists"))]
        _load(connection, "events", names, (row[: len(names)] for row in events))
        columns = [_stored(name) for name in names]
        for column, kind, values in _facets(events):
            connection.execute(
                f"CREATE TEMP TABLE {column} AS SELECT unnest(CAST($1 AS {kind}[])) AS {column}",
                [values],
            )
            columns.append(_NUMBER.format(column) if kind == "BIGINT" else column)
            joined = f"{joined} POSITIONAL JOIN {column}"
        lists = tuple(sorted({name for event in events for name in event.lists}))
        connection.execute(
            f"CREATE TEMP TABLE shaped AS SELECT {', '.join(columns)} FROM {joined}"
            " ORDER BY events.timestamp, event_order"
        )
        for number in sorted({event.timestamp // DAY for event in events}):
            rows = (
                "SELECT * FROM shaped WHERE"
                f" timestamp >= make_timestamp({number * DAY})"
                f" AND timestamp < make_timestamp({(number + 1) * DAY})"
            )
            day = from_micros(number * DAY).date().isoformat()
            yield self._copy(connection, rows, day, lists)

    def _write(
        self, connection: duckdb.DuckDBPyConnection, records: Sequence[LakeRecord]
    ) -> Iterator[LakeFile]:
        if records:
            _load(connection, "records", LakeRecord._fields, records)
            columns = ", ".join(_stored(name) for name in LakeRecord._fields)
            yield self._copy(
                connection, f"SELECT {columns} FROM records ORDER BY record_offset", ""
            )

    def _merged(
        self, connection: duckdb.DuckDBPyConnection, day: str, files: Sequence[LakeFile]
    ) -> LakeFile:
        paths = ", ".join(_quoted(self._folder / one.path) for one in files)
        order = "timestamp, event_order" if day else "record_offset"
        lists = tuple(sorted({name for one in files for name in one.lists}))
        rows = f"SELECT * FROM read_parquet([{paths}], union_by_name = true) ORDER BY {order}"
        return self._copy(connection, rows, day, lists)

    def _cut(self, connection: duckdb.DuckDBPyConnection, file: LakeFile, before: int) -> LakeFile:
        source = f"read_parquet({_quoted(self._folder / file.path)})"
        rows = f"SELECT * FROM {source} WHERE record_offset < {before}"
        return self._copy(connection, rows, file.day, file.lists)

    def _copy(
        self,
        connection: duckdb.DuckDBPyConnection,
        rows: str,
        day: str,
        lists: tuple[str, ...] = (),
    ) -> LakeFile:
        folder = self._folder / (f"date={day}" if day else "records")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{uuid.uuid4().hex}.parquet"
        written = connection.execute(f"COPY ({rows}) TO {_quoted(path)} ({_FORMAT}, RETURN_STATS)")
        told = [column[0] for column in written.description or ()]
        stats = dict(zip(told, written.fetchall()[0], strict=True))
        offsets = stats["column_statistics"]['"record_offset"']
        _sync(path)
        return LakeFile(
            path=str(path.relative_to(self._folder)),
            day=day,
            first=int(offsets["min"]),
            last=int(offsets["max"]),
            rows=stats["count"],
            size=stats["file_size_bytes"],
            lists=lists,
        )

    def _replace(self, manifest: Manifest) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self._folder / f".{MANIFEST}"
        fresh.write_bytes(_encode(manifest))
        _sync(fresh)
        for one in {path.parent for path in (self._folder / f.path for f in manifest.files)}:
            _sync(one)
        fresh.rename(self._folder / MANIFEST)
        _sync(self._folder)

    def _sweep(self, manifest: Manifest) -> None:
        """Remove files that no manifest names: of a crash, or of the one before this."""
        named = {self._folder / one.path for one in manifest.files}
        for path in self._folder.glob("*/*.parquet"):
            if path not in named and path.parent.name != QUARANTINE:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def _connection() -> Iterator[duckdb.DuckDBPyConnection]:
    # More threads would mix up the order of rows within a day's file.
    connection = duckdb.connect(config={"threads": 1})
    try:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _load(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)]
    made = ", ".join(
        f"unnest(CAST(${place} AS {_KINDS.get(name, _kind_of(name))}[])) AS {name}"
        for place, name in enumerate(names, 1)
    )
    connection.execute(f"CREATE TEMP TABLE {table} AS SELECT {made}", columns)


def _kind_of(name: str) -> str:
    return "BIGINT" if name in _INSTANTS else "VARCHAR"


def _stored(name: str) -> str:
    return f"make_timestamp({name}) AS {name}" if name in _INSTANTS else name


def _facets(events: Sequence[LakeEvent]) -> Iterator[tuple[str, str, list[Any]]]:
    """Yield column, type and values of each promoted property, for each type that occurs."""
    for name in sorted({name for event in events for name in event.promoted}):
        values = [event.promoted.get(name) for event in events]
        for kind, (facet, sql) in _FACETS.items():
            if any(type(value) is kind for value in values):
                column = [value if type(value) is kind else None for value in values]
                yield f"{name}__{facet}", sql, column


def _row(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    found = connection.execute(sql).fetchone()
    assert found is not None
    return tuple(found)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_survivors(survivors: Mapping[int, int], path: Path) -> None:
    """Write whose events are whose by now: profile_id and survivor_id."""
    with _connection() as connection:
        _load(connection, "merged", ("profile_id", "survivor_id"), survivors.items())
        connection.execute(f"COPY merged TO {_quoted(path)} ({_FORMAT})")


def to_json(manifest: Manifest) -> dict[str, Any]:
    """Return what there is, for people: offset, days, files, rows, bytes, bytes an event."""
    events = [one for one in manifest.files if one.day]
    rows, size = sum(one.rows for one in events), sum(one.size for one in events)
    return {
        "offset": manifest.offset,
        "days": len({one.day for one in events}),
        "files": len(manifest.files),
        "events": rows,
        "bytes": sum(one.size for one in manifest.files),
        "bytes_per_event": round(size / rows, 1) if rows else None,
    }
