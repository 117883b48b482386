"""A compact set is a set."""

from __future__ import annotations

import random
import resource
import threading
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailorbird.base.keyset import KeySet

STATM = Path("/proc/self/statm")
KEYS = st.integers(0, (1 << 63) - 1) | st.sampled_from([0, 1, (1 << 63) - 1, 1 << 51])


DOINGS = st.sampled_from(["add", "update", "put aside", "merge"])


def kept(pieces: Iterable[array[int]]) -> Sequence[int]:
    return tuple(key for piece in pieces for key in piece)


@given(st.lists(st.tuples(DOINGS, st.lists(KEYS, max_size=20))), st.lists(KEYS))
def test_it_holds_what_was_added(steps: list[tuple[str, list[int]]], others: list[int]) -> None:
    keys, plain = KeySet(), set[int]()
    for doing, some in steps:
        if doing == "put aside":
            keys.put_aside(kept)
            assert not keys.in_memory
        elif doing == "merge":
            keys.merge_runs(kept)
        elif doing == "update":
            keys.update(some)
            plain.update(some)
        else:
            for one in some:
                keys.add(one)
            plain.update(some)
    assert list(keys) == sorted(plain)
    assert len(keys) == len(plain)
    assert all((one in keys) == (one in plain) for one in [*others, *plain])
    assert keys.held([*others, *plain]) == {*others, *plain} & plain


def test_many_at_once_are_as_many_one_by_one() -> None:
    rng = random.Random(5)
    some = [rng.getrandbits(63) for _ in range(40_000)]
    bulk, single = KeySet(some[:100]), KeySet()
    bulk.update(some)
    for one in some:
        single.add(one)
    assert list(bulk) == list(single) == sorted(some)
    assert len(bulk) == len(single) == len(some)


def test_what_cannot_be_kept_stays_in_memory() -> None:
    def refuse(pieces: Iterable[array[int]]) -> Sequence[int]:
        for _ in pieces:
            raise OSError("no space left")
        return ()

    keys = KeySet()
    for key in (1, 2):
        keys.add(key)
        keys.put_aside(kept)
    keys.add(3)
    for what in (keys.put_aside, keys.merge_runs):
        with pytest.raises(OSError, match="no space"):
            what(refuse)
    assert list(keys) == [1, 2, 3]
    assert keys.in_memory == 1


def test_runs_are_merged_beside_all_else() -> None:
    rng = random.Random(6)
    keys, some = KeySet(), [rng.getrandbits(63) for _ in range(60_000)]
    stopped = threading.Event()

    def merge() -> None:
        while not stopped.is_set():
            keys.merge_runs(kept)

    thread = threading.Thread(target=merge)
    thread.start()
    try:
        for start in range(0, len(some), 1_000):
            keys.update(some[start : start + 1_000])
            keys.put_aside(kept)
            asked = some[max(start - 500, 0) : start + 1_500]
            assert keys.held(asked) == set(asked) & set(some[: start + 1_000])
    finally:
        stopped.set()
        thread.join()
    assert list(keys) == sorted(some)


@pytest.mark.skipif(not STATM.exists(), reason="the kernel tells nothing of memory in /proc")
def test_a_filter_takes_memory_only_where_it_is_touched() -> None:
    page = resource.getpagesize()

    def resident() -> int:
        return int(STATM.read_text().split()[1]) * page

    before = resident()
    sets = [KeySet([1]) for _ in range(8)]
    assert resident() - before < 8_000_000, "of 64 MB"
    assert all(1 in one and 2 not in one for one in sets)
