"""`schema.yaml`: the events and traits that are expected, so that misspelt names are noticed."""

from __future__ import annotations

from typing import Any

import yaml

from tailorbird.base.names import snake_case
from tailorbird.workspace.sections import Scalar, Section, compose
from tailorbird.workspace.source import Source

KEYS = ("events", "traits")
EVENT_KEYS = ("description", "properties")
TYPES = ("string", "number", "boolean", "timestamp", "list", "object", "any")


def read_schema(source: Source) -> dict[str, Any]:
    """Read the expected names as {"events": {name: {"description", "properties"}}, "traits": ...}.

    Properties and traits map names to one of `TYPES`.
    """
    root = compose(source)
    if root is None:
        return {}
    section = Section(source, root, "schema.yaml", KEYS)
    events: dict[str, dict[str, Any]] = {}
    for name, node in section.open_mapping("events"):
        events[snake_case(name.value)] = _event(source, name, node)
    return {"events": events, "traits": _types(section, "traits")}


def _event(source: Source, name: Scalar, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode) and not node.value.strip("~"):
        return {"description": "", "properties": {}}
    if not isinstance(node, yaml.MappingNode):
        name.note(
            f"`{name.value}` must hold keys: {', '.join(EVENT_KEYS)}",
            "For example `properties: {revenue: number}`, or leave it empty.",
        )
        return {"description": "", "properties": {}}
    section = Section(source, node, "an event", EVENT_KEYS)
    return {
        "description": section.text("description"),
        "properties": _types(section, "properties"),
    }


def _types(section: Section, key: str) -> dict[str, str]:
    types: dict[str, str] = {}
    for name, node in section.open_mapping(key):
        kind = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
        if kind not in TYPES:
            name.note(
                f"`{name.value}` has no known type" + (f", not `{kind}`" if kind else ""),
                f"Use one of: {', '.join(TYPES)}.",
            )
            kind = "any"
        types[name.value] = kind
    return types
