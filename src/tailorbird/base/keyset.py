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


class KeySet:
    """Keys in sorted arrays, shared out by their first bits: hashes fill them evenly.

    Asking and adding cost about a microsecond up to some tens of millions of keys.
    """

    __slots__ = ("_filter", "_shards", "_size")

    def __init__(self, keys: Iterable[int] = ()) -> None:
        self._shards = [array("q") for _ in range(1 << _SHARD_BITS)]
        self._filter = bytearray(_FILTER_BITS >> 3)
        self._size = 0
        self.update(keys)

    def __contains__(self, key: int) -> bool:
        bit = key & (_FILTER_BITS - 1)
        if not self._filter[bit >> 3] >> (bit & 7) & 1:
            return False
        shard = self._shards[key >> _SHIFT]
        place = bisect_left(shard, key)
        return place < len(shard) and shard[place] == key

    def __iter__(self) -> Iterator[int]:
        """Yield the keys in rising order."""
        for shard in self._shards:
            yield from shard

    def __len__(self) -> int:
        return self._size

    def add(self, key: int) -> None:
        """Add one key."""
        shard = self._shards[key >> _SHIFT]
        place = bisect_left(shard, key)
        if place == len(shard) or shard[place] != key:
            shard.insert(place, key)
            self._size += 1
            self._note(key)

    def update(self, keys: Iterable[int]) -> None:
        """Add many keys."""
        found = keys if isinstance(keys, (list, set, frozenset, tuple)) else list(keys)
        if len(found) < _MANY:
            for key in found:
                self.add(key)
            return
        fresh: list[list[int]] = [[] for _ in self._shards]
        for key in found:
            fresh[key >> _SHIFT].append(key)
            self._note(key)
        for index, more in enumerate(fresh):
            if more:
                self._shards[index] = array("q", sorted({*self._shards[index], *more}))
        self._size = sum(map(len, self._shards))

    def _note(self, key: int) -> None:
        bit = key & (_FILTER_BITS - 1)
        self._filter[bit >> 3] |= 1 << (bit & 7)
