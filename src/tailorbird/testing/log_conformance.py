"""What every event log must do. Each check is a function of one empty log; see `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable

from tailorbird.ports.event_log import Draft, EventLog


def draft(partition: int = 1, body: bytes = b"x", *, dedup: int = 0, kind: str = "event") -> Draft:
    """Return a draft to be varied."""
    return Draft(partition, kind, partition + 64, body, dedup)


def check_a_new_log_is_empty(log: EventLog) -> None:
    """Nothing is in it."""
    assert log.end() == 0
    assert log.last_now() == 0
    assert log.read(0, 10) == []
    assert list(log.dedups_since(0)) == []


def check_what_was_appended_is_read_in_order(log: EventLog) -> None:
    """Offsets rise by one from 1, and everything of a draft comes back."""
    made = [*log.append([draft(1, b"one"), draft(2, b"two", kind="link")], 100)]
    made += log.append([draft(3, b"three")], 200)
    assert [record.offset for record in made] == [1, 2, 3]
    assert log.read(0, 10) == made
    assert [(one.kind, one.partition, one.profile_id, one.body) for one in made] == [
        ("event", 1, 65, b"one"),
        ("link", 2, 66, b"two"),
        ("event", 3, 67, b"three"),
    ]
    assert log.end() == 3
    more = log.append([draft(number) for number in range(4)], 300)
    read = log.read(3, 10)
    assert (more[0], more[-1], more[1:3]) == (read[0], read[-1], read[1:3])


def check_stamps_rise_strictly_even_after_a_step_back(log: EventLog) -> None:
    """No two records share a `now`, whatever the clock says."""
    log.append([draft(), draft(), draft()], 1_000)
    log.append([draft()], 500)
    log.append([draft()], 1_003)
    log.append([draft()], 2_000)
    stamps = [record.now for record in log.read(0, 10)]
    assert stamps == [1_000, 1_001, 1_002, 1_003, 1_004, 2_000]
    assert log.last_now() == 2_000


def check_reading_is_paged_and_by_partition(log: EventLog) -> None:
    """`after` is exclusive, `limit` counts what is returned."""
    log.append([draft(number % 4) for number in range(20)], 1)
    assert [one.offset for one in log.read(5, 3)] == [6, 7, 8]
    assert [one.offset for one in log.read(0, 3, [2])] == [3, 7, 11]
    assert [one.offset for one in log.read(11, 100, [2, 3])] == [12, 15, 16, 19, 20]
    assert log.read(20, 10) == []
    assert log.read(0, 10, [9]) == []


def check_a_stamp_is_found(log: EventLog) -> None:
    """The last offset before an instant, from before the first record to after the last."""
    assert log.offset_before(10**15) == 0
    for now in (100, 200, 300):
        log.append([draft(), draft()], now)
    assert [log.offset_before(now) for now in (100, 101, 102, 200, 301, 302, 10**15)] == [
        0,
        1,
        2,
        2,
        5,
        6,
        6,
    ]


def check_merges_are_told_apart(log: EventLog) -> None:
    """Of all records those that say who is who, up to an offset."""
    kinds = ("event", "merge_out", "merge_in", "tick", "unmerge", "merge_in")
    log.append([draft(kind=kind) for kind in kinds], 1)
    assert [record.offset for record in log.merges(7)] == [3, 5, 6]
    assert [record.offset for record in log.merges(6)] == [3, 5]
    assert [record.kind for record in log.merges(4)] == ["merge_in"]


def check_deduplication_keys_come_newest_first(log: EventLog) -> None:
    """Those of records before an instant, and zeros, are left out."""
    log.append([draft(dedup=7)], 100)
    log.append([draft(dedup=8), draft(dedup=0), draft(dedup=9)], 200)
    assert [key for _, key in log.dedups_since(0)] == [9, 8, 7]
    assert [key for _, key in log.dedups_since(150)] == [9, 8]


def check_an_empty_batch_is_nothing(log: EventLog) -> None:
    """Appending nothing changes nothing."""
    assert not log.append([], 5)
    assert log.end() == 0


CHECKS: tuple[Callable[[EventLog], None], ...] = (
    check_a_new_log_is_empty,
    check_what_was_appended_is_read_in_order,
    check_stamps_rise_strictly_even_after_a_step_back,
    check_reading_is_paged_and_by_partition,
    check_a_stamp_is_found,
    check_merges_are_told_apart,
    check_deduplication_keys_come_newest_first,
    check_an_empty_batch_is_nothing,
)
