"""What became of requests and of the events in them, in the format of Prometheus.

Plain numbers, read when asked: counting through a client costs more than all else of a small
request.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from tailorbird.services.ingest import Answered

_BOUNDS = Histogram.DEFAULT_BUCKETS  # the last one is infinity
_OUTCOMES = ("accepted", "duplicate", "noisy")


class RequestCounts(Collector):
    """Counts in one event loop."""

    def __init__(self) -> None:
        self._events: dict[str, list[int]] = {}
        self._refused: dict[str, int] = {}
        self._requests: dict[int, int] = {}
        # Of each route how many took so long, and how long all took.
        self._took: dict[str, tuple[list[int], list[float]]] = {}

    def collected(self, call: str, answered: Answered) -> None:
        """Count a collect request."""
        counts = self._events.get(call)
        if counts is None:
            counts = self._events[call] = [0] * len(_OUTCOMES)
        counts[0] += answered.accepted
        counts[1] += answered.duplicate
        counts[2] += answered.noisy
        for rule, count in answered.refused.items():
            self._refused[rule] = self._refused.get(rule, 0) + count

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request and its time."""
        self._requests[status] = self._requests.get(status, 0) + 1
        took = self._took.get(route)
        if took is None:
            took = self._took[route] = ([0] * len(_BOUNDS), [0.0])
        took[0][bisect_left(_BOUNDS, seconds)] += 1
        took[1][0] += seconds

    def collect(self) -> Iterator[Metric]:
        """Give the families."""
        events = CounterMetricFamily(
            "tailorbird_events", "Events by what became of them", labels=["call", "outcome"]
        )
        for call, counts in self._events.items():
            for outcome, count in zip(_OUTCOMES, counts, strict=True):
                events.add_metric([call, outcome], count)
        refused = CounterMetricFamily(
            "tailorbird_refused", "Refused items by rule", labels=["rule"]
        )
        for rule, count in self._refused.items():
            refused.add_metric([rule], count)
        requests = CounterMetricFamily(
            "tailorbird_requests", "Requests by status", labels=["status"]
        )
        for status, count in self._requests.items():
            requests.add_metric([str(status)], count)
        took = HistogramMetricFamily(
            "tailorbird_request_seconds", "Time to answer", labels=["route"]
        )
        for route, (buckets, spent) in self._took.items():
            upto = [*map(float, accumulate(buckets))]
            named = [*zip(map(floatToGoString, _BOUNDS), upto, strict=True)]
            took.add_metric([route], named, sum_value=spent[0])
        yield from (events, refused, requests, took)
