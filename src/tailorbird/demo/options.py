"""What the demo can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Options of `tailorbird demo`; see its help.

    `speed` is in days of data per second, 0 for as fast as it goes; `days` limits how much of the
    year is replayed, 0 for all. `does_exit` ends after the summary instead of serving on.
    """

    does_exit: bool = False
    speed: float = 0.0
    days: int = 0
    port: int = 8000
    data: Path = Path("demo-data")
    has_simulated_reader: bool = False
