"""Ingest over HTTP, durable before the answer, all steps of collection: in batches and one by one.

CPU seconds are those of the web and writer processes; the engines work beside them. The baseline
of the same run is a bare granian + msgspec handler, without checks and without a disk.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.serving import Serving, serving, serving_bare
from benchmarks.table import Table

BATCHES = 400
BATCH = 100
SINGLES = 6_000
CONNECTIONS = 4


def run() -> None:
    """Print the table."""
    batches = [_body(number) for number in range(BATCHES)]
    singles = [json.dumps(_event(10_000_000 + number)).encode() for number in range(SINGLES)]
    size = sum(len(body) for body in batches) / BATCHES / BATCH
    table = Table(
        "Ingest over HTTP",
        ["what", "events/CPU-s", "web CPU-s", "writer CPU-s", "events/s wall", "p50 ms", "p99 ms"],
        note=f"{BATCHES * BATCH:,} events of {size:.0f} bytes in batches of {BATCH},"
        f" {SINGLES:,} one by one, {CONNECTIONS} connections",
    )
    with serving_bare() as server:
        _send(server, "/v1/batch", batches[:20])
        _measure(table, f"bare, batches of {BATCH}", server, "/v1/batch", batches, BATCH)
        _measure(table, "bare, one by one", server, "/v1/track", singles, 1)
    with serving() as server:
        _send(server, "/v1/batch", [_body(-1 - number) for number in range(60)])
        _measure(table, f"all steps, batches of {BATCH}", server, "/v1/batch", batches, BATCH)
        _measure(table, "all steps, one by one", server, "/v1/track", singles, 1)
    table.print()


def _measure(
    table: Table, what: str, server: Serving, path: str, bodies: list[bytes], each: int
) -> None:
    before, wall = _cpu_seconds(server), time.perf_counter()
    answered = sorted(_send(server, path, bodies))
    wall = time.perf_counter() - wall
    web, writer = (
        after - earlier for after, earlier in zip(_cpu_seconds(server), before, strict=True)
    )
    count = len(bodies) * each
    p50, p99 = (answered[int(len(answered) * part)] * 1e3 for part in (0.5, 0.99))
    table.add(what, count / (web + writer), web, writer, count / wall, p50, p99)


def _cpu_seconds(server: Serving) -> tuple[float, float]:
    roles = server.cpu_seconds()
    if not roles:
        return server.cpu_seconds_of(server.process.pid), 0.0
    return roles["web"], roles["writer"]


def _send(server: Serving, path: str, bodies: list[bytes]) -> list[float]:
    """Send all bodies over some connections; return how long each answer took, in seconds."""

    def work(share: list[bytes]) -> list[float]:
        connection, took = server.connect(), []
        for body in share:
            begun = time.perf_counter()
            connection.request("POST", path, body, server.headers())
            response = connection.getresponse()
            answer = response.read()
            took.append(time.perf_counter() - begun)
            assert response.status == 200, answer[:300]
        return took

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        shares = [bodies[start::CONNECTIONS] for start in range(CONNECTIONS)]
        return [one for took in pool.map(work, shares) for one in took]


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
