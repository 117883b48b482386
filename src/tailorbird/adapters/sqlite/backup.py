"""Copies of a data folder: made beside a running server, continued, verified, laid out again.

The log is copied before the ledger: a ledger may know more than its log, never less. What is
derived from the log (states, identity, suppression, what was seen) is left out. Sealed log files
are copied once. A backup counts when its manifest is written, last and atomically; until then the
one before stands.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from tailorbird.adapters.sqlite.connection import StorageProblem, connect_reader, copy_database

FORMAT = 1
MANIFEST = "manifest.json"
_UNFINISHED = "unfinished.json"
# What a disk of its own holds, however empty.
_NOT_OURS_AND_FINE = frozenset({"lost+found"})
_DERIVED = frozenset({"identity.db", "suppression.db"})
_LAST = "ledger.db"
# What imports have brought is copied before the log: it may lack something of it, and must not
# hold to be brought what the log lacks.
_FIRST = "imports.db"
_CHUNK_BYTES = 1024 * 1024


class BackupFile(msgspec.Struct, kw_only=True):
    """One file: its place in the data folder and in the backup.

    `mark` tells a sealed log file that has not changed since; it is empty for all others.
    """

    path: str
    stored: str
    bytes: int
    sha256: str
    mark: str = ""


class Manifest(msgspec.Struct, kw_only=True):
    """What a backup holds. `log_end` and `log_now` are the last record's offset and stamp."""

    format: int
    release: str
    made_at: str
    log_end: int
    log_now: int
    files: list[BackupFile]


class _Unfinished(msgspec.Struct):
    files: list[BackupFile]


def back_up(
    data: Path, folder: Path, *, release: str, made_at: str, tell: Callable[[str], None]
) -> Manifest:
    """Copy what cannot be made again from a data folder, whose server may run.

    Raises:
        StorageProblem: a file cannot be read or the backup's disk is full; say it again to go on.
            Or the folder holds other things, which a backup would remove.
    """
    if folder.resolve().is_relative_to(data.resolve()):
        raise StorageProblem(f"{folder} lies in the data folder; back up to another disk")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return _Copying(data, folder, release, made_at, tell).run()
    except (OSError, sqlite3.Error) as problem:
        raise StorageProblem(
            f"the backup to {folder} is not finished ({problem}); the one before still stands."
            " Make room or mend the disk, then give the same command: it goes on"
        ) from problem


def read_manifest(folder: Path) -> Manifest:
    """Return what a finished backup holds.

    Raises:
        StorageProblem: there is none, or a newer release made it.
    """
    path = folder / MANIFEST
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise StorageProblem(
            f"{folder} holds no finished backup (no {MANIFEST}); `tailorbird backup` makes one"
        ) from None
    except (msgspec.DecodeError, OSError) as problem:
        raise StorageProblem(f"{path} cannot be read: {problem}") from problem
    if found.format > FORMAT:
        raise StorageProblem(
            f"{folder} was made by a newer release ({found.release}); restore it with that one"
        )
    return found


def damages(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with a backup's files, by their checksums."""
    for one in manifest.files:
        path = folder / one.stored
        if not path.is_file():
            yield f"{one.stored} is missing"
        elif path.stat().st_size != one.bytes:
            yield f"{one.stored} has {path.stat().st_size} bytes instead of {one.bytes}"
        elif _sha256(path) != one.sha256:
            yield f"{one.stored} has changed since the backup (its checksum differs)"


def lay_out(folder: Path, target: Path) -> Manifest:
    """Copy a verified backup to where a data folder will be; begun before, it goes on.

    Raises:
        StorageProblem: the backup is damaged, or the disk is full.
    """
    manifest = read_manifest(folder)
    found = list(damages(folder, manifest))
    if found:
        raise StorageProblem(
            f"the backup in {folder} is damaged, nothing was restored: {'; '.join(found[:5])}."
            " Use another backup"
        )
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        for one in manifest.files:
            path = target / one.path
            if path.is_file() and path.stat().st_size == one.bytes and _sha256(path) == one.sha256:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + ".part")
            shutil.copyfile(folder / one.stored, part)
            _sync(part)
            part.replace(path)
    except OSError as problem:
        raise StorageProblem(
            f"{target} cannot be written ({problem}); make room, then give the same command"
        ) from problem
    return manifest


