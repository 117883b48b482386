"""The lake as Parquet files: `date=D/*.parquet` for events, `records/` for all other kinds.

`manifest.json` names the files that count, with the offset of the log up to which they hold
everything. It takes the place of the old one in one step: a crash leaves files that nobody names,
which the next addition removes. Files of an older manifest are left for readers that began with
it, until the addition after. Additions make a file for each day that they touch, or of many small
days; `compact` makes few of many: of a year or a month where that stays small, else of a day.
`place` tells where files may lie, `columns` how they look.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from tailorbird.adapters.lake import columns
from tailorbird.adapters.lake.manifest import (
    MANIFEST,
    QUARANTINE,
    LakeFile,
    Manifest,
    decode,
    encode,
)
from tailorbird.adapters.lake.place import Folder, Place
from tailorbird.adapters.lake.rows import rows_of
from tailorbird.base.problems import OperationalError
from tailorbird.base.time import parse_micros
from tailorbird.ports.lake import PROMOTED, LakeEvent, LakeRecord

FILES_MAX = 8
# A file of this size, or of so many rows, stays as it is; smaller ones are merged once there are
# too many of them. Rows are held in memory meanwhile, and some compress to a hundredth of that.
FULL_BYTES, FULL_ROWS = 8 * 1024 * 1024, 100_000
# Fewer bytes that are fresh are left to become more; and they have to be as many as are settled,
# so that a byte is compressed well twice, in the mean, before its file is full.
SETTLED_BYTES_MIN = 256 * 1024
# What goes wrong while files are read and written; of Arrow's own errors some are OSErrors.
_FAULTS = (OSError, pa.ArrowException)


class ParquetLake:
    """`ports.lake.Lake`; one process writes, any number read."""

    def __init__(self, place: Path | Place) -> None:
        self.place: Place = Folder(place) if isinstance(place, Path) else place

    def manifest(self) -> Manifest:
        """Return what counts now.

        Raises:
            OperationalError: the manifest cannot be read.
        """
        try:
            return decode(self.place.read(MANIFEST))
        except FileNotFoundError:
            return Manifest()
        except (OSError, msgspec.DecodeError) as problem:
            raise OperationalError(
                f"{self.place}/{MANIFEST} cannot be read ({problem}): remove all of {self.place},"
                " the lake is made again from the log",
                is_retry_safe=True,
            ) from problem

    def offset(self) -> int:
        """Return the offset of the log up to which the lake holds everything."""
        return self.manifest().offset

    def event_files(self) -> list[str]:
        """Return what DuckDB opens the files of events by, in order of time."""
        files = sorted(self.manifest().files, key=lambda one: (one.day, one.first))
        return [self.place.source(one.path) for one in files if one.day]

    def promoted(self) -> tuple[str, ...]:
        """Return the properties whose columns stand for them: those that never hold a list."""
        lists = {name for one in self.manifest().files for name in one.lists}
        return tuple(sorted(PROMOTED - lists))

    def rows(self) -> Iterator[LakeEvent | LakeRecord]:
        """Yield all rows, file by file; each event without what is made of its properties.

        Raises:
            OperationalError: a file cannot be read.
        """
        for one in self.manifest().files:
            try:
                with self.place.open(one.path) as source:
                    yield from rows_of(source, LakeEvent if one.day else LakeRecord)
            except _FAULTS as problem:
                said = (str(problem) or repr(problem)).splitlines()[0]
                raise OperationalError(
                    f"{self.place}/{one.path} cannot be read ({said}): the next question to the"
                    " lake makes it again from the log",
                    is_retry_safe=True,
                ) from problem

    def add(self, events: Sequence[LakeEvent], records: Sequence[LakeRecord], offset: int) -> None:
        """Add rows durably and move the offset on: both or none of it."""
        before = self.manifest()
        try:
            self._sweep(before)
            files = (*before.files, *self._write_all(events, records, before.since))
            self._replace(replace(before, offset=offset, files=files))
        except _FAULTS as problem:
            raise OperationalError(
                f"the lake in {self.place} cannot be written ({problem}); the log has everything,"
                " it is tried again",
                is_retry_safe=True,
            ) from problem

    def compact(self) -> int:
        """Make one file of many small ones; return how many files were made."""
        return self._of_whole_files(self._compact)

    def _of_whole_files(self, act: Callable[[], int]) -> int:
        """Do what reads files; where some are damaged, once more without them."""
        try:
            return act()
        except _FAULTS:
            if not self.check():
                raise
            return act()

    def _compact(self) -> int:
        before = self.manifest()
        made: dict[str, LakeFile] = {}  # by the paths of those that it stands for
        count = 0
        for group in _groups(before.files):
            due, is_settled = _due(group)
            if due:
                rows = columns.merged([self._read(one) for one in due], are_events=bool(due[0].day))
                merged = self._write(rows, _lists_of(due), is_settled=is_settled)
                made |= {one.path: merged for one in due}
                count += 1
        if made:
            kept = tuple(one for one in before.files if one.path not in made)
            merged_files = tuple({one.path: one for one in made.values()}.values())
            self._replace(replace(before, files=kept + merged_files))
        return count

    def forget(self, profile_ids: Collection[int], until: int) -> int:
        """Remove rows of profiles up to an offset; files that held them are removed at once."""
        wanted = pa.array(sorted(set(profile_ids)), pa.int64())
        count = self._of_whole_files(lambda: self._forget(wanted, until))
        self._empty_quarantine()
        return count

    def _empty_quarantine(self) -> None:
        # What is set aside has been made again, and nobody can tell whose rows are in it.
        for name in self.place.names_aside():
            self.place.remove(name)

    def _forget(self, wanted: pa.Array, until: int) -> int:
        def which(rows: pa.Table) -> pa.Array:
            return pc.and_(
                pc.is_in(rows["profile_id"], wanted), pc.less_equal(rows["record_offset"], until)
            )

        before = self.manifest()
        files, gone, count = self._without(before.files, ("profile_id", "record_offset"), which)
        if gone:
            self._replace(replace(before, files=files))
            for one in gone:
                self.place.remove(one.path)
        return count

    def drop_days(self, before: str) -> int:
        """Remove the days before a date (YYYY-MM-DD); return how many rows there were.

        Rows of those days are not taken any more, either.
        """
        count = self._of_whole_files(lambda: self._drop_days(before))
        self._empty_quarantine()
        return count

    def _drop_days(self, before: str) -> int:
        was = self.manifest()
        if before <= was.since:
            return 0
        end = pa.scalar(_instant(before), columns.INSTANT)
        old = tuple(one for one in was.files if one.day and one.last_day < before)
        rest = tuple(one for one in was.files if one not in old and one.day < before)
        events = tuple(one for one in rest if one.day)
        records = tuple(one for one in rest if not one.day)
        files = tuple(one for one in was.files if one.day >= before)
        count = sum(one.rows for one in old)
        for some, name in ((events, "timestamp"), (records, "now")):
            which = partial(_is_before, name=name, end=end)
            kept, _, dropped = self._without(some, (name,), which)
            files, count = (*files, *kept), count + dropped
        self._replace(replace(was, files=files, since=before))
        return count

    def check(self) -> list[str]:
        """Set files aside that cannot be read, and return what is wrong with them, in words.

        The lake then goes back to the offset before the first of them, so that the next export
        makes them again from the log.
        """
        before = self.manifest()
        bad: list[tuple[LakeFile, str]] = []
        for one in before.files:
            try:
                # All columns are read: a truncated page shows itself only then.
                rows = len(self._read(one))
            except _FAULTS as problem:
                bad.append((one, (str(problem) or repr(problem)).splitlines()[0]))
            else:
                if rows != one.rows:
                    bad.append((one, f"holds {rows} rows, not {one.rows}"))
        if not bad:
            return []
        for one, _ in bad:
            self.place.set_aside(one.path)
        first = min(one.first for one, _ in bad)
        whole = tuple(one for one in before.files if one not in {file for file, _ in bad})
        # What came after the first bad row is made again as well: each row has one file.
        early = tuple(one for one in whole if one.last < first)
        cut, _, _ = self._without(
            tuple(one for one in whole if one.first < first <= one.last),
            ("record_offset",),
            lambda rows: pc.greater_equal(rows["record_offset"], first),
        )
        self._replace(replace(before, offset=first - 1, files=early + cut))
        return [f"{one.path} {says}: set aside in {QUARANTINE}/" for one, says in bad]

    # -- files -----------------------------------------------------------------------------------

    def _write_all(
        self, events: Sequence[LakeEvent], records: Sequence[LakeRecord], since: str
    ) -> Iterator[LakeFile]:
        start = _instant(since) if since else 0
        events = [one for one in events if one.timestamp >= start]
        if events:
            lists = tuple(sorted({name for event in events for name in event.lists}))
            rows = columns.table_of_events(events)
            for part in columns.by_span(rows):
                yield self._write(part, lists)
        records = [one for one in records if one.now >= start]
        if records:
            yield self._write(columns.table_of_records(records))

    def _without(
        self,
        files: Sequence[LakeFile],
        names: Sequence[str],
        which: Callable[[pa.Table], pa.Array],
    ) -> tuple[tuple[LakeFile, ...], list[LakeFile], int]:
        """Write files anew without some rows: the files now, those replaced, how many rows."""
        kept: list[LakeFile] = []
        gone: list[LakeFile] = []
        count = 0
        for one in files:
            found = pc.sum(which(self._read(one, names))).as_py() or 0
            if not found:
                kept.append(one)
                continue
            gone.append(one)
            count += found
            if found < one.rows:
                rows = self._read(one)
                rest = rows.filter(pc.invert(which(rows)))
                kept.append(self._write(rest, one.lists, is_settled=True))
        return tuple(kept), gone, count

    def _read(self, file: LakeFile, names: Sequence[str] | None = None) -> pa.Table:
        with self.place.open(file.path) as source:
            return columns.read(source, names)

    def _write(
        self, rows: pa.Table, lists: tuple[str, ...] = (), *, is_settled: bool = False
    ) -> LakeFile:
        first, last, day, until = columns.facts_of(rows)
        path = f"{f'date={day}' if day else 'records'}/{uuid.uuid4().hex}.parquet"
        level = columns.LEVEL_SETTLED if is_settled else columns.LEVEL_FRESH
        data = columns.to_parquet(rows, level)
        self.place.write(path, data)
        return LakeFile(
            path=path,
            day=day,
            first=first,
            last=last,
            rows=len(rows),
            size=data.size,
            lists=lists,
            until="" if until == day else until,
            is_settled=is_settled,
        )

    def _replace(self, manifest: Manifest) -> None:
        self.place.write(MANIFEST, encode(manifest))

    def _sweep(self, manifest: Manifest) -> None:
        """Remove files that no manifest names: of a crash, or of the one before this."""
        named = {one.path for one in manifest.files}
        for name in list(self.place.names()):
            if name not in named:
                self.place.remove(name)


def _groups(files: Sequence[LakeFile]) -> list[list[LakeFile]]:
    """Return the files that are to be one: of a year or month where it is small, else of a day."""
    small = [one for one in files if _fullness(one) < 1]
    spans: dict[str, float] = {}
    for one in small:
        for span in {one.day[:4], one.day[:7]}:
            spans[span] = spans.get(span, 0) + _fullness(one)
    found: dict[str, list[LakeFile]] = {}
    for one in small:
        year, month = one.day[:4], one.day[:7]
        if spans[year] <= 1 or not one.last_day.startswith(month):
            span = year
        else:
            span = month if spans[month] <= 1 or one.until else one.day
        found.setdefault(span, []).append(one)
    return list(found.values())


def _fullness(file: LakeFile) -> float:
    return max(file.size / FULL_BYTES, file.rows / FULL_ROWS)


def _due(group: Sequence[LakeFile]) -> tuple[Sequence[LakeFile], bool]:
    """Return which files of a group are to be one now, and whether that is to be settled."""
    fresh = [one for one in group if not one.is_settled]
    fresh_bytes = sum(one.size for one in fresh)
    settled_bytes = sum(one.size for one in group) - fresh_bytes
    if fresh_bytes >= max(SETTLED_BYTES_MIN, settled_bytes):
        return group, True
    if len(group) <= FILES_MAX:
        return (), False
    return (fresh, False) if len(fresh) > 1 else (group, True)


def _lists_of(files: Sequence[LakeFile]) -> tuple[str, ...]:
    return tuple(sorted({name for one in files for name in one.lists}))


def _is_before(rows: pa.Table, *, name: str, end: pa.Scalar) -> pa.Array:
    return pc.less(rows[name], end)


def _instant(day: str) -> int:
    return parse_micros(f"{day}T00:00:00Z")


def write_survivors(survivors: Mapping[int, int], path: Path) -> None:
    """Write whose events are whose by now: profile_id and survivor_id."""
    rows = columns.table_of(survivors.items(), ("profile_id", "survivor_id"))
    path.write_bytes(columns.to_parquet(rows, columns.LEVEL_FRESH))
