"""How the queues are doing, in the format of Prometheus; read when asked from what they report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tailorbird.services.pull import RUNNING

SourcesStatus = Callable[[], dict[str, dict[str, Any]]]

_OUTCOMES = ("accepted", "duplicate", "refused", "skipped")


class SourceCollector(Collector):
    """Gives what each queue's reader counted, as of at most five seconds ago.

    The counts begin at 0 where the process that reads begins anew, which Prometheus expects.
    """

    def __init__(self, sources: SourcesStatus) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Give the families; a source's label is the name of its file."""
        events = CounterMetricFamily(
            "tailorbird_source_events",
            "Events of a queue by what became of them",
            labels=["source", "kind", "outcome"],
        )
        running = GaugeMetricFamily(
            "tailorbird_source_running", "1 while events are taken from it", labels=["source"]
        )
        connected = GaugeMetricFamily(
            "tailorbird_source_connected", "1 while the broker is connected", labels=["source"]
        )
        behind = GaugeMetricFamily(
            "tailorbird_source_behind_seconds",
            "How long the newest message read had lain in the queue",
            labels=["source"],
        )
        failed = GaugeMetricFamily(
            "tailorbird_source_last_error_seconds",
            "When it last had to wait, in seconds since 1970; 0 for never",
            labels=["source"],
        )
        for name, one in sorted(self._sources().items()):
            for outcome in _OUTCOMES:
                events.add_metric([name, one["kind"], outcome], one[outcome])
            running.add_metric([name], one["state"] == RUNNING)
            connected.add_metric([name], one.get("is_connected", False))
            failed.add_metric([name], one.get("last_error_at", 0) / 1_000_000)
            if one.get("behind_seconds") is not None:
                behind.add_metric([name], one["behind_seconds"])
        yield from (events, running, connected, behind, failed)