class _Copying:
    def __init__(
        self, data: Path, folder: Path, release: str, made_at: str, tell: Callable[[str], None]
    ) -> None:
        self._data = data
        self._folder = folder
        self._release = release
        self._made_at = made_at
        self._tell = tell
        self._known = {one.path: one for one in self._copied_before() if one.mark}
        self._files: list[BackupFile] = []

    def run(self) -> Manifest:
        log = sorted((self._data / "log").glob("[0-9]*.db"), key=lambda path: int(path.stem))
        if not log:
            raise StorageProblem(f"{self._data} is no data folder of a server: it has no log")
        self._begin()
        # To the microsecond: the backup before keeps its own folder until this one is finished.
        place = self._folder / f"at-{self._made_at.replace(':', '').replace('-', '')}"
        if (self._data / _FIRST).is_file():
            self._keep(self._data / _FIRST, place)
        for path in log[:-1]:
            self._copy_sealed(path)
        self._keep(log[-1], place)
        log_end, log_now = _last_record([self._folder / one.stored for one in self._files])
        if (self._data / "clock").is_file():
            self._keep(self._data / "clock", place)
        left_out = {*_DERIVED, _FIRST}
        others = sorted(path for path in self._data.glob("*.db") if path.name not in left_out)
        for path in sorted(others, key=lambda path: path.name == _LAST):
            self._keep(path, place)
        made = Manifest(
            format=FORMAT,
            release=self._release,
            made_at=self._made_at,
            log_end=log_end,
            log_now=log_now,
            files=self._files,
        )
        self._write(MANIFEST, made)
        self._forget_others(place)
        return made

    def _begin(self) -> None:
        """Mark the folder as a backup's: what is not needed in it goes at the end."""
        if self._is_backup():
            return
        others = sorted(
            path.name
            for path in self._folder.iterdir()
            if not path.name.startswith(".") and path.name not in _NOT_OURS_AND_FINE
        )
        if others:
            raise StorageProblem(
                f"{self._folder} holds other things ({', '.join(others[:3])}) and no backup;"
                " name an empty folder, or that of an earlier backup"
            )
        self._write(_UNFINISHED, _Unfinished([]))

    def _is_backup(self) -> bool:
        for name in (MANIFEST, _UNFINISHED):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                msgspec.json.decode((self._folder / name).read_bytes(), type=_Unfinished)
                return True
        return False

    def _copy_sealed(self, path: Path) -> None:
        """Copy a full log file unless it is here; erasing somebody changes it, so look."""
        mark = _mark(path)
        known = self._known.get(_place(self._data, path))
        if known is not None and known.mark == mark and self._is_here(known):
            self._files.append(known)
            return
        kept = self._keep(path, self._folder / "log", mark)
        # Under a name of its own content: the backup before still needs its copy.
        name = f"log/{path.stem}-{kept.sha256[:12]}.db"
        (self._folder / kept.stored).replace(self._folder / name)
        kept.stored = name
        self._write(_UNFINISHED, _Unfinished(self._files))

    def _is_here(self, known: BackupFile) -> bool:
        stored = self._folder / known.stored
        return stored.is_file() and stored.stat().st_size == known.bytes

    def _keep(self, path: Path, place: Path, mark: str = "") -> BackupFile:
        place.mkdir(parents=True, exist_ok=True)
        copy, part = place / path.name, place / f"{path.name}.part"
        part.unlink(missing_ok=True)
        if path.suffix == ".db":
            copy_database(path, part)
        else:
            shutil.copyfile(path, part)
        _sync(part)
        part.replace(copy)
        one = BackupFile(
            path=_place(self._data, path),
            stored=_place(self._folder, copy),
            bytes=copy.stat().st_size,
            sha256=_sha256(copy),
            mark=mark,
        )
        self._files.append(one)
        self._tell(f"{one.path}  {one.bytes:,} bytes")
        return one

    def _copied_before(self) -> list[BackupFile]:
        found: list[BackupFile] = []
        for name in (MANIFEST, _UNFINISHED):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                data = (self._folder / name).read_bytes()
                found += msgspec.json.decode(data, type=_Unfinished).files
        return found

    def _write(self, name: str, value: msgspec.Struct) -> None:
        part = self._folder / f"{name}.part"
        part.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
        _sync(part)
        part.replace(self._folder / name)
        _sync(self._folder)

    def _forget_others(self, place: Path) -> None:
        (self._folder / _UNFINISHED).unlink(missing_ok=True)
        for old in self._folder.glob("at-*"):
            if old != place:
                shutil.rmtree(old)
        needed = {one.stored for one in self._files}
        for path in (self._folder / "log").glob("*"):
            if _place(self._folder, path) not in needed:
                path.unlink()


def _place(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _mark(path: Path) -> str:
    found = []
    for one in (path, path.with_name(path.name + "-wal")):
        if one.is_file() and one.stat().st_size:
            status = one.stat()
            found.append(f"{status.st_size}-{status.st_mtime_ns}")
    return "+".join(found)


def _last_record(log: list[Path]) -> tuple[int, int]:
    for path in reversed(log):
        reader = connect_reader(path)
        try:
            row = reader.execute("SELECT offset, now FROM record ORDER BY offset DESC LIMIT 1")
            found = row.fetchone()
        finally:
            reader.close()
            for name in (f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)
        if found:
            return int(found[0]), int(found[1])
    return 0, 0


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        found = hashlib.sha256()
        while chunk := stream.read(_CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
