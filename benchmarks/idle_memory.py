"""What `tailorbird serve` takes while nothing happens: memory and CPU time of each process.

The shop's example definitions, nobody known yet. PSS divides shared pages among those who share
them, so its sum is what the machine gives.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.serving import Serving, serving
from benchmarks.table import Table

SETTLE_SECONDS = 10
IDLE_SECONDS = 20
SHOP = Path(__file__).resolve().parents[1] / "examples" / "shop"


def run() -> None:
    """Print the table."""
    with serving(SHOP) as server:
        time.sleep(SETTLE_SECONDS)
        processes = server.processes()
        before = {number: Serving.cpu_seconds_of(number) for number in processes}
        time.sleep(IDLE_SECONDS)
        table = Table(
            "Idle: all roles of one `tailorbird serve`",
            ["process", "PSS MB", "RSS MB", "CPU % of a core"],
            note=f"{SETTLE_SECONDS} s after the start, then {IDLE_SECONDS} s",
        )
        sums = [0.0, 0.0, 0.0]
        for number, role in processes.items():
            spent = Serving.cpu_seconds_of(number) - before[number]
            found = [*_memory(number), 100 * spent / IDLE_SECONDS]
            table.add(role, *found)
            sums = [total + one for total, one in zip(sums, found, strict=True)]
        table.add("all", *sums)
        table.print()


def _memory(number: int) -> tuple[float, float]:
    fields: dict[str, float] = {}
    for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        fields[name] = int(rest.split()[0]) * 1_024 / 1_000_000
    return fields["Pss"], fields["Rss"]


if __name__ == "__main__":
    run()
