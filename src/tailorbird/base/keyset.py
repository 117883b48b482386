"""A set of 63-bit hashes in eight bytes each, where Python's own takes about seventy."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator

_SHARD_BITS = 12
_SHIFT = 63 - _SHARD_BITS
# A filter of 4 MB, of which only what is touched takes memory: most keys that are asked for are
# new, and its answer costs a third of a search. Up to 17 million keys it spares half of them.
_FILTER_BITS = 1 << 25
# From so many new keys at once, sorting whole shards is cheaper than finding a place for each.
_MANY = 4 << _SHARD_BITS
_NOTHING = array("q")
_NO_FILTER = bytes(_FILTER_BITS >> 3)


class KeySet:
    """Keys in sorted arrays, shared out by their first bits: hashes fill them evenly.

    Asking and adding cost about a microsecond up to some tens of millions of keys.
    """

    __slots__ = ("_filter", "_shards", "_size")

    def __init__(self, keys: Iterable[int] = ()) -> None:
        # Most sets of a restart stay empty: an array of its own comes with a shard's first key.
        self._shards = [_NOTHING] * (1 << _SHARD_BITS)
        self._filter: bytes | bytearray = _NO_FILTER
        self._size = 0
        self.update(keys)

    def __contains__(self, key: int) -> bool:
        bit = key & (_FILTER_BITS - 1)
        if not self._filter[bit >> 3] >> (bit & 7) & 1:
            return False
        shard = self._shards[key >> _SHIFT]
        place = bisect_left(shard, key)
        return place < len(shard) and shard[place] == key

    def held(self, keys: Iterable[int]) -> set[int]:
        """Return those of some keys that are in the set: cheaper than asking for each."""
        if not self._size:
            return set()  # yesterday, on a system's first day
        bits, last = self._filter, _FILTER_BITS - 1
        # Nearly all keys that are asked for are new, and the filter says so.
        may_be = [key for key in keys if bits[(key & last) >> 3] >> (key & 7) & 1]
        return {key for key in may_be if key in self}

    def __iter__(self) -> Iterator[int]:
        """Yield the keys in rising order."""
        for shard in self._shards:
            yield from shard

    def __len__(self) -> int:
        return self._size

    def add(self, key: int) -> None:
        """Add one key."""
        self._add_few((key,))

    def update(self, keys: Iterable[int]) -> None:
        """Add many keys."""
        found = keys if isinstance(keys, (list, set, frozenset, tuple)) else list(keys)
        if len(found) < _MANY:
            self._add_few(found)
            return
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

    def _bits(self) -> bytearray:
        """Return the filter, to be written to."""
        found = self._filter
        if not isinstance(found, bytearray):
            found = self._filter = bytearray(_FILTER_BITS >> 3)
        return found
