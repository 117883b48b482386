"""Ingest over HTTP, durable before the answer, all steps of collection: in batches and one by one.

CPU seconds are those of the web and writer processes; the engines work beside them. The baseline
of the same run is a bare granian + msgspec handler, without checks and without a disk.
"""

from __future__ import annotations

import asyncio
import json
import time

from benchmarks.serving import Serving, serving, serving_bare
from benchmarks.table import Table

BATCHES = 400
BATCH = 100
SINGLES = 24_000
# A few servers that send batches, or the many visitors of a shop.
FEW, MANY = 4, 64


def run() -> None:
    """Print the table."""
    batches = [_body(number) for number in range(BATCHES)]
    singles = [json.dumps(_event(10_000_000 + number)).encode() for number in range(SINGLES)]
    size = sum(len(body) for body in batches) / BATCHES / BATCH
    table = Table(
        "Ingest over HTTP",
        [
            "what",
            "connections",
            "events/CPU-s",
            "web CPU-s",
            "writer CPU-s",
            "events/s wall",
            "p50 ms",
            "p99 ms",
        ],
        note=f"{BATCHES * BATCH:,} events of {size:.0f} bytes in batches of {BATCH},"
        f" {SINGLES:,} one by one",
    )
    few, many = singles[: SINGLES // 2], singles[SINGLES // 2 :]
    with serving_bare() as server:
        _send(server, "/v1/batch", batches[:20], FEW)
        _measure(table, f"bare, batches of {BATCH}", server, batches, FEW)
        _measure(table, "bare, one by one", server, few, FEW)
        _measure(table, "bare, one by one", server, many, MANY)
    with serving() as server:
        _send(server, "/v1/batch", [_body(-1 - number) for number in range(60)], FEW)
        _measure(table, f"all steps, batches of {BATCH}", server, batches, FEW)
        _measure(table, "all steps, one by one", server, few, FEW)
        _measure(table, "all steps, one by one", server, many, MANY)
    table.print()


def _measure(
    table: Table, what: str, server: Serving, bodies: list[bytes], connections: int
) -> None:
    is_batch = bodies[0].startswith(b'{"batch"')
    path, each = ("/v1/batch", BATCH) if is_batch else ("/v1/track", 1)
    before, wall = _cpu_seconds(server), time.perf_counter()
    answered = sorted(_send(server, path, bodies, connections))
    wall = time.perf_counter() - wall
    web, writer = (
        after - earlier for after, earlier in zip(_cpu_seconds(server), before, strict=True)
    )
    count = len(bodies) * each
    p50, p99 = (answered[int(len(answered) * part)] * 1e3 for part in (0.5, 0.99))
    table.add(what, connections, count / (web + writer), web, writer, count / wall, p50, p99)


def _cpu_seconds(server: Serving) -> tuple[float, float]:
    roles = server.cpu_seconds()
    if not roles:
        return server.cpu_seconds_of(server.process.pid), 0.0
    return roles["web"], roles["writer"]


def _send(server: Serving, path: str, bodies: list[bytes], connections: int) -> list[float]:
    """Send all bodies over some connections; return how long each answer took, in seconds."""
    return asyncio.run(_send_all(server, path, bodies, connections))


async def _send_all(
    server: Serving, path: str, bodies: list[bytes], connections: int
) -> list[float]:
    lines = [f"{name}: {value}" for name, value in server.headers().items()]
    head = "\r\n".join([f"POST {path} HTTP/1.1", "Host: shop.example", *lines])
    left, took = iter(bodies), list[float]()

    async def work() -> None:
        reader, stream = await asyncio.open_connection("127.0.0.1", server.port)
        for body in left:
            begun = time.perf_counter()
            stream.write(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            size = answer.lower().partition(b"content-length:")[2].partition(b"\r")[0]
            await reader.readexactly(int(size))
            took.append(time.perf_counter() - begun)
            assert answer.startswith(b"HTTP/1.1 200"), answer
        stream.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return took


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
