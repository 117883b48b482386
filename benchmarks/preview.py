"""Previews over 10,000,000 events of 1,000,000 people, beside the same asked by hand in SQL.

The events lie in one Parquet file, sorted by time over 90 days; `category` and `price` have columns
of their own. The compiled query (compiling included) and the written one run in turns.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb

from benchmarks.table import Table
from tailorbird.base.time import format_micros, parse_micros
from tailorbird.language.oracle import Person
from tailorbird.language.parser import parse
from tailorbird.language.warehouse.embedded import Warehouse
from tailorbird.language.warehouse.query import members_query

NOW = parse_micros("2026-03-01T00:00:00Z")
EVENTS, PEOPLE, THREADS = 10_000_000, 1_000_000, 2
ROUNDS = 7
CASES = ("24h", "30d")
SEGMENTS = (
    "count(product_viewed where category = 'c7' within 24h) > 3",
    "count(product_viewed where category = 'c7' within 30d) > 3",
    "count(product_viewed within 7d) >= 5",
    "any(order_completed within 30d)",
    "none(order_completed within 30d) and any(cart_added within 7d)",
    "sum(order_completed.price within 30d) >= 100",
    "sum(order_completed.price) > 400",
    "avg(order_completed.price within 90d) > 80",
    "max(order_completed.price within 30d) > 95",
    "min(order_completed.price) < 5 and count(order_completed) > 1",
    "since(product_viewed) > 60d",
    "distinct(product_viewed.category within 30d) >= 5",
    "most(product_viewed by category within 30d) >= 3",
    "favourite(product_viewed.category within 30d) = 'c3'",
    "rate(order_completed, cart_added within 90d) > 50%",
    "abandoned(cart_added, order_completed after 1d over 7d)",
    "followed(product_viewed, cart_added within 1h over 30d)",
    "last(product_viewed.category within 7d) = 'c1'",
    "count(email_opened within 90d) >= 2 and any(email_clicked within 30d)",
    "count(product_viewed where price > 90 within 30d) >= 2 or any(order_completed within 24h)",
)


def make(path: str, events: int, people: int) -> None:
    """Write the events: six names, fifty categories, times spread evenly, people at random."""
    names = (
        "['product_viewed','cart_added','order_completed','email_opened','email_clicked','page']"
    )
    share = "CASE WHEN d < 0.5 THEN 1 WHEN d < 0.6 THEN 2 WHEN d < 0.65 THEN 3 WHEN d < 0.8 THEN 4"
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SELECT setseed(0.5)")
    connection.execute(
        f"""COPY (
            SELECT profile_id, stamp AS timestamp, stamp AS known_at, n AS event_order,
                ({names})[{share} WHEN d < 0.85 THEN 5 ELSE 6 END] AS event, 'track' AS type,
                '{{"category":"' || category || '","price":' || price || '}}' AS properties,
                '{{}}' AS context, category AS category__text,
                price::DECIMAL(22, 9) AS price__number
            FROM (SELECT (pow(random(), 2) * {people})::BIGINT AS profile_id, n, random() AS d,
                make_timestamp({NOW} - 7776000000000 + n * (7776000000000 // {events})) AS stamp,
                'c' || (random() * 50)::INTEGER AS category,
                (random() * 10000)::INTEGER::DECIMAL(22, 9) * 0.01 AS price
                FROM range({events}) AS r(n))
        ) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"""
    )
    connection.close()


def by_hand(window: str) -> str:
    """Return what somebody would write who knows the file."""
    since = {"24h": 86_400, "30d": 2_592_000}[window] * 1_000_000
    begin = format_micros(NOW - since).removesuffix("Z")
    end = format_micros(NOW).removesuffix("Z")
    return (
        "SELECT count(*) FROM (SELECT profile_id FROM events WHERE event = 'product_viewed'"
        f" AND category__text = 'c7' AND timestamp > TIMESTAMP '{begin}'"
        f" AND known_at <= TIMESTAMP '{end}' GROUP BY profile_id HAVING count(*) > 3)"
    )


def run(folder: str = tempfile.gettempdir()) -> None:
    """Make the file where it is not there, and print seconds."""
    path = Path(folder) / f"tailorbird-preview-{EVENTS}-{PEOPLE}.parquet"
    if not path.exists():
        make(str(path), EVENTS, PEOPLE)
    warehouse = Warehouse(str(path), threads=THREADS)
    frame, person = warehouse.frame(NOW), Person()
    warehouse.ask_everybody()

    def ask(text: str) -> int:
        return warehouse.count(members_query(parse(text), frame, person))

    def by_hand_count(window: str) -> int:
        return int(warehouse.connection.execute(by_hand(window)).fetchall()[0][0])

    table = Table(
        "Previews of segments by DuckDB",
        ["segment", "members", "s", "CPU s", "by hand s", "by hand CPU s"],
        note=f"{EVENTS:,} events of {PEOPLE:,} people, {THREADS} threads, median of {ROUNDS};"
        " CPU of both threads together",
    )
    for window in CASES:
        text = f"count(product_viewed where category = 'c7' within {window}) > 3"
        ours, theirs, members = [], [], 0
        for _ in range(ROUNDS):
            members, *spent = _timed(lambda text=text: ask(text))
            ours.append(spent)
            other, *spent = _timed(lambda window=window: by_hand_count(window))
            theirs.append(spent)
            assert members == other, (members, other)
        table.add(text, members, *_medians(ours), *_medians(theirs))
    whole = [0.0, 0.0]
    for text in SEGMENTS:
        members, *spent = _timed(lambda text=text: ask(text))
        whole = [one + more for one, more in zip(whole, spent, strict=True)]
        table.add(text, members, *_medians([spent]), "", "")
    table.add(f"{len(SEGMENTS)} segments one after the other", "", *_medians([whole]), "", "")
    table.print()
    warehouse.close()


def _timed(ask: Callable[[], int]) -> tuple[int, float, float]:
    begin, cpu = time.perf_counter(), time.process_time()
    found = ask()
    return found, time.perf_counter() - begin, time.process_time() - cpu


def _medians(spent: Sequence[Sequence[float]]) -> tuple[float, float]:
    wall, cpu = (statistics.median(column) for column in zip(*spent, strict=True))
    return round(wall, 3), round(cpu, 3)
