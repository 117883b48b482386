"""Counters and times in the format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from tailorbird.services.query import Query
from tailorbird.services.room import Room
from tailorbird.services.standardise import Standardiser
from tailorbird.web.request_measures import RequestCounts
from tailorbird.web.source_measures import SourceCollector, SourcesStatus
from tailorbird.web.step_measures import StepCollector

_LAKE = {
    "records_behind": "Records that the log has beyond the lake",
    "events": "Events in the lake",
    "files": "Files of the lake",
    "bytes": "Bytes of the lake",
}


class Measures:
    """What the web process counts, and gauges of the whole read when asked."""

    def __init__(
        self,
        query: Query,
        standardiser: Standardiser,
        room: Room | None = None,
        sources: SourcesStatus = dict,
        letters: Callable[[], Mapping[str, int]] = dict,
        lake: Callable[[], Mapping[str, Any] | None] = lambda: None,
    ) -> None:
        """`letters` tells what became of refused items, `lake` where history in columns stands."""
        self._lake = lake
        self._room = room
        self._letters = letters
        self._query = query
        self._registry = CollectorRegistry()
        self._registry.register(StepCollector(standardiser))
        self._registry.register(SourceCollector(sources))
        counts = RequestCounts()
        self._registry.register(counts)
        self.collected, self.answered = counts.collected, counts.answered
        self._lake_is = {
            name: Gauge(f"tailorbird_lake_{name}", text, registry=self._registry)
            for name, text in _LAKE.items()
        }
        self._log_end = Gauge("tailorbird_log_end", "Last offset", registry=self._registry)
        self._lag = Gauge(
            "tailorbird_engine_offset", "Offset reached", ["engine"], registry=self._registry
        )
        self._people = Gauge("tailorbird_people", "Known people", registry=self._registry)
        self._members = Gauge(
            "tailorbird_segment_members", "Members", ["segment"], registry=self._registry
        )
        self._messages = Gauge(
            "tailorbird_messages", "Messages by status", ["status"], registry=self._registry
        )
        self._outbox = Gauge(
            "tailorbird_outbox_pending", "Effects that wait for deliver", registry=self._registry
        )
        self._behind = Gauge(
            "tailorbird_engine_records_behind",
            "Records of the log after the engine's offset",
            ["engine"],
            registry=self._registry,
        )
        self._measure_concerns()
        self._measure_outside()

    def _measure_concerns(self) -> None:
        self._poisoned = Gauge(
            "tailorbird_poisoned_records", "Records not to be reduced", registry=self._registry
        )
        self._dead_letters = Gauge(
            "tailorbird_dead_letters", "Kept refused items", ["rule"], registry=self._registry
        )
        self._waiting = Gauge(
            "tailorbird_messages_waiting", "Messages not yet sent", registry=self._registry
        )
        self._unknown = Gauge(
            "tailorbird_messages_unknown",
            "Messages that may or may not have arrived",
            registry=self._registry,
        )

        self._unequal = Gauge(
            "tailorbird_segment_unequal",
            "People of the last sample that a segment lacks, or holds beyond its condition",
            ["segment", "what"],
            registry=self._registry,
        )
        self._unequal_values = Gauge(
            "tailorbird_value_unequal",
            "People of the last sample whose score, or heaviest value of an interest, is another",
            ["kind", "name"],
            registry=self._registry,
        )

    def _measure_outside(self) -> None:
        self._mail_server = Gauge(
            "tailorbird_mail_server_reachable",
            "1 while the mail server answers, 0 while it does not",
            registry=self._registry,
        )
        self._letters_ever = Gauge(
            "tailorbird_dead_letters_ever",
            "Refused items ever kept, and what became of them; bytes kept now",
            ["what"],
            registry=self._registry,
        )
        self._disk_low = Gauge(
            "tailorbird_disk_low",
            "1 while there is less room than [storage] asks for",
            registry=self._registry,
        )
        self._disk = Gauge(
            "tailorbird_disk_bytes",
            "Room on the data folder's disk",
            ["what"],
            registry=self._registry,
        )

    def text(self) -> bytes:
        """Return the exposition."""
        status = self._query.status()
        self._log_end.set(status["log_end"])
        self._people.set(status["people"])
        self._outbox.set(status["outbox_pending"])
        for index, engine in enumerate(status["engines"]):
            self._lag.labels(str(index)).set(engine["offset"])
            self._behind.labels(str(index)).set(max(status["log_end"] - engine["offset"], 0))
        concerns = self._query.concerns()
        self._poisoned.set(concerns["poisoned"])
        self._waiting.set(concerns["waiting"])
        self._unknown.set(concerns["unknown"])
        self._dead_letters.clear()
        for rule, count in concerns["dead_letters"].items():
            self._dead_letters.labels(rule).set(count)
        for what, count in self._letters().items():
            self._letters_ever.labels(what).set(count)
        self._mail_server.set(status["mail"]["reachable"] is True)
        for segment, size in status["segments"].items():
            self._members.labels(segment).set(size)
        for name, count in status["messages"].items():
            self._messages.labels(name).set(count)
        for one in self._query.equality().get("segments", ()):
            for what in ("missing", "extra"):
                self._unequal.labels(one["segment"], what).set(one[what])
        for one in self._query.equality().get("values", ()):
            self._unequal_values.labels(one["kind"], one["name"]).set(one["unequal"])
        for name, value in (self._lake() or {}).items():
            if name in self._lake_is:
                self._lake_is[name].set(value)
        if self._room is not None:
            disk = self._room.told()
            self._disk.labels("free").set(disk["free_bytes"])
            self._disk.labels("total").set(disk["total_bytes"])
            self._disk_low.set(disk["is_low"])
        return generate_latest(self._registry)
