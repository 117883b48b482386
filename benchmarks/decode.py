"""Collection without HTTP: the bytes of a call to an event, and on to what the log's writer takes.

The baseline of the same run is the decoding of the same bytes into dictionaries.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from benchmarks.table import Table
from tailorbird.base.time import parse_micros
from tailorbird.events.decode import Accepted, decode_item, decode_items, spread
from tailorbird.events.reading import is_plain
from tailorbird.services.ingest import draft_of

EVENTS = 50_000
BATCH = 100
NOW = parse_micros("2026-03-01T12:00:00Z")


def run() -> None:
    """Print the table."""
    items = [_item(number) for number in range(EVENTS)]
    size = sum(map(len, items)) / EVENTS
    table = Table(
        "Decode, validate, standardise",
        ["what", "events/CPU-s"],
        note=f"{EVENTS:,} track calls of {size:.0f} bytes, no two alike",
    )
    raw = msgspec.json.Decoder().decode
    kept: list[Accepted] = []
    plain, alone, accept, apart, draft = 0.0, 0.0, 0.0, 0.0, 0.0
    for start in range(0, EVENTS, BATCH):
        batch = items[start : start + BATCH]
        plain += _seconds(lambda batch=batch: [raw(item) for item in batch])
        alone += _seconds(lambda batch=batch: [_accept(item) for item in batch])
        accept += _seconds(lambda batch=batch: kept.extend(_accept_batch(batch)))
        apart += _seconds(lambda: spread(kept))
        draft += _seconds(lambda: [draft_of(one, NOW) for one in kept])
        kept.clear()
    table.add("msgspec into dictionaries (baseline)", EVENTS / plain)
    table.add("decode_item", EVENTS / alone)
    table.add("decode_items, batches of 100", EVENTS / accept)
    table.add("spread", EVENTS / apart)
    table.add("draft_of", EVENTS / draft)
    table.add("decode_items, spread, draft_of", EVENTS / (accept + apart + draft))
    table.print()


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _accept(item: bytes) -> Accepted:
    found = decode_item(item, call=None, now=NOW, sent_at=None, fresh_id="")
    assert isinstance(found, Accepted)
    return found


def _accept_batch(items: Sequence[bytes]) -> Iterator[Accepted]:
    is_all_plain = is_plain(b"".join(items))
    found = decode_items(
        items, call=None, now=NOW, sent_at=None, fresh_id=str, are_plain=is_all_plain
    )
    for one in found:
        assert isinstance(one, Accepted)
        yield one


def _item(number: int) -> bytes:
    return json.dumps(
        {
            "type": "track",
            "messageId": f"m-{number:08d}-7f3a",
            "userId": f"user-{number % 10_000}",
            "anonymousId": f"5f1c9a3e-{number % 10_000:012d}",
            "event": "Order Completed",
            "timestamp": f"2026-02-{1 + number % 28:02d}T10:{number % 60:02d}:00.123Z",
            "properties": {
                "order_id": f"o-{number}",
                "revenue": 10 + number % 900 / 100,
                "currency": "GBP",
                "products": [{"product_id": f"p{number % 500}", "price": 2.55, "quantity": 6}],
            },
            "context": {
                "ip": "203.0.113.7",
                "locale": "de-CH",
                "userAgent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605",
                "page": {"path": "/checkout", "referrer": "", "url": "https://shop.example/c"},
            },
        }
    ).encode()


if __name__ == "__main__":
    run()
