"""Deduplication keys of earlier days: a file a day, sorted, looked up without reading it whole.

Eight bytes a key on disk and none in memory. Nothing is fsynced: what a crash leaves unfinished is
made again from the log.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import islice
from mmap import ACCESS_READ, mmap
from os import SEEK_END
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

_KEYS_PER_WRITE = 10_000


class FileSeenDays:
    """`ports.seen_days.SeenDays` in a folder. `store` may run beside `holds`, in another thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._open: dict[int, memoryview] = {}
        self._stored = {int(path.stem) for path in folder.glob("[0-9]*.keys")}

    def days(self) -> set[int]:
        """Return the days that are stored."""
        return set(self._stored)

    def store(self, day: int, keys: Iterable[int]) -> None:
        """Store the keys of a day, which come in rising order."""
        path = self._path(day)
        unfinished = path.with_suffix(".unfinished")
        left = iter(keys)
        with unfinished.open("wb") as file:
            while piece := array("q", islice(left, _KEYS_PER_WRITE)):
                piece.tofile(file)
        unfinished.replace(path)
        self._open.pop(day, None)
        self._stored.add(day)

    def holds(self, day: int, key: int) -> bool:
        """Say whether a key came on a day."""
        if day not in self._stored:
            return False
        keys = self._keys(day)
        place = bisect_left(keys, key)
        return place < len(keys) and keys[place] == key

    def forget(self, before: int) -> None:
        """Remove the days before one."""
        for day in [one for one in self._stored if one < before]:
            self._stored.discard(day)
            self._open.pop(day, None)
            self._path(day).unlink(missing_ok=True)

    def keep(self, pieces: Iterable[array[int]]) -> Sequence[int]:
        """Keep keys in a file without a name, which is gone when nobody reads it any more."""
        with TemporaryFile(dir=self._folder) as file:
            for piece in pieces:
                piece.tofile(file)
            file.flush()
            return _mapped(file)

    def _keys(self, day: int) -> memoryview:
        keys = self._open.get(day)
        if keys is None:
            with self._path(day).open("rb") as file:
                keys = self._open[day] = _mapped(file)
        return keys

    def _path(self, day: int) -> Path:
        return self._folder / f"{day}.keys"


def _mapped(file: IO[bytes]) -> memoryview:
    if not file.seek(0, SEEK_END):
        return memoryview(array("q"))
    return memoryview(mmap(file.fileno(), 0, access=ACCESS_READ)).cast("q")
