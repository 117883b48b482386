"""Ingest over HTTP in batches of 100, durable before the answer, all steps of collection.

CPU seconds are those of the web and writer processes; the engines work beside them. The baseline
of the same run is the decoding of the same bytes into dictionaries.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec

from benchmarks.serving import Serving, serving
from benchmarks.table import Table

BATCHES = 400
BATCH = 100
CONNECTIONS = 4


def run() -> None:
    """Print the table."""
    bodies = [_body(number) for number in range(BATCHES)]
    size = sum(len(body) for body in bodies) / BATCHES / BATCH
    table = Table(
        "Ingest over HTTP, batches of 100",
        ["what", "events/CPU-s", "web CPU-s", "writer CPU-s", "events/s wall"],
        note=f"{BATCHES * BATCH:,} events of {size:.0f} bytes, {CONNECTIONS} connections",
    )
    begun = time.process_time()
    for body in bodies:
        msgspec.json.decode(body)
    table.add("decode only", BATCHES * BATCH / (time.process_time() - begun), "", "", "")
    with serving() as server:
        _send(server, [_body(-1 - number) for number in range(20)])
        before = server.cpu_seconds()
        wall = time.perf_counter()
        _send(server, bodies)
        wall = time.perf_counter() - wall
        after = server.cpu_seconds()
    web, writer = (after[role] - before[role] for role in ("web", "writer"))
    count = BATCHES * BATCH
    table.add("all steps", count / (web + writer), web, writer, count / wall)
    table.print()


def _send(server: Serving, bodies: list[bytes]) -> None:
    def work(share: list[bytes]) -> None:
        connection = server.connect()
        for body in share:
            connection.request("POST", "/v1/batch", body, server.headers())
            response = connection.getresponse()
            answer = response.read()
            assert response.status == 200, answer[:300]

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(work, [bodies[start::CONNECTIONS] for start in range(CONNECTIONS)]))


def _body(number: int) -> bytes:
    return json.dumps(
        {"batch": [_event(number * BATCH + index) for index in range(BATCH)]}
    ).encode()


def _event(number: int) -> dict[str, object]:
    return {
        "type": "track",
        "event": "Product Viewed",
        "userId": f"user-{number % 5_000}",
        "messageId": f"benchmark-{number:012d}",
        "properties": {
            "product_id": f"sku-{number % 900}",
            "sku": f"{number % 900:06d}",
            "category": "kitchen",
            "name": "Regency cakestand, three tier",
            "brand": "Wren",
            "price": 12.75,
            "quantity": 1,
            "currency": "GBP",
            "url": f"https://shop.example/kitchen/cakestands/{number % 900}",
            "image_url": f"https://images.shop.example/{number % 900}.jpg",
        },
        "context": {"library": {"name": "benchmark", "version": "1"}, "locale": "en-GB"},
    }


if __name__ == "__main__":
    run()
