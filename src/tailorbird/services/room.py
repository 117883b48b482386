"""Room on the disk: an alarm while it is little, and no more collecting while it is almost none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# Under it nothing is collected: engines and delivery still need some to finish what is theirs.
FULL_BYTES = 100_000_000
LOOK_SECONDS = 1.0


class Room:
    """Looks at the disk of a data folder, at most once a second."""

    def __init__(
        self,
        look: Callable[[], tuple[int, int]],
        limits: Callable[[], tuple[int, int]] = lambda: (0, 0),
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`look` gives free and all bytes, `limits` the least MB and percent without an alarm."""
        self._look = look
        self._limits = limits
        self._seconds = seconds
        self._next_at = float("-inf")
        self._free = self._total = 0

    def refusal(self) -> str | None:
        """Return why nothing can be collected, None where it can. Asked at every request."""
        if self._seconds() >= self._next_at:
            self._refresh()
        if self._free >= FULL_BYTES:
            return None
        return (
            f"the disk is full: {self._free / 1e6:.0f} MB are free, at least"
            f" {FULL_BYTES / 1e6:.0f} MB are needed; nothing of this request was stored"
        )

    def told(self) -> dict[str, Any]:
        """Return what /health says of the disk."""
        self._refresh()
        megabytes, percent = self._limits()
        reason = low_because(self._free, self._total, megabytes, percent)
        return {
            "free_bytes": self._free,
            "total_bytes": self._total,
            "is_low": bool(reason),
            "is_collecting": self._free >= FULL_BYTES,
            "reason": reason,
        }

    def _refresh(self) -> None:
        self._free, self._total = self._look()
        self._next_at = self._seconds() + LOOK_SECONDS


def low_because(free: int, total: int, megabytes: int, percent: int) -> str:
    """Return why there is too little room, empty where there is enough."""
    if free < megabytes * 1_000_000:
        return f"{free / 1e6:,.0f} MB are free, fewer than `[storage] free_mb_min` = {megabytes}"
    if free * 100 < total * percent:
        share = free * 100 / total
        return f"{share:.1f} % are free, less than `[storage] free_percent_min` = {percent}"
    return ""
