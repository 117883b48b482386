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
            shop.seen.tidy()
        if is_restarted:
            shop.restart()
        assert shop.seen.holds_late(77), day
        assert not shop.seen.holds_late(78)


def test_what_is_older_is_forgotten(shop: Shop) -> None:
    shop.come(77, START)
    shop.come(78, START + DAYS_KEPT * DAY)
    shop.seen.tidy()
    assert not shop.seen.holds_late(77)
    assert shop.seen.holds_late(78)
    assert len(list(shop.folder.iterdir())) <= DAYS_KEPT


def test_a_lost_or_unfinished_file_is_made_again_from_the_log(shop: Shop) -> None:
    for day in range(6):
        shop.come(100 + day, START + day * DAY)
    shop.seen.tidy()
    files = sorted(shop.folder.glob("*.keys"))
    lost = next(path for path in files if path.stem == "20001")
    lost.rename(lost.with_suffix(".unfinished"))
    shop.restart()
    assert shop.seen.is_untidy
    assert shop.seen.holds_late(101)
    shop.seen.tidy()
    assert not shop.seen.is_untidy
    shop.restart()
    assert shop.seen.holds_late(101)


@pytest.mark.parametrize("is_restarted", [True, False], ids=["restarted", "running"])
def test_most_keys_of_a_busy_day_lie_outside_of_memory(shop: Shop, is_restarted: bool) -> None:
    days = FileSeenDays(shop.folder)
    seen = Seen(shop.log, days, keys_in_memory=5)
    for key in range(100):
        shop.log.append([Draft(0, EVENT, 1, b"", key * 7 + 1)], START + key)
        seen.add([key * 7 + 1], START + key)
    if is_restarted:
        seen = Seen(shop.log, days, keys_in_memory=5)
    assert seen.is_untidy
    seen.tidy()
    assert not seen._recent[0].has_many_runs
    assert seen._recent[0].in_memory < 5
    assert [key for key in range(800) if key in seen] == list(range(1, 701, 7))
    seen.add([5_000], START + 2 * DAY)
    seen.tidy()
    assert [key for key in range(800) if seen.holds_late(key)] == list(range(1, 701, 7))
    assert not list(shop.folder.glob("tmp*"))


def test_on_a_full_disk_keys_stay_in_memory(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    days = FileSeenDays(shop.folder)
    seen = Seen(shop.log, days, keys_in_memory=5)

    def refuse(pieces: object) -> memoryview:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(days, "keep", refuse)
        seen.add(range(1, 21), START)
        assert seen._recent[0].in_memory == 20
    seen.add([21], START)
    assert seen._recent[0].in_memory == 0
    assert seen.known(range(30)) == set(range(1, 22))


def test_without_a_place_to_store_only_memory_counts() -> None:
    log = MemoryEventLog()
    seen = Seen(log, None)
    for day in range(5):
        seen.add([day + 1], START + day * DAY)
    seen.tidy()
    assert not seen.is_untidy
    assert 5 in seen
    assert 4 in seen
    assert not seen.holds_late(1)
