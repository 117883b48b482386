"""Replays the year: moves the clock step by step, sends what happened, waits until all is done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from tailorbird.base.time import DAY, format_micros
from tailorbird.demo.client import Client
from tailorbird.demo.dataset import Call
from tailorbird.demo.display import Standing

BATCH_BYTES_MAX = 400_000
BATCH_ITEMS_MAX = 400
# The shop is awake by day: the clock stops a minute after nine and at six.
STOPS_MINUTES = (9 * 60 + 1, 18 * 60)
_MINUTE = 60_000_000


class Replay:
    """Feeds calls to the server on simulated time.

    The clock moves to the end of a step first, so deadlines fire; then the step's events are sent
    with their own timestamps, so nothing lies in the future; then it waits for the mails to leave.
    """

    def __init__(
        self,
        client: Client,
        *,
        days_per_second: float,
        after_step: Callable[[Standing], None],
    ) -> None:
        self._client = client
        self._days_per_second = days_per_second
        self._after_step = after_step
        self.standing = Standing()

    def run(self, calls: Iterator[Call], start: int, end: int) -> Standing:
        """Replay from `start` to `end` (microseconds UTC)."""
        begun = time.monotonic()
        pending = next(calls, None)
        for now in stops(start, end):
            self._client.move_clock(format_micros(now))
            messages: list[dict[str, Any]] = []
            while pending is not None and pending.at <= now:
                messages.append(pending.message)
                pending = next(calls, None)
            for batch in batches(messages):
                self._client.send(batch)
            self.standing.take(self._client.await_drained())
            self._note(now, start, end, len(messages), begun)
            self._after_step(self.standing)
            self._pace(now, start, begun)
        return self.standing

    def _note(self, now: int, start: int, end: int, events: int, begun: float) -> None:
        standing = self.standing
        standing.day = format_micros(now)[:10]
        standing.done = (now - start) / (end - start)
        standing.events += events
        standing.events_per_second = standing.events / max(time.monotonic() - begun, 1e-6)

    def _pace(self, now: int, start: int, begun: float) -> None:
        if self._days_per_second:
            due = begun + (now - start) / DAY / self._days_per_second
            time.sleep(max(due - time.monotonic(), 0))


def stops(start: int, end: int) -> Iterator[int]:
    """Yield the instants at which the clock stops, `end` last."""
    for day in range(start - start % DAY, end, DAY):
        for minutes in STOPS_MINUTES:
            at = day + minutes * _MINUTE
            if start < at < end:
                yield at
    yield end


def batches(messages: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Cut messages into requests that the server takes."""
    batch: list[dict[str, Any]] = []
    size = 0
    for message in messages:
        length = len(json.dumps(message, separators=(",", ":")))
        if batch and (size + length > BATCH_BYTES_MAX or len(batch) == BATCH_ITEMS_MAX):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += length
    if batch:
        yield batch
