"""The lake: how fast the log is exported, and how many bytes an event takes there.

Two histories: the demo's year, whose orders hold fifteen products each in the mean and up to 200,
and plain browsing. Both pass through the steps of collection; only reading the log, writing the
lake's files and merging them is timed, in one process. Then the first lake is asked for products.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.table import Table
from tailorbird.adapters.lake.manifest import to_json
from tailorbird.adapters.lake.parquet import ParquetLake
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.base.time import DAY, format_micros, parse_micros
from tailorbird.demo.dataset import Counts, read_calls
from tailorbird.events.decode import Accepted, decode_item
from tailorbird.events.event import EVENT, partition_of, profile_id_of
from tailorbird.language.oracle import Person
from tailorbird.language.parser import parse
from tailorbird.language.warehouse.embedded import Warehouse
from tailorbird.language.warehouse.query import members_query
from tailorbird.ports.event_log import Draft
from tailorbird.services.ingest import draft_of
from tailorbird.services.lake import export

SEED = 20_261_123
EVENTS, VISITORS, DAYS = 400_000, 20_000, 10
START = parse_micros("2026-03-01T00:00:00Z")
DEMO = Path(__file__).parents[1] / "examples" / "online-retail" / "online-retail.parquet"
SEGMENTS = (
    "any(order_completed.products where price > 100)",
    "any(order_completed.products where name contains 'LANTERN' and quantity >= 6)",
    "any(order_completed where products.product_id contains '22423')",
    "sum(order_completed.products.quantity) > 1000",
)
_BATCH = 1_000


def run() -> None:
    """Print the table."""
    table = Table(
        "The lake",
        ["history", "events", "log B/event", "exported/CPU-s", "merged too", "files", "B/event"],
        note=f"the demo's year; {EVENTS:,} page views of {VISITORS:,} visitors in {DAYS} days,"
        f" seed {SEED}",
    )
    with tempfile.TemporaryDirectory() as folder:
        # What is loaded when it is first wanted is no event's own.
        _measure(Path(folder), islice(browsing(), 1_000))
    demo = ((call.at, call.message) for call in read_calls(DEMO, Counts()))
    asked = Table("Asking the demo's lake for products of orders", ["segment", "members", "CPU s"])
    for name, calls in (("the demo's year", demo), ("browsing", browsing())):
        with tempfile.TemporaryDirectory() as folder:
            table.add(name, *_measure(Path(folder), calls))
            if calls is demo:
                for text in SEGMENTS:
                    asked.add(text, *_ask(ParquetLake(Path(folder) / "lake"), text))
    table.print()
    asked.print()


def _ask(lake: ParquetLake, text: str) -> tuple[int, float]:
    warehouse = Warehouse(lake.event_files(), only_promoted=lake.promoted(), threads=1)
    warehouse.ask_everybody()
    begun = time.process_time()
    query = members_query(parse(text), warehouse.frame(parse_micros("2012-01-01")), Person())
    members = warehouse.count(query)
    spent = time.process_time() - begun
    warehouse.close()
    return members, round(spent, 2)


def browsing() -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield page views as a snippet sends them, in order of time."""
    rng = random.Random(SEED)
    visitors = [str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(VISITORS)]
    agents = [
        f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.{one} Safari/605.{one}"
        for one in range(40)
    ]
    for number in range(EVENTS):
        at = START + number * (DAYS * DAY // EVENTS) + rng.randrange(1_000_000)
        visitor = int(rng.random() ** 2 * VISITORS)
        path = f"/products/{int(rng.random() ** 2 * 2_000)}"
        yield (
            at,
            {
                "type": "page",
                "messageId": str(uuid.UUID(int=rng.getrandbits(128))),
                "anonymousId": visitors[visitor],
                "timestamp": format_micros(at),
                "properties": {
                    "path": path,
                    "url": f"https://shop.example{path}",
                    "title": f"Product {path[10:]}",
                    "referrer": rng.choice(
                        ("", "https://shop.example/", "https://search.example/")
                    ),
                },
                "context": {"locale": "en-GB", "userAgent": agents[visitor % len(agents)]},
            },
        )


def _measure(folder: Path, calls: Iterator[tuple[int, dict[str, Any]]]) -> tuple[float, ...]:
    log = SqliteEventLog(folder / "log", is_writer=True)
    count = size = 0
    drafts: list[Draft] = []
    for at, call in calls:
        accepted = decode_item(
            json.dumps(call).encode(), call=None, now=at + 1_000, sent_at=None, fresh_id=""
        )
        assert isinstance(accepted, Accepted)
        one = draft_of(accepted, at + 1_000)
        profile_id = profile_id_of(*one.identifiers[0])
        drafts.append(Draft(partition_of(profile_id), EVENT, profile_id, one.body, one.dedup))
        count, size = count + 1, size + len(one.body)
        if len(drafts) == _BATCH:
            log.append(drafts, at + 1_000)
            drafts.clear()
    log.append(drafts, at + 1_000)
    lake = ParquetLake(folder / "lake")
    begun = time.process_time()
    export(log, lake)
    exported = time.process_time() - begun
    lake.compact()
    merged = time.process_time() - begun
    told = to_json(lake.manifest())
    log.close()
    return (
        count,
        size / count,
        count / exported,
        count / merged,
        told["files"],
        told["bytes_per_event"],
    )


if __name__ == "__main__":
    run()
