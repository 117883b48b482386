"""`schema.yaml`: the events and traits that are expected, and what the tracking plan asks of them.

What is only listed lets misspelt names be noticed; a rule lets `events.standardise.plans` refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from tailorbird.base.names import snake_case
from tailorbird.events.standardise.plans import (
    NO_PLAN,
    Demand,
    Expectation,
    Expected,
    Plan,
)
from tailorbird.language.scope import BUILT_IN_EVENTS
from tailorbird.workspace.sections import Scalar, Section, compose
from tailorbird.workspace.source import Source

KEYS = ("events", "traits", "unknown_events", "unknown_traits")
EVENT_KEYS = ("description", "properties", "unknown")
PROPERTY_KEYS = ("type", "rule", "description")
TYPES = ("string", "number", "boolean", "timestamp", "list", "object", "any")
RULES = tuple(one.value for one in Demand)
UNKNOWN = ("watch", "refuse")


def read_schema(source: Source) -> dict[str, Any]:
    """Read what is expected.

    Returns:
        {"events": {name: {"description", "properties", "rules", "unknown"}}, "traits",
        "trait_rules", "unknown_events", "unknown_traits"}. Properties and traits map names to one
        of `TYPES`, rules names to one of `RULES` where it is not `watch`; unknown is of `UNKNOWN`.
    """
    root = compose(source)
    if root is None:
        return {}
    section = Section(source, root, "schema.yaml", KEYS)
    events: dict[str, dict[str, Any]] = {}
    for name, node in section.open_mapping("events"):
        events[snake_case(name.value)] = _event(source, name, node)
    types, rules = _types(section, "traits")
    return {
        "events": events,
        "traits": types,
        "trait_rules": rules,
        "unknown_events": section.choice("unknown_events", UNKNOWN, "watch"),
        "unknown_traits": section.choice("unknown_traits", UNKNOWN, "watch"),
    }


def plan_of(schema: Mapping[str, Any]) -> Plan:
    """Return the tracking plan that `read_schema` read."""
    if not schema:
        return NO_PLAN
    refuses_traits = schema["unknown_traits"] == "refuse"
    traits = _expectation(schema["traits"], schema["trait_rules"], refuses_unknown=refuses_traits)
    # What we act upon ourselves, such as a consent withdrawn, is no plan's to refuse.
    own = {name: Expectation() for name in BUILT_IN_EVENTS}
    return Plan(
        events=own
        | {
            name: _expectation(
                one["properties"], one["rules"], refuses_unknown=one["unknown"] == "refuse"
            )
            for name, one in schema["events"].items()
        },
        traits=traits if traits.properties or refuses_traits else None,
        refuses_unknown=schema["unknown_events"] == "refuse",
    )


def _expectation(
    types: Mapping[str, str], rules: Mapping[str, str], *, refuses_unknown: bool
) -> Expectation:
    return Expectation(
        properties=tuple(
            Expected(name, kind, Demand(rules.get(name, Demand.WATCH.value)))
            for name, kind in types.items()
        ),
        refuses_unknown=refuses_unknown,
    )


def _event(source: Source, name: Scalar, node: yaml.Node) -> dict[str, Any]:
    nothing = {"description": "", "properties": {}, "rules": {}, "unknown": "watch"}
    if isinstance(node, yaml.ScalarNode) and not node.value.strip("~"):
        return nothing
    if not isinstance(node, yaml.MappingNode):
        name.note(
            f"`{name.value}` must hold keys: {', '.join(EVENT_KEYS)}",
            "For example `properties: {revenue: number}`, or leave it empty.",
        )
        return nothing
    section = Section(source, node, "an event", EVENT_KEYS)
    types, rules = _types(section, "properties")
    return {
        "description": section.text("description"),
        "properties": types,
        "rules": rules,
        "unknown": section.choice("unknown", UNKNOWN, "watch"),
    }


def _types(section: Section, key: str) -> tuple[dict[str, str], dict[str, str]]:
    types: dict[str, str] = {}
    rules: dict[str, str] = {}
    for name, node in section.open_mapping(key):
        if isinstance(node, yaml.MappingNode):
            inner = Section(section.source, node, "a property", PROPERTY_KEYS)
            types[name.value] = inner.choice("type", TYPES, "any")
            rule = inner.choice("rule", RULES, "watch")
            if rule != "watch":
                rules[name.value] = rule
            continue
        kind = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
        if kind not in TYPES:
            name.note(
                f"`{name.value}` has no known type" + (f", not `{kind}`" if kind else ""),
                f"Use one of: {', '.join(TYPES)}.",
            )
            kind = "any"
        types[name.value] = kind
    return types, rules
