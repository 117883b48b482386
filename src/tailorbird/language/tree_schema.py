"""The JSON Schema of the syntax tree, written from the tree's own classes and the grammar's tables.

A visual builder reads it to know what may stand where; types and names are `types`' business.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from tailorbird.base.time import Duration
from tailorbird.language import grammar, tree
from tailorbird.language.parser import COMPARISONS
from tailorbird.language.syntax_tree import KINDS

# Fields that hold one of a few words.
_CHOICES: dict[tuple[str, str], Iterable[str]] = {
    ("Path", "root"): grammar.ROOTS,
    ("Aggregate", "kind"): grammar.AGGREGATES,
    ("Compare", "op"): COMPARISONS,
    ("Match", "op"): ("like", "contains", "starts_with", "ends_with"),
    ("Arithmetic", "op"): ("+", "-", "*", "/"),
    ("Call", "name"): grammar.FUNCTIONS,
    ("Named", "kind"): grammar.NAMED,
}
_ITEMS_MIN = {("And", "parts"): 2, ("Or", "parts"): 2, ("Call", "arguments"): 0}
_PLACES: dict[str, dict[str, Any]] = {
    "duration": {"type": "string", "pattern": "^[0-9]+(s|m|h|d|w|mo|y)$"},
    "scaled": {"type": ["number", "string"], "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?$"},
    "micros": {"type": "string", "format": "date-time"},
}
# What can stand only inside another node.
_PARTS = ("Selector", "ListRef")


def tree_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what `to_json` writes and `from_json` reads."""
    values = [{"$ref": f"#/$defs/{name}"} for name in KINDS if name not in _PARTS]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Syntax tree of a Tailorbird expression",
        "description": "Fields that hold their default are left out.",
        "$ref": "#/$defs/expression",
        "$defs": {
            "expression": {"oneOf": values},
            **{name: _node(name, kind) for name, kind in KINDS.items()},
        },
    }


def tree_schema_text() -> str:
    """Return `docs/reference/syntax-tree.schema.json`."""
    return json.dumps(tree_schema(), indent=2, ensure_ascii=False) + "\n"


def _node(name: str, kind: type[tree.Node]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    properties: dict[str, Any] = {"node": {"const": name}}
    required = ["node"]
    for one in fields(kind):
        if one.name == "span":
            continue
        properties[one.name] = _field(name, one.name, hints[one.name])
        if one.default is MISSING:
            required.append(one.name)
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _field(kind: str, name: str, hint: Any) -> dict[str, Any]:  # Any: a type as annotated
    if (kind, name) in _CHOICES:
        return {"enum": list(_CHOICES[kind, name])}
    if (kind, name) == ("In", "options"):
        either = [{"$ref": "#/$defs/expression"}, {"$ref": "#/$defs/ListRef"}]
        return {"type": "array", "minItems": 1, "items": {"oneOf": either}}
    if name in _PLACES:
        return _PLACES[name]
    plain: dict[Any, dict[str, Any]] = {
        str: {"type": "string"},
        bool: {"type": "boolean"},
        Duration: _PLACES["duration"],
        Duration | None: _PLACES["duration"],
        tree.Node: {"$ref": "#/$defs/expression"},
        tree.Node | None: {"$ref": "#/$defs/expression"},
        tree.Selector: {"$ref": "#/$defs/Selector"},
    }
    if hint in plain:
        return plain[hint]
    item, _ = hint.__args__  # a tuple of any length: tuple[item, ...]
    return {"type": "array", "minItems": _ITEMS_MIN.get((kind, name), 1), "items": plain[item]}
