"""Where the files of a lake lie: a folder, or whatever else keeps bytes by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from tailorbird.adapters.lake.manifest import QUARANTINE


class Place(Protocol):
    """Keeps bytes by name; `/` parts names. All raise OSError where the place fails.

    A name is written once, but for the manifest's, and is there whole or not at all.
    """

    def read(self, name: str) -> bytes:
        """Return what is kept under a name; FileNotFoundError if nothing is."""
        ...

    def open(self, name: str) -> Any:
        """Return something that `pyarrow.parquet` reads from piece by piece."""
        ...

    def write(self, name: str, data: pa.Buffer | bytes) -> None:
        """Keep bytes durably under a name, in place of what was there."""
        ...

    def remove(self, name: str) -> None:
        """Remove a name if it is there."""
        ...

    def set_aside(self, name: str) -> None:
        """Move a file into the quarantine if it is there."""
        ...

    def names(self) -> Iterator[str]:
        """Yield the names of all Parquet files but those in the quarantine."""
        ...

    def names_aside(self) -> list[str]:
        """Return the names of what lies in the quarantine."""
        ...

    def source(self, name: str) -> str:
        """Return what DuckDB opens the file by."""
        ...

    def filesystem(self) -> Any:
        """Return what DuckDB opens sources with, None for the machine's own files."""
        ...


class Folder:
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def read(self, name: str) -> bytes:
        """Return what is kept under a name."""
        return (self.path / name).read_bytes()

    def open(self, name: str) -> Any:
        """Return the file, mapped."""
        return pa.memory_map(str(self.path / name))

    def write(self, name: str, data: pa.Buffer | bytes) -> None:
        """Write beside, then move: there is never half of it."""
        path = self.path / name
        is_new_folder = not path.parent.is_dir()
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}")
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        _sync(path.parent)
        if is_new_folder:
            _sync(path.parent.parent)

    def remove(self, name: str) -> None:
        """Remove a name if it is there."""
        (self.path / name).unlink(missing_ok=True)

    def set_aside(self, name: str) -> None:
        """Move a file into the quarantine if it is there."""
        aside = self.path / QUARANTINE
        aside.mkdir(exist_ok=True)
        path = self.path / name
        if path.exists():
            path.rename(aside / name.replace("/", "_"))

    def names(self) -> Iterator[str]:
        """Yield the names of all Parquet files but those in the quarantine."""
        for path in self.path.glob("*/*.parquet"):
            if path.parent.name != QUARANTINE:
                yield path.relative_to(self.path).as_posix()

    def names_aside(self) -> list[str]:
        """Return the names of what lies in the quarantine."""
        found = (self.path / QUARANTINE).glob("*.parquet")
        return [path.relative_to(self.path).as_posix() for path in found]

    def source(self, name: str) -> str:
        """Return the path."""
        return str(self.path / name)

    def filesystem(self) -> Any:
        """Return None: DuckDB opens files by itself."""
        return None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
