"""Rows of exports become messages; importing twice gives the same message ids."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tailorbird.base.time import parse_micros
from tailorbird.events.event import Event
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import ACCEPTED, DUPLICATE, RETRY, Answer, EventDraft
from tailorbird.services.import_events import (
    BATCH_SIZE,
    HistoricalCollector,
    Outcome,
    import_rows,
    message_of,
)


def test_a_row_in_the_segment_shape_stays_what_it_is() -> None:
    row = {
        "type": "track",
        "event": "Order Completed",
        "userId": "u",
        "messageId": "m",
        "timestamp": "2026-01-01T00:00:00Z",
        "properties": {"total": 5},
        "context": {"ip": "::1"},
    }
    assert message_of(row, "events") == row


def test_columns_of_a_table_find_their_places() -> None:
    row = {
        "event_name": "order_completed",
        "customer_id": 17850,
        "occurred_at": datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        "total": Decimal("15.30"),
        "properties.day": date(2026, 1, 1),
        "coupon": None,
        "products": [{"id": Decimal(3)}],
    }
    message = message_of(row, "events")
    assert message["userId"] == "17850"
    assert message["timestamp"] == "2026-01-01T00:00:00Z"
    assert message["properties"] == {
        "total": 15.3,
        "day": "2026-01-01",
        "products": [{"id": 3}],
    }


def test_properties_may_be_json_text() -> None:
    row = {"event": "a", "user_id": "u", "properties": '{"x": 1}', "y": 2}
    assert message_of(row, "events")["properties"] == {"x": 1, "y": 2}
    assert message_of({**row, "properties": "no"}, "events")["properties"] == {"y": 2}


def test_people_become_identify_messages() -> None:
    row = {"user_id": "u", "name": "Ada", "type": "vip", "traits.city": "London"}
    message = message_of(row, "people")
    assert message["type"] == "identify"
    assert message["userId"] == "u"
    assert message["traits"] == {"name": "Ada", "type": "vip", "city": "London"}
    assert "event" not in message


def test_message_ids_come_from_the_content() -> None:
    row = {"event": "a", "user_id": "u", "at": datetime(2026, 1, 1, tzinfo=UTC)}
    first = message_of(row, "events")["messageId"]
    assert first == message_of(dict(reversed(row.items())), "events")["messageId"]
    assert first != message_of({**row, "user_id": "v"}, "events")["messageId"]
    assert first != message_of(row, "people")["messageId"]
    assert message_of({**row, "message_id": "m"}, "events")["messageId"] == "m"


def test_rows_go_in_batches_and_are_counted() -> None:
    sizes: list[int] = []

    async def collect(messages: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        sizes.append(len(messages))
        return [
            Outcome(status="refused", complaint="user_id is missing")
            if "userId" not in one
            else Outcome(status="ok")
            for one in messages
        ]

    rows = [{"event": "a", "user_id": str(n)} for n in range(BATCH_SIZE + 1)]
    rows[3] = {"event": "a"}
    told: list[int] = []
    report = asyncio.run(
        import_rows(rows, "events", collect, progress=lambda one: told.append(one.row_count))
    )
    assert sizes == [BATCH_SIZE, 1]
    assert told == [BATCH_SIZE, BATCH_SIZE + 1]
    assert report.counts == {"ok": BATCH_SIZE, "refused": 1}
    assert report.refusals == [(4, "user_id is missing")]


def test_only_the_first_refusals_are_kept() -> None:
    async def collect(messages: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        return [Outcome(status="refused", complaint="no") for _ in messages]

    report = asyncio.run(import_rows([{"event": "a"}] * 100, "events", collect))
    assert len(report.refusals) == 20
    assert report.row_count == 100


@pytest.mark.parametrize("kind", ["events", "people"])
def test_nothing_is_imported_from_nothing(kind: str) -> None:
    async def collect(messages: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        raise AssertionError

    assert asyncio.run(import_rows([], kind, collect)).row_count == 0


class Writer:
    """A log writer that deduplicates and is busy for the first `busy` calls."""

    def __init__(self, busy: int = 0) -> None:
        self.busy = busy
        self.events: dict[int, Event] = {}

    async def write(self, events: Sequence[EventDraft]) -> list[Answer]:
        if self.busy:
            self.busy -= 1
            return [Answer(RETRY)] * len(events)
        answers = []
        for draft in events:
            answers.append(Answer(DUPLICATE if draft.dedup in self.events else ACCEPTED))
            self.events[draft.dedup] = msgspec.msgpack.decode(draft.body, type=Event)
        return answers

    async def append(self, drafts: Sequence[Draft]) -> list[Answer]:
        raise NotImplementedError

    async def now(self) -> int:
        raise NotImplementedError

    async def set_now(self, now: int) -> int:
        raise NotImplementedError


class Clock:
    def now(self) -> int:
        return parse_micros("2026-06-01")


async def no_pause(seconds: float) -> None:
    """Pass no time."""


ROWS: list[dict[str, Any]] = [
    {"event": "order_completed", "user_id": "u", "timestamp": "2026-01-01T00:00:00Z", "total": 5},
    {"event": "order_completed", "timestamp": "2026-01-01T00:00:00Z"},
    {"event": "order_completed", "user_id": "v", "timestamp": "soon"},
]


def test_imported_events_are_historical_and_come_once() -> None:
    writer = Writer(busy=2)
    collect = HistoricalCollector(writer, Clock(), pause=no_pause)
    report = asyncio.run(import_rows(ROWS, "events", collect))
    assert report.counts == {"ok": 1, "refused": 2}
    assert [row for row, _ in report.refusals] == [2, 3]
    assert report.refusals[0][1].startswith("userId: nobody")
    (event,) = writer.events.values()
    assert event.is_historical
    assert event.source == "import"
    assert event.timestamp == parse_micros("2026-01-01")
    assert event.properties == {"total": 5}
    assert asyncio.run(import_rows(ROWS, "events", collect)).counts["duplicate"] == 1
    assert len(writer.events) == 1


def test_what_a_busy_log_never_takes_is_counted_for_retry() -> None:
    collect = HistoricalCollector(Writer(busy=1_000), Clock(), pause=no_pause)
    assert asyncio.run(import_rows(ROWS, "events", collect)).counts["retry"] == 1
