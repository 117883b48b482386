"""What the demo can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Options of `tailorbird demo`.

    `speed` is in days of data a second, 0 for as fast as it goes; `days` ends the replay early,
    0 for the whole year. `does_exit` ends the process after the summary.
    """

    data: Path = Path("demo-data")
    examples: Path = Path("examples")
    port: int = 8000
    speed: float = 0.0
    days: int = 0
    does_exit: bool = False
    has_simulated_reader: bool = False
