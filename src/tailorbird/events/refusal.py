"""Why an item is not accepted: data, with a closed list of rules, each with its mend."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import Any

_EXCERPT_MAX = 80


class Rule(Enum):
    """The rules that an item can break; the value is the name in answers and counters."""

    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    TOO_DEEP = "too_deep"
    WRONG_TYPE = "wrong_type"
    MISSING = "missing"
    UNKNOWN_CALL = "unknown_call"
    NOBODY = "nobody"
    BAD_TIMESTAMP = "bad_timestamp"
    BAD_NUMBER = "bad_number"
    NOT_TEXT = "not_text"
    PLAN_MISSING = "plan_missing"
    PLAN_TYPE = "plan_type"
    PLAN_FORBIDDEN = "plan_forbidden"
    PLAN_UNKNOWN = "plan_unknown"


MENDS = {
    Rule.NOT_JSON: "Send one JSON document in UTF-8.",
    Rule.NOT_AN_OBJECT: "Send a JSON object, in braces.",
    Rule.TOO_LARGE: "Send less: 32 KB an event, 500 KB a request, 512 characters a name or id.",
    Rule.TOO_MANY: "Send at most 2,500 events in a batch.",
    Rule.TOO_DEEP: "Nest objects and lists at most 32 deep.",
    Rule.WRONG_TYPE: "Send a value of the type that the field has.",
    Rule.MISSING: "Send the field, and something in it.",
    Rule.UNKNOWN_CALL: "Use identify, track, page, screen, group or alias.",
    Rule.NOBODY: "Send a userId or an anonymousId that stands for one person.",
    Rule.BAD_TIMESTAMP: "Send an instant such as 2026-01-31T10:00:00Z.",
    Rule.BAD_NUMBER: "Send numbers that are finite.",
    Rule.NOT_TEXT: "Send text that is valid Unicode.",
    Rule.PLAN_MISSING: "Send the field, or let schema.yaml demand it no longer.",
    Rule.PLAN_TYPE: "Send a value as schema.yaml types it, or let it watch the field only.",
    Rule.PLAN_FORBIDDEN: "Leave the field out, or let schema.yaml forbid it no longer.",
    Rule.PLAN_UNKNOWN: "Check the spelling, or list it in schema.yaml.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item that is not accepted: which field, what it held (cut short), which rule."""

    rule: Rule
    field: str
    value: str
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the facts for an answer."""
        return {
            "field": self.field,
            "value": self.value,
            "rule": self.rule.value,
            "message": self.detail or f"{self.field}: {self.rule.value.replace('_', ' ')}",
            "mend": MENDS[self.rule],
        }


def excerpt(value: Any) -> str:
    """Return a value as short printable text."""
    text = str(value) if isinstance(value, str | Decimal) else _as_json(value)
    text = "".join(c if c.isprintable() else "\ufffd" for c in text[: _EXCERPT_MAX + 1])
    return text if len(text) <= _EXCERPT_MAX else text[: _EXCERPT_MAX - 1] + "…"


def _as_json(value: Any) -> str:
    try:
        # Cut before a value of any size is written out.
        return "".join(islice(json.JSONEncoder(ensure_ascii=False).iterencode(value), 100))
    except (TypeError, ValueError, RecursionError):
        return repr(value)
