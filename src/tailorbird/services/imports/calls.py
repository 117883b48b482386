"""From a row to Segment calls, by a mapping. Pure.

A row of events is one call. A row of people is an identify call, and one event for each thing that
counts from its own instant: a consent with its proof, an unsubscription, a suppression.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tailorbird.base.hashing import hash_text
from tailorbird.base.names import snake_case
from tailorbird.events.refusal import Refusal, Rule
from tailorbird.ports.table import Row
from tailorbird.services.imports.mapping import (
    EVENTS,
    PROOF_KEYS,
    Cells,
    ColumnProblem,
    ConsentRule,
    ImportMapping,
)

Call = dict[str, Any]
BOUNCED, COMPLAINED = "bounced", "complained"
_KEY_OF = {"user_id": "userId", "anonymous_id": "anonymousId"}
_SUPPRESSING = {BOUNCED: "email_bounced", COMPLAINED: "email_marked_as_spam"}
_encode = msgspec.json.Encoder(order="sorted", enc_hook=str).encode


def calls_of(mapping: ImportMapping, row: Row) -> list[Call] | Refusal:
    """Return what a row says: several calls of one person, none where `when` leaves it out."""
    if row.fault:
        return Refusal(Rule.NOT_JSON, "row", "", row.fault)
    try:
        cells = mapping.convert(row.values)
    except ColumnProblem as problem:
        # The value stays out of it: it may be personal, and the line leads to it.
        detail = f"column `{problem.column}` holds a value that is not of its type"
        return Refusal(Rule.WRONG_TYPE, problem.column, "", detail)
    if mapping.when is not None and mapping.when(cells) is not True:
        return []
    who, message_id = _who(mapping, cells), _message_id(mapping, row)
    if mapping.kind == EVENTS:
        return _event(mapping, cells, who, message_id)
    return _person(mapping, cells, who, message_id)


def _who(mapping: ImportMapping, cells: Cells) -> Call:
    found: Call = {}
    for key, name in _KEY_OF.items():
        value = mapping.fields[key](cells) if key in mapping.fields else None
        if value is not None:
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            found[name] = _id_text(value) if is_number else value
    return found


def _id_text(value: float) -> str:
    """Write a number that is an id: tables with gaps make 17850.0 of 17850."""
    return str(int(value)) if value == int(value) else str(value)


def _event(
    mapping: ImportMapping, cells: Cells, who: Call, message_id: str
) -> list[Call] | Refusal:
    call = str(_field(mapping, "call", cells) or "track")
    if "timestamp" in mapping.fields and _field(mapping, "timestamp", cells) is None:
        detail = "the row does not say when it happened"
        return Refusal(Rule.MISSING, "timestamp", "", detail)
    message: Call = {"type": call, "messageId": message_id, **who}
    message["timestamp"] = _time(mapping, cells)
    name = _field(mapping, "event", cells)
    if name is not None:
        message["event" if call == "track" else "name"] = mapping.names.get(str(name), str(name))
    message["traits" if call == "identify" else "properties"] = _open_part(mapping, cells)
    _add_context(mapping, cells, message)
    return [message]


def _person(
    mapping: ImportMapping, cells: Cells, who: Call, message_id: str
) -> list[Call] | Refusal:
    traits = _open_part(mapping, cells)
    email = traits.get("email")
    if not who and isinstance(email, str) and "@" in email:
        # Who is known by an address alone is found by it: the id says nothing more.
        who = {"anonymousId": f"email-{hash_text('email', email.strip().lower())}"}
    identify: Call = {"type": "identify", "messageId": message_id, **who, "traits": traits}
    at = _time(mapping, cells)
    if at is not None:
        identify["timestamp"] = at
    _add_context(mapping, cells, identify)
    found = [identify]
    for rule in mapping.consent:
        found += _consent(rule, cells, who, email, at)
    return found + _suppression(mapping, cells, who, email, at)


def _consent(rule: ConsentRule, cells: Cells, who: Call, email: Any, usual: Any) -> list[Call]:
    parts = {name: read(cells) for name, read in rule.parts.items()}
    given, at, until = parts.get("given"), parts.get("at"), parts.get("withdrawn_at")
    if given is False and "withdrawn_at" not in rule.parts:
        at, until = None, at  # the answer has one instant, and it was a no
    found = []
    about = {"topic": rule.topic, **({} if email is None else {"email": email})}
    proof = {name: parts[name] for name in PROOF_KEYS if parts.get(name) is not None}
    is_withdrawn = given is False or until is not None
    if given is True or (is_withdrawn and at is not None):
        found.append(_happened("consent_given", {**about, **proof}, who, at or usual))
    if is_withdrawn:
        reason = {} if parts.get("reason") is None else {"reason": parts["reason"]}
        source = {"source": proof["source"]} if "source" in proof else {}
        found.append(_happened("unsubscribed", {**about, **source, **reason}, who, until or usual))
    return found


def _suppression(
    mapping: ImportMapping, cells: Cells, who: Call, email: Any, usual: Any
) -> list[Call]:
    rules = mapping.suppressed
    if not rules or rules["when"](cells) is not True:
        return []
    reason = str(rules["reason"](cells)) if "reason" in rules else BOUNCED
    at = rules["at"](cells) if "at" in rules else None
    name = _SUPPRESSING.get(reason, _SUPPRESSING[BOUNCED])
    properties = {"reason": reason, **({} if email is None else {"email": email})}
    return [_happened(name, properties, who, at or usual)]


def _happened(name: str, properties: Call, who: Call, at: Any) -> Call:
    """Return an event of its own id: the same consent in a later export is the same event."""
    message_id = f"import-{hash_text(name, _encode([who, properties, at]))}"
    call: Call = {"type": "track", "event": name, "messageId": message_id, **who}
    if at is not None:
        call["timestamp"] = at
    return {**call, "properties": properties}


def _open_part(mapping: ImportMapping, cells: Cells) -> Call:
    part = mapping.open_part
    found: Call = {}
    if isinstance(part, Mapping):
        for name, read in part.items():
            value = read(cells)
            if value is not None:
                found[name] = value
    else:
        whole = part(cells)
        found = dict(whole) if isinstance(whole, Mapping) else {}
    if mapping.keeps_others:
        for column, value in cells.items():
            if column not in mapping.used:
                found.setdefault(_property_name(column), value)
    return found


def _property_name(column: str) -> str:
    """Return a name that expressions can say; a prefix as of `properties.total` is left out."""
    for prefix in ("properties.", "traits."):
        column = column.removeprefix(prefix)
    return column if column.isidentifier() else snake_case(column)


def _add_context(mapping: ImportMapping, cells: Cells, message: Call) -> None:
    context = None if mapping.context is None else mapping.context(cells)
    if isinstance(context, Mapping):
        message["context"] = dict(context)


def _time(mapping: ImportMapping, cells: Cells) -> Any:
    return _field(mapping, "timestamp", cells)


def _field(mapping: ImportMapping, key: str, cells: Cells) -> Any:
    read = mapping.fields.get(key)
    return None if read is None else read(cells)


def _message_id(mapping: ImportMapping, row: Row) -> str:
    """Return the row's own id, or one by its key columns, or by all of it."""
    given = [row.values.get(column) for column in mapping.message_id]
    if len(given) == 1 and given[0] not in (None, ""):
        return str(given[0])
    content = given if any(one not in (None, "") for one in given) else row.values
    place = row.number if mapping.counts_same_rows else 0
    return f"import-{hash_text('import', mapping.kind, _encode(content), place)}"
