"""Events as fast as they go in, for long: does memory stay where it is?

`SOAK_EVENTS` sets how many; 17,280,000 (a day at 200 a second) is the nightly form. Memory is what
belongs to the processes alone, after a tenth and at the end; pages of mapped files, where the
deduplication keys of the day lie, are the kernel's, which takes them back when it needs them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.ingest import BATCH, FEW, _body, _send
from benchmarks.serving import Serving, serving
from benchmarks.table import Table

EVENTS = int(os.environ.get("SOAK_EVENTS", "200000"))
PARTS = 10


def run() -> None:
    """Print the table."""
    table = Table(
        "Soak",
        ["process", "MB after a tenth", "MB at the end", "growth %"],
        note=f"{EVENTS:,} events in batches of {BATCH}",
    )
    batches = EVENTS // BATCH
    with serving() as server:
        begun, first = time.perf_counter(), {}
        for part in range(PARTS):
            numbers = range(batches * part // PARTS, batches * (part + 1) // PARTS)
            for start in range(0, len(numbers), 200):
                bodies = [_body(one) for one in numbers[start : start + 200]]
                _send(server, "/v1/batch", bodies, FEW)
            if not part:
                first = _memory(server)
        took = time.perf_counter() - begun
        last = _memory(server)
    for name, size in last.items():
        table.add(name, first[name], size, (size / first[name] - 1) * 100)
    before, after = sum(first.values()), sum(last.values())
    table.add("all", before, after, (after / before - 1) * 100)
    table.add("events/s", "", f"{EVENTS / took:,.0f}", "")
    table.print()


def _memory(server: Serving) -> dict[str, float]:
    """Return the megabytes of each process that no file backs."""
    found: dict[str, float] = {}
    for number, role in sorted(server.processes().items()):
        lines = Path(f"/proc/{number}/status").read_text().splitlines()
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
        name = role if role not in found else f"{role} {number}"
        found[name] = kilobytes / 1024
    return found


if __name__ == "__main__":
    run()
