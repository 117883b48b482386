"""What the steps of standardising counted, in the format of Prometheus, read when asked."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from tailorbird.events.standardise import STEPS, Unfit
from tailorbird.services.standardise import Standardiser


class StepCollector(Collector):
    """Reads a standardiser's own counts: counting through a client would cost more than the steps.

    A step's seconds are those of every 64th event; `tailorbird_steps_timed` says of how many.
    """

    def __init__(self, steps: Standardiser) -> None:
        self._steps = steps

    def collect(self) -> Iterator[Metric]:
        """Give the families."""
        steps = self._steps
        concerned = CounterMetricFamily(
            "tailorbird_step_events", "Events that a step concerned", labels=["step"]
        )
        seconds = CounterMetricFamily(
            "tailorbird_step_seconds", "Time of a step, of the events timed", labels=["step"]
        )
        for index, step in enumerate(STEPS):
            concerned.add_metric([step.name], steps.concerned[index])
            seconds.add_metric([step.name], steps.seconds[index])
        unfit = CounterMetricFamily(
            "tailorbird_unfit", "Values without a standard form, by reason", labels=["reason"]
        )
        for reason in Unfit:
            unfit.add_metric([reason.value], steps.unfit[reason.value])
        yield concerned
        yield seconds
        yield CounterMetricFamily(
            "tailorbird_steps_timed", "Events whose steps were timed", value=steps.timed
        )
        yield unfit
        yield CounterMetricFamily(
            "tailorbird_plan_findings",
            "Properties that the tracking plan watches and that do not fit",
            value=steps.findings,
        )
