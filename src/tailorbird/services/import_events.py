"""Importing history: rows of a file become messages and go the way that every message goes.

Imported events are historical: they fill profiles, segments and scores, and start no journey. A row
without a message id gets one from its content, so importing a file twice changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from tailorbird.base.hashing import hash_text
from tailorbird.events.decode import Accepted, decode_item, spread
from tailorbird.events.identifiers import DEFAULT_RULES, IdentityRules
from tailorbird.events.refusal import Refusal
from tailorbird.ports.clock import Clock
from tailorbird.ports.log_writer import ACCEPTED, DUPLICATE, NOISY, RETRY, EventDraft, LogWriter
from tailorbird.services.ingest import Standardise, draft_of

EVENTS = "events"
PEOPLE = "people"
KINDS = (EVENTS, PEOPLE)

BATCH_SIZE = 500
_REFUSALS_SHOWN_MAX = 20
_ATTEMPTS_MAX = 12
_PAUSE_SECONDS_MAX = 5.0
_WORDS = {ACCEPTED: "ok", NOISY: "ok", DUPLICATE: "duplicate", RETRY: "retry"}

# Columns by the names that exports use; the first that a row has counts.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "messageId": ("messageId", "message_id", "event_id"),
    "userId": ("userId", "user_id", "customer_id"),
    "anonymousId": ("anonymousId", "anonymous_id"),
    "timestamp": ("timestamp", "originalTimestamp", "time", "occurred_at"),
    "event": ("event", "event_name", "name"),
    "context": ("context",),
    "type": ("type",),
}
_OPEN_PART = {EVENTS: "properties", PEOPLE: "traits"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one message; `complaint` tells why where it was refused."""

    status: str  # ok, duplicate, retry or refused
    complaint: str = ""


Collect = Callable[[Sequence[Mapping[str, Any]]], Awaitable[Sequence[Outcome]]]


class HistoricalCollector:
    """Takes messages through the same decoding as HTTP does, marked as historical."""

    def __init__(
        self,
        writer: LogWriter,
        clock: Clock,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rules: Callable[[], IdentityRules] = lambda: DEFAULT_RULES,
        standardise: Standardise | None = None,
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._pause = pause
        self._rules = rules
        self._standardise = standardise

    async def __call__(self, messages: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Append what is sound; offer again what the log does not take at once."""
        now, rules = self._clock.now(), self._rules()
        decoded = [
            decode_item(
                msgspec.json.encode(message),
                call=None,
                now=now,
                sent_at=None,
                fresh_id="",
                source="import",
                is_historical=True,
                rules=rules,
            )
            for message in messages
        ]
        if self._standardise is not None:
            decoded = self._standardise(decoded, ip=None, rules=rules)
        good = [one for one in decoded if isinstance(one, Accepted)]
        spread(good)
        answers = iter(await self._append([draft_of(one, now) for one in good]))
        return [
            Outcome(status=_WORDS[next(answers)])
            if isinstance(one, Accepted)
            else Outcome(status="refused", complaint=_complaint(one))
            for one in decoded
        ]

    async def _append(self, drafts: Sequence[EventDraft]) -> list[str]:
        statuses = [RETRY] * len(drafts)
        waiting = list(range(len(drafts)))
        for attempt in range(_ATTEMPTS_MAX):
            if attempt:
                await self._pause(min(0.05 * 2**attempt, _PAUSE_SECONDS_MAX))
            # In order: an event is never overtaken by a later one of the same person.
            answers = await self._writer.write([drafts[index] for index in waiting])
            for index, answer in zip(waiting, answers, strict=True):
                statuses[index] = answer.status
            waiting = [index for index in waiting if statuses[index] == RETRY]
            if not waiting:
                break
        return statuses


def _complaint(refusal: Refusal) -> str:
    # The refused value stays out: it may be personal, and the row number names it.
    facts = refusal.to_json()
    return f"{facts['field']}: {facts['rule']}. {facts['mend']}"


@dataclass(slots=True)
class ImportReport:
    """How many rows came to what; `refusals` holds the first few as (row, from 1; complaint)."""

    counts: Counter[str] = field(default_factory=Counter)
    refusals: list[tuple[int, str]] = field(default_factory=list)

    @property
    def row_count(self) -> int:
        """Return the number of rows read."""
        return sum(self.counts.values())


async def import_rows(
    rows: Iterable[Mapping[str, Any]],
    kind: str,
    collect: Collect,
    *,
    progress: Callable[[ImportReport], None] = lambda report: None,
) -> ImportReport:
    """Send all rows through collection, in batches.

    Args:
        rows: Rows as the file has them.
        kind: `events` or `people`.
        collect: Takes messages in the Segment shape as historical; answers in order, and retries
            by itself what the log did not take for a while.
        progress: Called after each batch.
    """
    report = ImportReport()
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(message_of(row, kind))
        if len(batch) == BATCH_SIZE:
            await _send(batch, collect, report)
            progress(report)
            batch = []
    if batch:
        await _send(batch, collect, report)
        progress(report)
    return report


async def _send(batch: Sequence[Mapping[str, Any]], collect: Collect, report: ImportReport) -> None:
    first = report.row_count + 1
    for position, outcome in enumerate(await collect(batch)):
        report.counts[outcome.status] += 1
        if outcome.status not in ("ok", "duplicate") and (
            len(report.refusals) < _REFUSALS_SHOWN_MAX
        ):
            report.refusals.append((first + position, outcome.complaint))


def message_of(row: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Turn a row into a message in the Segment shape.

    Known columns keep their meaning under each of their usual spellings. `properties` (of people:
    `traits`) is taken over, and so is every other column; a column named `properties.x` is x.

    Example:
        >>> message = message_of({"event": "order_completed", "user_id": 7, "total": 5}, "events")
        >>> message["userId"], message["properties"]
        ('7', {'total': 5})
    """
    plain = {str(key): _plain(value) for key, value in row.items()}
    plain = {key: value for key, value in plain.items() if value is not None}
    message: dict[str, Any] = {}
    used: set[str] = set()
    for name, columns in _COLUMNS.items():
        if kind == PEOPLE and name in ("event", "type"):
            continue  # a person's `name` and `type` are traits
        found = next((column for column in columns if column in plain), None)
        if found is not None:
            message[name] = plain[found]
            used.add(found)
    for name in ("userId", "anonymousId", "messageId"):
        if isinstance(message.get(name), (int, float)):
            message[name] = str(message[name])
    open_part = _OPEN_PART[kind]
    if kind == PEOPLE or message.get("type") == "identify":
        message["type"], open_part = "identify", "traits"
    message.setdefault("type", "track")
    message[open_part] = _open_part(plain, open_part, used)
    if "messageId" not in message:
        content = msgspec.json.encode(plain, order="sorted")
        message["messageId"] = f"import-{hash_text('import', kind, content)}"
    return message


def _open_part(plain: Mapping[str, Any], name: str, used: set[str]) -> dict[str, Any]:
    given = plain.get(name)
    if isinstance(given, str):
        given = _object_in(given)
    found: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {}
    for key, value in plain.items():
        if key not in used and key != name:
            found[key.removeprefix(f"{name}.")] = value
    return found


def _object_in(text: str) -> Any:
    """Read an object that a table holds as JSON text; anything else is no object."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _plain(value: Any) -> Any:
    """Turn what tables hold into JSON: instants as RFC 3339, decimals as numbers."""
    match value:
        case datetime():
            aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
            return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Mapping():
            return {str(key): _plain(part) for key, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case bytes():
            return value.decode("utf-8", "replace")
        case str() | bool() | int() | float() | None:
            return value
    return str(value)
