"""One way to print results: a table with the machine that made it."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path


class Table:
    """Collects rows and prints them aligned; numbers are rounded to what they are worth."""

    def __init__(self, title: str, columns: Sequence[str], *, note: str = "") -> None:
        self.title = title
        self.note = note
        self.rows: list[list[str]] = [list(columns)]

    def add(self, *values: object) -> None:
        """Add a row."""
        self.rows.append([_show(value) for value in values])

    def print(self) -> None:
        """Print the table with the hardware."""
        widths = [max(len(row[i]) for row in self.rows) for i in range(len(self.rows[0]))]
        print(f"\n{self.title}")
        if self.note:
            print(self.note)
        print(machine())
        for number, row in enumerate(self.rows):
            print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
            if number == 0:
                print("  ".join("-" * width for width in widths))


def machine() -> str:
    """Name the machine: processor, cores, Python."""
    model = "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _show(value: object) -> str:
    if isinstance(value, float):
        if value >= 1_000:
            return f"{value:,.0f}"
        return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
