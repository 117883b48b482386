"""Events as fast as they go in, for long: does memory stay where it is?

`SOAK_EVENTS` sets how many; 17,280,000 (a day at 200 a second) is the nightly form. Memory is what
belongs to the processes alone, after a tenth and at the end; pages of mapped files, where the
deduplication keys of the day lie, are the kernel's, which takes them back when it needs them. The
lake's rounds come and go, so the sum leaves them out; the most that one took is told by itself.
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
_ROUND = "lake_round"


def run() -> None:
    """Print the table."""
    table = Table(
        "Soak",
        ["process", "MB after a tenth", "MB at the end", "growth %"],
        note=f"{EVENTS:,} events in batches of {BATCH}",
    )
    batches = EVENTS // BATCH
    with serving() as server:
        begun, first, most = time.perf_counter(), dict[str, float](), 0.0
        for part in range(PARTS):
            numbers = range(batches * part // PARTS, batches * (part + 1) // PARTS)
            for start in range(0, len(numbers), 200):
                bodies = [_body(one) for one in numbers[start : start + 200]]
                _send(server, "/v1/batch", bodies, FEW)
                most = max(most, _memory(server).get(_ROUND, 0.0))
            if not part:
                first = _memory(server)
        took = time.perf_counter() - begun
        last = _memory(server)
    stay = [name for name in first if name in last and name != _ROUND]
    for name in stay:
        table.add(name, first[name], last[name], (last[name] / first[name] - 1) * 100)
    before, after = (sum(sizes[name] for name in stay) for sizes in (first, last))
    table.add("all of these", before, after, (after / before - 1) * 100)
    table.add("most of a lake's round", "", most, "")
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
