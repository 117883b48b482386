"""A set of 63-bit hashes in eight bytes each, where Python's own takes about seventy.

Most of them can lie outside of memory, in sorted runs that somebody else keeps.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from mmap import mmap

_SHARD_BITS = 12
_SHIFT = 63 - _SHARD_BITS
# A filter of 8 MB, mapped so that only what is touched takes memory: most keys that are asked for
# are new, and its answer costs a third of a search. Up to 17 million keys it spares three in four.
_FILTER_BITS = 1 << 26
# From so many new keys at once, sorting whole shards is cheaper than finding a place for each.
_MANY = 4 << _SHARD_BITS
_NOTHING = array("q")
_RUNS_MAX = 8

# Keeps rising keys, which come in pieces, and gives back the same to be read from where they lie.
Keep = Callable[[Iterable["array[int]"]], Sequence[int]]


class KeySet:
    """Keys in sorted arrays, shared out by their first bits: hashes fill them evenly.

    Asking and adding cost about a microsecond up to some tens of millions of keys.
    """

    __slots__ = ("_filter", "_runs", "_shards", "_size")

    def __init__(self, keys: Iterable[int] = ()) -> None:
        # Most sets of a restart stay empty: an array of its own comes with a shard's first key.
        self._shards = [_NOTHING] * (1 << _SHARD_BITS)
        self._filter: mmap | None = None  # comes with the first key
        self._size = 0  # of the shards
        self._runs: list[Sequence[int]] = []
        self.update(keys)

    def __contains__(self, key: int) -> bool:
        bits, bit = self._filter, key & (_FILTER_BITS - 1)
        if bits is None or not bits[bit >> 3] >> (bit & 7) & 1:
            return False
        shard = self._shards[key >> _SHIFT]
        place = bisect_left(shard, key)
        if place < len(shard) and shard[place] == key:
            return True
        for run in tuple(self._runs):
            place = bisect_left(run, key)
            if place < len(run) and run[place] == key:
                return True
        return False

    def held(self, keys: Iterable[int]) -> set[int]:
        """Return those of some keys that are in the set: cheaper than asking for each."""
        bits, last = self._filter, _FILTER_BITS - 1
        if bits is None:
            return set()  # yesterday, on a system's first day
        # Nearly all keys that are asked for are new, and the filter says so.
        may_be = [key for key in keys if bits[(key & last) >> 3] >> (key & 7) & 1]
        return {key for key in may_be if key in self}

    def __iter__(self) -> Iterator[int]:
        """Yield the keys in rising order."""
        for piece in _merged([*self._runs, self._memory()]):
            yield from piece

    def __len__(self) -> int:
        return self._size + sum(map(len, self._runs))

    def add(self, key: int) -> None:
        """Add one key."""
        self.update((key,))

    def update(self, keys: Iterable[int]) -> None:
        """Add many keys."""
        found = keys if isinstance(keys, (list, set, frozenset, tuple)) else list(keys)
        if self._runs:
            found = set(found) - self.held(found)
        if len(found) < _MANY:
            self._add_few(found)
        else:
            self._add_many(found)

    @property
    def in_memory(self) -> int:
        """The number of keys that are not put aside."""
        return self._size

    def put_aside(self, keep: Keep) -> None:
        """Make a run of the keys in memory.

        Raises:
            OSError: of `keep`; nothing has changed.
        """
        if self._size:
            self._runs.append(keep([self._memory()]))
            self._shards = [_NOTHING] * (1 << _SHARD_BITS)
            self._size = 0

    @property
    def has_many_runs(self) -> bool:
        """Whether `merge_runs` would make asking cheaper."""
        return len(self._runs) >= _RUNS_MAX

    def merge_runs(self, keep: Keep) -> None:
        """Make one run of those there are; may be done in a thread beside all else.

        Raises:
            OSError: of `keep`; nothing has changed.
        """
        runs = tuple(self._runs)
        if len(runs) > 1:
            self._runs[: len(runs)] = [keep(_merged(runs))]

    def _add_many(self, found: Iterable[int]) -> None:
        fresh: list[list[int]] = [[] for _ in self._shards]
        bits, last = self._bits(), _FILTER_BITS - 1
        for key in found:
            fresh[key >> _SHIFT].append(key)
            bits[(key & last) >> 3] |= 1 << (key & 7)
        for index, more in enumerate(fresh):
            if more:
                self._shards[index] = array("q", sorted({*self._shards[index], *more}))
        self._size = sum(map(len, self._shards))

    def _add_few(self, keys: Iterable[int]) -> None:
        shards, bits, last = self._shards, self._bits(), _FILTER_BITS - 1
        for key in keys:
            shard = shards[key >> _SHIFT]
            place = bisect_left(shard, key)
            if place == len(shard) or shard[place] != key:
                if shard is _NOTHING:
                    shard = shards[key >> _SHIFT] = array("q")
                shard.insert(place, key)
                self._size += 1
                bits[(key & last) >> 3] |= 1 << (key & 7)

    def _memory(self) -> array[int]:
        return array("q", b"".join(map(bytes, self._shards)))

    def _bits(self) -> mmap:
        """Return the filter, to be written to."""
        if self._filter is None:
            self._filter = mmap(-1, _FILTER_BITS >> 3)
        return self._filter


def _merged(runs: Sequence[Sequence[int]]) -> Iterator[array[int]]:
    """Yield all keys of sorted runs in rising order, a shard's at a time."""
    places = [0] * len(runs)
    for shard in range(1, (1 << _SHARD_BITS) + 1):
        ends = [bisect_left(run, shard << _SHIFT) for run in runs]
        keys: list[int] = []
        for run, start, end in zip(runs, places, ends, strict=True):
            keys += run[start:end]
        places = ends
        yield array("q", sorted(keys))
