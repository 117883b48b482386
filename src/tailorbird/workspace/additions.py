"""The YAML that a tracking plan lacks: events and properties that came and that nobody listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from tailorbird.events.standardise.plans import OWN_TRAITS
from tailorbird.language.scope import BUILT_IN_EVENTS

_IDENTIFIED = "identified"


def plan_additions(events: Iterable[Mapping[str, Any]]) -> str:
    """Return what to add to `schema.yaml`, empty where it lists all that came.

    Args:
        events: As `GET /v1/learned` gives them.

    Example:
        >>> seen = {"name": "size", "types": ["number"], "is_expected": False}
        >>> print(plan_additions([{"event": "fitted", "is_expected": False, "properties": [seen]}]))
        events:
          fitted:
            properties:
              size: number
        <BLANKLINE>
    """
    found: dict[str, Any] = {"events": {}, "traits": {}}
    for one in events:
        missing = {
            part["name"]: part["types"][0] if len(part["types"]) == 1 else "any"
            for part in one["properties"]
            if not part["is_expected"]
        }
        if one["event"] == _IDENTIFIED:
            found["traits"] = {
                name: kind for name, kind in missing.items() if name not in OWN_TRAITS
            }
        elif one["event"] not in BUILT_IN_EVENTS and (missing or not one["is_expected"]):
            found["events"][one["event"]] = {"properties": missing} if missing else {}
    parts = {key: part for key, part in found.items() if part}
    if not parts:
        return ""
    return str(yaml.safe_dump(parts, sort_keys=False, allow_unicode=True))
