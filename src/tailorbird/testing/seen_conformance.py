"""What every keeper of past days' deduplication keys has to do."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable

from tailorbird.ports.seen_days import SeenDays

LARGEST = (1 << 63) - 1


def check_nothing_is_known_at_first(days: SeenDays) -> None:
    """An empty keeper holds nothing."""
    assert days.days() == set()
    assert not days.holds(20_000, 1)


def check_a_stored_day_holds_its_keys_and_no_others(days: SeenDays) -> None:
    """Each key is found, its neighbours are not, nor is it found on another day."""
    rng = random.Random(7)
    keys = {rng.getrandbits(63) for _ in range(5_000)} | {0, 1, LARGEST}
    days.store(20_000, sorted(keys))
    days.store(20_001, {5})
    assert all(days.holds(20_000, key) for key in keys)
    absent = {key ^ 1 for key in keys} - keys
    assert not any(days.holds(20_000, key) for key in absent)
    assert days.holds(20_001, 5)
    assert not days.holds(20_000, 5)
    assert not days.holds(20_002, 5)


def check_an_empty_day_is_a_day(days: SeenDays) -> None:
    """A day without messages is stored as well, and need not be looked for again."""
    days.store(20_000, set())
    assert days.days() == {20_000}
    assert not days.holds(20_000, 0)


def check_a_day_is_replaced_and_forgotten(days: SeenDays) -> None:
    """Storing again replaces; forgetting takes the days before the one that is named."""
    days.store(20_000, {1})
    assert days.holds(20_000, 1)
    days.store(20_000, {2})
    assert not days.holds(20_000, 1)
    days.store(20_003, {3})
    days.forget(20_003)
    assert days.days() == {20_003}
    assert not days.holds(20_000, 2)
    assert days.holds(20_003, 3)


def check_keys_are_kept_as_long_as_they_are_read(days: SeenDays) -> None:
    """What is kept is read as it came, beside other keys, and belongs to no day."""
    first = days.keep([array("q", [1, 5]), array("q"), array("q", [LARGEST])])
    second = days.keep([array("q", range(5_000))])
    assert list(first) == [1, 5, LARGEST]
    assert list(second[4_998:]) == [4_998, 4_999]
    assert not len(days.keep([]))
    assert days.days() == set()


CHECKS: tuple[Callable[[SeenDays], None], ...] = (
    check_nothing_is_known_at_first,
    check_a_stored_day_holds_its_keys_and_no_others,
    check_an_empty_day_is_a_day,
    check_a_day_is_replaced_and_forgotten,
    check_keys_are_kept_as_long_as_they_are_read,
)
