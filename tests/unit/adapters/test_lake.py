"""The lake: every record once, without loss, whatever breaks."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from tailorbird.adapters.lake import columns, items, parquet
from tailorbird.adapters.lake.manifest import QUARANTINE, to_json
from tailorbird.adapters.lake.parquet import FILES_MAX, ParquetLake
from tailorbird.adapters.memory.event_log import MemoryEventLog
from tailorbird.base.problems import OperationalError
from tailorbird.base.time import parse_micros
from tailorbird.events.event import (
    ERASE,
    EVENT,
    LINK,
    Erase,
    Event,
    Record,
    decode_event,
    encode,
    order_of,
)
from tailorbird.language import evaluate_warehouse
from tailorbird.ports.event_log import Draft
from tailorbird.ports.lake import LakeEvent, LakeRecord
from tailorbird.services.lake import export, record_of, row_of
from tailorbird.testing.building import DAY, START
from tailorbird.testing.lake import records_in
from tailorbird.testing.lived import live_history

VALUES: tuple[Any, ...] = (
    "shoes", "\u00e9", "", True, False, 0, -7, 12.5, 1e-9, 10**15, 2**60, None,
    ["a", 1], [], {"a": {"b": [1.5, None]}}, "NULL", "'; DROP TABLE events; --",
    [{"sku": "s1", "quantity": 2, "price": 5}, {"sku": "s2"}], [{"sku": "s1", "quantity": 7}], [{}],
)  # fmt: skip


def drawn_log(count: int, seed: int = 1) -> MemoryEventLog:
    """A log of events with all kinds of values, and of other records between them."""
    rng, log = random.Random(seed), MemoryEventLog()
    for number in range(count):
        event = Event(
            type=rng.choice(["track", "identify"]),
            name=rng.choice(["viewed", "order_completed"]),
            message_id=f"m{number}",
            timestamp=START - rng.randint(0, 5 * DAY),
            order=order_of(f"m{number}"),
            properties={
                name: rng.choice(VALUES)
                for name in rng.sample(["category", "price", "other", "a b", "name"], 3)
            },
            context={"ip": rng.choice(VALUES)},
            user_id=rng.choice([None, "u1"]),
            anonymous_id=rng.choice([None, "a\u0301"]),
            name_as_sent=rng.choice([None, "Viewed"]),
            original_timestamp=rng.choice([None, START]),
            is_historical=rng.random() < 0.2,
            as_sent=rng.choice([None, {"phone": "0123"}]),
            unfit=rng.choice([None, {"phone": "too short"}]),
        )
        profile_id = rng.randint(1, 5)
        log.append([Draft(profile_id, EVENT, profile_id, encode(event))], START + number)
        if rng.random() < 0.3:
            log.append([Draft(profile_id, LINK, profile_id, bytes([number % 256]))], START + number)
    return log


def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    log, lake = drawn_log(400), ParquetLake(tmp_path)
    assert export(log, lake) == log.end()
    assert export(log, lake) == 0
    assert lake.offset() == log.end()
    assert records_in(lake) == log.read(0, 10_000)


def test_a_lived_history_comes_back_as_it_was(tmp_path: Path) -> None:
    world, lake = live_history(3), ParquetLake(tmp_path)
    export(world.log, lake)
    assert records_in(lake) == world.log.read(0, 10_000)


def order(number: int, profile_id: int, *skus: str) -> Draft:
    products = [
        {"sku": sku, "name": f"Thing {sku}", "quantity": number % 9, "price": 2.5} for sku in skus
    ]
    event = Event(
        type="track", name="order_completed", message_id=f"o{number}", timestamp=START + number,
        order=number, properties={"order_id": number, "products": products},
    )  # fmt: skip
    return Draft(profile_id, EVENT, profile_id, encode(event))


def words_of(lake: ParquetLake) -> list[list[str]]:
    """The items that each file of events holds, whether a row has them or not."""
    found = []
    for file in lake.manifest().files:
        items = columns.read(lake.place.open(file.path))["items"].combine_chunks().values
        found.append(items.field("item").dictionary.to_pylist())
    return found


def test_equal_products_of_many_orders_are_stored_once(tmp_path: Path) -> None:
    lake, log = ParquetLake(tmp_path), MemoryEventLog()
    for number in range(50):
        log.append([order(number, 1, "a", "b", "c")], START + number)
    export(log, lake)
    (words,) = words_of(lake)
    assert words == [
        f'{{"sku":"{sku}","name":"Thing {sku}","quantity":null,"price":2.5}}' for sku in "abc"
    ]
    assert records_in(lake) == log.read(0, 100)


def test_products_of_many_files_stay_theirs_as_files_are_merged(tmp_path: Path) -> None:
    lake, log = ParquetLake(tmp_path), MemoryEventLog()
    for number in range(FILES_MAX + 4):
        skus = ("a", f"s{number}", f"s{number - 1}") if number % 3 else ()
        log.append([order(number, 1, *skus)], START + number)
        export(log, lake)
    assert lake.compact() == 1
    assert records_in(lake) == log.read(0, 100)


def test_products_of_the_forgotten_are_gone_from_the_disk(tmp_path: Path) -> None:
    lake, log = ParquetLake(tmp_path), MemoryEventLog()
    log.append([order(1, 1, "a", "engraved for Ada"), order(2, 2, "a", "b")], START + 2)
    export(log, lake)
    assert any("Ada" in word for words in words_of(lake) for word in words)
    lake.forget({1}, until=log.end())
    assert [len(words) for words in words_of(lake)] == [2]
    assert not any("Ada" in word for words in words_of(lake) for word in words)
    assert records_in(lake) == log.read(1, 100)


def test_files_of_an_earlier_version_are_read_asked_and_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, log = ParquetLake(tmp_path), MemoryEventLog()
    asked = "sum(order_completed.products.quantity)"
    for number in range(FILES_MAX + 4):
        log.append([order(number, number % 2, "a", "b")], START + number)
        with monkeypatch.context() as patched:
            if number < 4:  # It kept all of the JSON in its place.
                patched.setattr(
                    items, "properties_apart", lambda texts: {"properties": pa.array(texts)}
                )
            export(log, lake)
    for _ in range(2):
        assert records_in(lake) == log.read(0, 100)
        found = evaluate_warehouse(asked, str(tmp_path / "date=*/*.parquet"), "2030-01-01")
        history = [decode_event(one).properties for one in log.read(0, 100)]
        assert found == {
            who: sum(2 * (one["order_id"] % 9) for one in history if one["order_id"] % 2 == who)
            for who in (0, 1)
        }
        lake.compact()
        lake.add([], [], lake.offset())  # Sweeps what was merged.


def test_it_is_partitioned_by_day_and_sorted_by_time(tmp_path: Path) -> None:
    lake = ParquetLake(tmp_path)
    export(drawn_log(200), lake)
    for file in lake.manifest().files:
        if not file.day:
            continue
        assert file.path.startswith(f"date={file.day}/")
        found = duckdb.execute(
            "SELECT strftime(timestamp, '%Y-%m-%d'), timestamp, event_order"
            f" FROM read_parquet('{tmp_path / file.path}')"
        ).fetchall()
        assert (min(found)[0], max(found)[0]) == (file.day, file.last_day)
        assert [row[1:] for row in found] == sorted(row[1:] for row in found)


def test_plain_values_of_promoted_properties_have_columns(tmp_path: Path) -> None:
    lake, log = ParquetLake(tmp_path), MemoryEventLog()
    values = ["shoes", 12.5, True, "e\u0301", {"a": 1}]
    for number, value in enumerate(values):
        event = Event(
            type="track", name="viewed", message_id=f"m{number}", timestamp=START + number,
            order=number, properties={"category": value},
        )  # fmt: skip
        log.append([Draft(1, EVENT, 1, encode(event))], START + number)
    export(log, lake)
    (path,) = lake.event_files()
    rows = duckdb.execute(
        "SELECT category__text, category__number::DOUBLE, category__truth"
        f" FROM read_parquet('{path}') ORDER BY timestamp"
    ).fetchall()
    assert rows == [
        ("shoes", None, None),
        (None, 12.5, None),
        (None, None, True),
        ("\u00e9", None, None),
        (None, None, None),
    ]
    assert "category" in lake.promoted()
    # A list needs its JSON: the columns of that name stand for all values no more.
    event = Event(
        type="track", name="viewed", message_id="l", timestamp=START, order=9,
        properties={"category": ["a"]},
    )  # fmt: skip
    log.append([Draft(1, EVENT, 1, encode(event))], START)
    export(log, lake)
    assert "category" not in lake.promoted()
    assert "price" in lake.promoted()


def test_a_crash_while_adding_leaves_the_lake_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, lake = drawn_log(100), ParquetLake(tmp_path)
    export(log, lake)
    before = lake.manifest()
    more = drawn_log(50, seed=2)
    for record in more.read(0, 1_000):
        log.append([Draft(record.partition, record.kind, 1, record.body)], record.now)
    with monkeypatch.context() as patched:
        patched.setattr(ParquetLake, "_replace", _die)
        with pytest.raises(OperationalError, match="tried again"):
            export(log, lake)
    assert lake.manifest() == before
    assert len(list(tmp_path.glob("*/*.parquet"))) > len(before.files)
    export(log, lake)
    assert records_in(lake) == log.read(0, 10_000)
    assert len(list(tmp_path.glob("*/*.parquet"))) == len(lake.manifest().files)


def _die(*_: object) -> None:
    raise OSError("no space left on device")


def test_many_small_files_of_a_day_become_one(tmp_path: Path) -> None:
    log, lake = MemoryEventLog(), ParquetLake(tmp_path)
    for number in range(FILES_MAX + 1):
        for record in drawn_log(20, seed=number).read(0, 1_000):
            log.append([Draft(record.partition, record.kind, 1, record.body)], record.now)
        export(log, lake)
    assert lake.compact() >= 1
    days = [file.day for file in lake.manifest().files]
    assert max(days.count(day) for day in days) <= FILES_MAX
    assert records_in(lake) == log.read(0, 10_000)
    assert lake.compact() == 0


def test_the_forgotten_are_gone_from_the_disk(tmp_path: Path) -> None:
    log, lake = drawn_log(300), ParquetLake(tmp_path)
    export(log, lake)
    gone = lake.forget({2, 4}, until=log.end() - 50)
    assert gone == sum(
        one.profile_id in (2, 4) and one.offset <= log.end() - 50 for one in log.read(0, 10_000)
    )
    left = [
        one
        for one in log.read(0, 10_000)
        if one.profile_id not in (2, 4) or one.offset > log.end() - 50
    ]
    assert records_in(lake) == left
    assert len(list(tmp_path.glob("*/*.parquet"))) == len(lake.manifest().files)
    assert lake.forget({2, 4}, until=log.end() - 50) == 0


def test_old_days_are_dropped_and_come_no_more(tmp_path: Path) -> None:
    log, lake = drawn_log(300), ParquetLake(tmp_path)
    export(log, lake)
    everything = records_in(lake)
    before = "2026-01-02"
    start = parse_micros("2026-01-02T00:00:00Z")

    def instant(one: Record) -> int:
        return decode_event(one).timestamp if one.kind == EVENT else one.now

    kept = [one for one in everything if instant(one) >= start]
    assert lake.drop_days(before) == len(everything) - len(kept) > 0
    assert records_in(lake) == kept
    assert lake.manifest().since == before
    assert lake.drop_days(before) == 0
    # Nor do they come back with what arrives late.
    for record in drawn_log(100, seed=5).read(0, 1_000):
        log.append([Draft(record.partition, record.kind, 1, record.body)], record.now)
    export(log, lake)
    assert records_in(lake) == [one for one in log.read(0, 10_000) if instant(one) >= start]


def test_few_events_of_a_year_share_a_file(tmp_path: Path) -> None:
    log, lake = MemoryEventLog(), ParquetLake(tmp_path)
    for day in range(90):
        event = Event(
            type="track", name="viewed", message_id=f"m{day}", timestamp=START + day * DAY, order=1
        )
        log.append([Draft(1, EVENT, 1, encode(event))], START + day * DAY)
    export(log, lake)
    files = lake.manifest().files
    assert sum(one.rows for one in files) == 90
    assert len(files) == len({one.day[:4] for one in files}) < 3
    assert all(one.day[:4] == one.last_day[:4] for one in files)


def test_what_is_fresh_is_settled_once_there_is_much_of_it(tmp_path: Path) -> None:
    log, lake = MemoryEventLog(), ParquetLake(tmp_path)
    rng = random.Random(7)

    def add(count: int) -> None:
        for _ in range(count):
            at = START + log.end() * 1_000_000
            noise = rng.randbytes(400).hex()
            event = Event(
                type="track", name="viewed", message_id=noise[:8], timestamp=at, order=1,
                properties={"noise": noise},
            )  # fmt: skip
            log.append([Draft(1, EVENT, 1, encode(event))], at)
        export(log, lake)

    add(100)
    assert lake.compact() == 0
    add(1_000)
    assert lake.compact() == 1
    assert [one.is_settled for one in lake.manifest().files] == [True]
    assert lake.compact() == 0
    add(100)
    assert lake.compact() == 0
    assert records_in(lake) == log.read(0, 10_000)


def test_rows_that_compress_well_do_not_gather_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "FULL_ROWS", 50)
    monkeypatch.setattr(parquet, "SETTLED_BYTES_MIN", 1)
    log, lake = MemoryEventLog(), ParquetLake(tmp_path)
    for number in range(400):
        event = Event(type="track", name="seen", message_id=f"m{number}", timestamp=START, order=1)
        log.append([Draft(1, EVENT, 1, encode(event))], START + number)
        if number % 20 == 19:
            export(log, lake)
            lake.compact()
    rows = [one.rows for one in lake.manifest().files]
    assert max(rows) < 2 * 50
    assert len(rows) <= 400 / 50 + 1
    assert records_in(lake) == log.read(0, 10_000)


def test_the_largest_numbers_have_columns(tmp_path: Path) -> None:
    log, lake = MemoryEventLog(), ParquetLake(tmp_path)
    for number, price in enumerate((10**12, -(10**12), 1e-9)):
        event = Event(
            type="track", name="viewed", message_id=f"m{number}", timestamp=START, order=number,
            properties={"price": price},
        )  # fmt: skip
        log.append([Draft(1, EVENT, 1, encode(event))], START + number)
    export(log, lake)
    (path,) = lake.event_files()
    rows = duckdb.execute(f"SELECT price__number FROM read_parquet('{path}') ORDER BY 1").fetchall()
    assert [f"{row[0]:f}" for row in rows] == [
        "-1000000000000.000000000", "0.000000001", "1000000000000.000000000",
    ]  # fmt: skip


@pytest.mark.parametrize("damage", ["truncate", "garbage", "missing"])
def test_a_damaged_file_is_set_aside_and_made_again(tmp_path: Path, damage: str) -> None:
    log, lake = drawn_log(100), ParquetLake(tmp_path)
    export(log, lake)
    for record in drawn_log(100, seed=3).read(0, 1_000):
        log.append([Draft(record.partition, record.kind, 1, record.body)], record.now)
    export(log, lake)
    assert lake.check() == []
    path = Path(lake.event_files()[-1])
    if damage == "missing":
        path.unlink()
    elif damage == "truncate":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        data = bytearray(path.read_bytes())
        data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
        path.write_bytes(data)

    (told,) = lake.check()
    assert QUARANTINE in told
    assert lake.offset() < log.end()
    export(log, lake)
    assert records_in(lake) == log.read(0, 10_000)
    assert lake.check() == []


@pytest.mark.parametrize(
    "act",
    [
        lambda lake, log: lake.forget({2}, log.end()),
        lambda lake, log: lake.drop_days("2026-01-02"),
        lambda lake, log: lake.compact(),
    ],
    ids=["forget", "drop days", "compact"],
)
def test_a_damaged_file_is_in_nobodys_way(tmp_path: Path, act: Callable[..., int]) -> None:
    log, lake = drawn_log(20), ParquetLake(tmp_path)
    for number in range(FILES_MAX + 1):
        for record in drawn_log(20, seed=number).read(0, 1_000):
            log.append([Draft(record.partition, record.kind, 1, record.body)], record.now)
        export(log, lake)
    damaged = Path(lake.event_files()[3])
    damaged.write_bytes(damaged.read_bytes()[:200])
    act(lake, log)
    export(log, lake)
    assert lake.check() == []


def test_an_erasure_loses_nothing_that_a_damaged_file_held(tmp_path: Path) -> None:
    log, lake = drawn_log(200), ParquetLake(tmp_path)
    export(log, lake)
    log.append([Draft(2, ERASE, 2, encode(Erase("e1", START, [2], [], [], [])))], START + 10_000)
    damaged = Path(lake.event_files()[0])
    damaged.write_bytes(damaged.read_bytes()[:-9])
    export(log, lake)
    end = log.end()
    kept = [one for one in log.read(0, 10_000) if one.profile_id != 2 or one.offset == end]
    assert records_in(lake) == kept


def test_what_is_set_aside_goes_with_an_erasure(tmp_path: Path) -> None:
    log, lake = drawn_log(100), ParquetLake(tmp_path)
    export(log, lake)
    damaged = Path(lake.event_files()[0])
    damaged.write_bytes(damaged.read_bytes()[:-9])
    assert lake.check()
    assert len(list((tmp_path / QUARANTINE).iterdir())) == 1
    export(log, lake)
    lake.forget({99}, log.end())
    assert list((tmp_path / QUARANTINE).iterdir()) == []


def test_what_there_is_is_told(tmp_path: Path) -> None:
    lake = ParquetLake(tmp_path)
    assert to_json(lake.manifest())["bytes_per_event"] is None
    export(drawn_log(50), lake)
    told = to_json(lake.manifest())
    assert told["events"] == 50
    assert told["bytes_per_event"] > 0


def test_bytes_that_are_no_event_are_kept_as_they_are() -> None:
    record = Record(1, 1, START, EVENT, 1, b"\xc1")
    row = row_of(record)
    assert isinstance(row, LakeRecord)
    assert record_of(row) == record


def test_a_timestamp_of_the_future_is_clamped_as_in_every_reading() -> None:
    event = Event(type="track", name="viewed", message_id="m", timestamp=START + 9, order=1)
    record = Record(1, 1, START, EVENT, 1, encode(event))
    row = row_of(record)
    assert isinstance(row, LakeEvent)
    assert (row.timestamp, row.original_timestamp) == (START, START + 9)
    assert decode_event(record_of(row)) == decode_event(record)


def test_an_erasure_takes_out_what_came_before_it(tmp_path: Path) -> None:
    log, lake = drawn_log(200), ParquetLake(tmp_path)
    export(log, lake)
    plain = Erase("e1", START, [2], [], [("email", "two@shop.example")], ["two@shop.example"])
    more = drawn_log(50, seed=7)
    for record in more.read(0, 1_000):
        log.append([Draft(record.partition, record.kind, 2, record.body)], record.now)
    (erasure,) = log.append([Draft(2, ERASE, 2, encode(plain))], START + DAY)
    for record in more.read(0, 1_000):
        log.append([Draft(record.partition, record.kind, 2, record.body)], record.now)
    export(log, lake)
    bare = Erase("e1", START, [2], [], [], [])
    assert records_in(lake) == [
        Record(*_fields(one)[:-1], encode(bare)) if one.offset == erasure.offset else one
        for one in log.read(0, 10_000)
        if one.profile_id != 2 or one.offset >= erasure.offset
    ]


def _fields(record: Record) -> tuple[Any, ...]:
    return (
        record.offset, record.partition, record.now, record.kind, record.profile_id, record.body,
    )  # fmt: skip
