"""A message is known again for at least seven days, through restarts and lost files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailorbird.adapters.files.seen_days import FileSeenDays
from tailorbird.adapters.memory.event_log import MemoryEventLog
from tailorbird.base.time import DAY, MICROSECONDS
from tailorbird.events.event import EVENT
from tailorbird.ports.event_log import Draft
from tailorbird.services.seen import DAYS_KEPT, Seen

HOUR = 3_600 * MICROSECONDS
START = 20_000 * DAY + 13 * HOUR


class Shop:
    """A log and what has been seen of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = MemoryEventLog()
        self.restart()

    def restart(self) -> None:
        self.seen = Seen(self.log, FileSeenDays(self.folder))

    def come(self, key: int, now: int) -> None:
        self.log.append([Draft(0, EVENT, 1, b"", key)], now)
        self.seen.add([key], now)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "seen")


def test_a_day_and_more_lies_in_memory(shop: Shop) -> None:
    shop.come(1, START)
    shop.come(2, START + 34 * HOUR)  # the last hour of the next day
    assert 1 in shop.seen
    assert 2 in shop.seen
    assert 3 not in shop.seen
    shop.come(4, START + 36 * HOUR)
    assert 1 not in shop.seen


@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "not stored yet"])
@pytest.mark.parametrize("is_restarted", [True, False], ids=["restarted", "running"])
def test_a_late_message_is_known_for_seven_days(
    shop: Shop, is_stored: bool, is_restarted: bool
) -> None:
    shop.come(77, START)
    for day in range(1, 8):
        shop.come(1_000 + day, START + day * DAY)
        if is_stored:
            shop.seen.store_days()
        if is_restarted:
            shop.restart()
        assert shop.seen.holds_late(77), day
        assert not shop.seen.holds_late(78)


def test_what_is_older_is_forgotten(shop: Shop) -> None:
    shop.come(77, START)
    shop.come(78, START + DAYS_KEPT * DAY)
    shop.seen.store_days()
    assert not shop.seen.holds_late(77)
    assert shop.seen.holds_late(78)
    assert len(list(shop.folder.iterdir())) <= DAYS_KEPT


def test_a_lost_or_unfinished_file_is_made_again_from_the_log(shop: Shop) -> None:
    for day in range(6):
        shop.come(100 + day, START + day * DAY)
    shop.seen.store_days()
    files = sorted(shop.folder.glob("*.keys"))
    lost = next(path for path in files if path.stem == "20001")
    lost.rename(lost.with_suffix(".unfinished"))
    shop.restart()
    assert shop.seen.has_days_over
    assert shop.seen.holds_late(101)
    shop.seen.store_days()
    assert not shop.seen.has_days_over
    shop.restart()
    assert shop.seen.holds_late(101)


def test_without_a_place_to_store_only_memory_counts() -> None:
    log = MemoryEventLog()
    seen = Seen(log, None)
    for day in range(5):
        seen.add([day + 1], START + day * DAY)
    seen.store_days()
    assert not seen.has_days_over
    assert 5 in seen
    assert 4 in seen
    assert not seen.holds_late(1)
