"""From POST to visible membership, alone and while 2,000 events a second come in beside it."""

from __future__ import annotations

import json
import threading
import time

from benchmarks.ingest import BATCH, _body
from benchmarks.serving import Serving, serving
from benchmarks.table import Table

POSTS = 150
RATE = 2_000


def run() -> None:
    """Print the table."""
    table = Table(
        "POST to visible membership",
        ["load", "p50 ms", "p99 ms", "worst ms"],
        note=f"{POSTS} people, each asked for over HTTP until the segment shows",
    )
    with serving() as server:
        _measure(server, "warm-up", 20)
        table.add("idle", *_measure(server, "idle", POSTS))
        stop = threading.Event()
        load = threading.Thread(target=_load, args=(server, stop))
        load.start()
        time.sleep(1)
        table.add(f"{RATE:,} events/s", *_measure(server, "busy", POSTS))
        stop.set()
        load.join()
    table.print()


def _measure(server: Serving, name: str, count: int) -> tuple[float, ...]:
    connection = server.connect()
    spans = []
    for number in range(count):
        user = f"{name}-{number}"
        body = json.dumps({"userId": user, "event": "Benchmarked"}).encode()
        begun = time.perf_counter()
        connection.request("POST", "/v1/track", body, server.headers())
        assert connection.getresponse().read()
        while True:
            path = f"/v1/profiles/user_id:{user}"
            connection.request("GET", path, headers=server.headers(is_admin=True))
            response = connection.getresponse()
            profile = json.loads(response.read())
            if response.status == 200 and "busy" in profile["segments"]:
                break
        spans.append((time.perf_counter() - begun) * 1_000)
    spans.sort()
    return spans[len(spans) // 2], spans[int(len(spans) * 0.99)], spans[-1]


def _load(server: Serving, stop: threading.Event) -> None:
    connection = server.connect()
    begun = time.perf_counter()
    number = 1_000_000
    while not stop.is_set():
        connection.request("POST", "/v1/batch", _body(number), server.headers())
        assert connection.getresponse().read()
        number += 1
        due = begun + (number - 1_000_000) * BATCH / RATE
        time.sleep(max(due - time.perf_counter(), 0))


if __name__ == "__main__":
    run()
