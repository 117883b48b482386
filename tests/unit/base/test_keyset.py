"""A compact set is a set."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tailorbird.base.keyset import KeySet

KEYS = st.integers(0, (1 << 63) - 1) | st.sampled_from([0, 1, (1 << 63) - 1, 1 << 51])


@given(st.lists(st.tuples(st.booleans(), st.lists(KEYS, max_size=20))), st.lists(KEYS))
def test_it_holds_what_was_added(steps: list[tuple[bool, list[int]]], others: list[int]) -> None:
    keys, plain = KeySet(), set[int]()
    for is_bulk, some in steps:
        if is_bulk:
            keys.update(some)
        else:
            for one in some:
                keys.add(one)
        plain.update(some)
    assert list(keys) == sorted(plain)
    assert len(keys) == len(plain)
    assert all((one in keys) == (one in plain) for one in [*others, *plain])


def test_many_at_once_are_as_many_one_by_one() -> None:
    rng = random.Random(5)
    some = [rng.getrandbits(63) for _ in range(40_000)]
    bulk, single = KeySet(some[:100]), KeySet()
    bulk.update(some)
    for one in some:
        single.add(one)
    assert list(bulk) == list(single) == sorted(some)
    assert len(bulk) == len(single) == len(some)
