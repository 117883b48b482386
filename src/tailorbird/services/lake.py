"""From the log to the lake: every record once, in columns, without loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from tailorbird.events.event import ERASE, EVENT, Erase, Event, Record, encode
from tailorbird.language.values import from_json
from tailorbird.ports.event_log import EventLog
from tailorbird.ports.lake import PROMOTED, Lake, LakeEvent, LakeRecord

# Of one addition: many, since it makes files; few enough to hold them all in memory.
RECORDS_PER_ADDITION = 25_000
BYTES_PER_ADDITION = 16 * 1024 * 1024
_BATCH = 5_000
_decode_event = msgspec.msgpack.Decoder(Event).decode
_decode_erase = msgspec.msgpack.Decoder(Erase).decode
_to_json = msgspec.json.Encoder().encode
_read_json = msgspec.json.Decoder().decode


def export(log: EventLog, lake: Lake, tell: Callable[[int], None] = lambda offset: None) -> int:
    """Bring the lake up to the end of the log; return the number of records that were added."""
    count = 0
    while added := export_some(log, lake):
        count += added
        tell(lake.offset())
    return count


def export_some(log: EventLog, lake: Lake) -> int:
    """Add the next records, as many as one addition holds; return their number, 0 at the end.

    An erasure takes what came before it out of the lake again, before the lake's offset passes it.
    """
    begin = after = lake.offset()
    size = 0
    events: list[LakeEvent] = []
    records: list[LakeRecord] = []
    erased: dict[int, int] = {}
    while len(events) + len(records) < RECORDS_PER_ADDITION and size < BYTES_PER_ADDITION:
        batch = log.read(after, _BATCH)
        if not batch:
            break
        for record in batch:
            row = row_of(record)
            size += len(record.body)
            if isinstance(row, LakeEvent):
                events.append(row)
            else:
                records.append(row)
            if record.kind == ERASE:
                erased[record.profile_id] = record.offset
        after = batch[-1].offset
    count = len(events) + len(records)
    if not count:
        return 0
    for profile_id, until in erased.items():
        lake.forget({profile_id}, until)
    if lake.offset() != begin:
        # A file was damaged, so that the lake went back: what it held is to be read again first.
        return export_some(log, lake)
    lake.add(_without(events, erased), _without(records, erased), after)
    return count


Row = TypeVar("Row", LakeEvent, LakeRecord)


def _without(rows: list[Row], erased: Mapping[int, int]) -> list[Row]:
    """Leave out what an erasure came after; the erasure's own record stays."""
    if not erased:
        return rows
    return [one for one in rows if one.record_offset >= erased.get(one.profile_id, 0)]


def row_of(record: Record) -> LakeEvent | LakeRecord:
    """Return a record as a row: an event in columns, everything else with its body."""
    if record.kind == EVENT and record.body:
        try:
            event = _decode_event(record.body)
        except msgspec.DecodeError:
            pass  # the engine has put it among the poison
        else:
            return _event_row(record, event)
    body = record.body
    if record.kind == ERASE and body:
        # What it names is gone from the log as well once the erasure is done.
        erase = _decode_erase(body)
        body = encode(msgspec.structs.replace(erase, identifiers=[], addresses=[]))
    return LakeRecord(
        record.offset, record.partition, record.now, record.kind, record.profile_id, body
    )


def _event_row(record: Record, event: Event) -> LakeEvent:
    # A timestamp later than the record's now is clamped, as whenever it is read.
    timestamp, original = event.timestamp, event.original_timestamp
    if timestamp > record.now:
        timestamp, original = record.now, original or timestamp
    return LakeEvent(
        record.offset,
        record.partition,
        record.now,
        timestamp if event.is_historical else record.now,
        record.profile_id,
        timestamp,
        event.order,
        event.name,
        event.type,
        event.message_id,
        event.user_id,
        event.anonymous_id,
        event.name_as_sent,
        original,
        event.source,
        event.is_historical,
        _to_json(event.properties).decode(),
        _to_json(event.context).decode() if event.context else "{}",
        None if event.as_sent is None else _to_json(event.as_sent).decode(),
        None if event.unfit is None else _to_json(event.unfit).decode(),
        *_promoted(event.properties),
    )


def _promoted(properties: dict[str, Any]) -> tuple[dict[str, str | bool | int], tuple[str, ...]]:
    """Return the plain values of promoted properties, and the names of those that hold lists."""
    values: dict[str, str | bool | int] = {}
    lists: list[str] = []
    for name, raw in properties.items():
        if name not in PROMOTED:
            continue
        value = from_json(raw)
        if type(value) is tuple:
            lists.append(name)
        elif value is not None:
            values[name] = value  # type: ignore[assignment]  # a plain one: no list, no moment
    return values, tuple(lists)


def record_of(row: LakeEvent | LakeRecord) -> Record:
    """Return the record that a row was made of; a clamped timestamp stays clamped."""
    if isinstance(row, LakeRecord):
        return Record(row.record_offset, row.partition, row.now, row.kind, row.profile_id, row.body)
    event = Event(
        type=row.type,
        name=row.event,
        message_id=row.message_id,
        timestamp=row.timestamp,
        order=row.event_order,
        properties=_read_json(row.properties),
        context=_read_json(row.context),
        user_id=row.user_id,
        anonymous_id=row.anonymous_id,
        name_as_sent=row.name_as_sent,
        original_timestamp=row.original_timestamp,
        source=row.source,
        is_historical=row.is_historical,
        as_sent=None if row.as_sent is None else _read_json(row.as_sent),
        unfit=None if row.unfit is None else _read_json(row.unfit),
    )
    return Record(row.record_offset, row.partition, row.now, EVENT, row.profile_id, encode(event))
