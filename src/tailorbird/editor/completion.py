"""What may stand at the cursor: the words of the language and the names of the workspace."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lsprotocol import types

from tailorbird.base.names import snake_case
from tailorbird.editor.knowledge import Knowledge
from tailorbird.editor.meanings import EXPLAINED
from tailorbird.editor.place import Place
from tailorbird.language import grammar
from tailorbird.language.parser import RESERVED

_Kind = types.CompletionItemKind
_NAMED = re.compile(r"\b(segment|score|interest|list)\s*\(\s*'([\w-]*)$")
_PATH = re.compile(r"(?:(?<![\w.])([^\W\d]\w*)|'([^']+)')\.\w*$")
_WHERE = re.compile(r"(?:([^\W\d]\w*)|'([^']+)')(?:\.\w+)*\s+where\b(?!.*\bwithin\b)[^\n]*$")
_FOLDERS = {"segment": "segments", "score": "scores", "interest": "interests", "list": "lists"}
_KEYWORDS = (*sorted(RESERVED), "not", "where", *grammar.MODIFIERS)


def completions(place: Place, known: Knowledge) -> list[types.CompletionItem]:
    """Return what may be written at a place, in the order in which it is shown."""
    named = _NAMED.search(place.before)
    if named and (named[1] == "list" or not place.is_in_source):
        names = known.files.get(_FOLDERS[named[1]], {})
        return [_name(name, named[1], known) for name in sorted(names)]
    if place.is_in_source:
        return _in_source(place, known)
    if place.is_in_comment or place.is_in_text:
        return []
    path = _PATH.search(place.before)
    if path:
        return _after_dot(path[1] or snake_case(path[2]), known)
    where = _WHERE.search(place.before)
    event = (where[1] or snake_case(where[2])) if where else ""
    return [*_properties(event, known), *_words(), *_events(known)]


def _in_source(place: Place, known: Knowledge) -> list[types.CompletionItem]:
    """Messages have no schema: what is known is the events they become, and the language."""
    if place.is_in_text:
        return [*_events(known)] if place.key == "event" else []
    if place.is_in_comment or place.before.endswith("."):
        return []
    calls = {name for name, form in grammar.FUNCTIONS.items() if form.in_where}
    words = {*calls, "list", "timestamp", *RESERVED, "not"}
    return [one for one in _words() if one.label in words]


def _name(name: str, kind: str, known: Knowledge) -> types.CompletionItem:
    condition = known.condition(name) if kind == "segment" else None
    return types.CompletionItem(
        label=name,
        kind=_Kind.Reference,
        detail=condition[0] if condition else kind,
        documentation=condition[1] if condition else None,
    )


def _after_dot(root: str, known: Knowledge) -> list[types.CompletionItem]:
    if root == "traits":
        return [
            types.CompletionItem(label=name, kind=_Kind.Field, detail=kind)
            for name, kind in sorted(known.traits.items())
        ]
    return _properties(root, known)


def _properties(event: str, known: Knowledge) -> list[types.CompletionItem]:
    properties = known.events.get(event, {}).get("properties", {})
    return [
        types.CompletionItem(
            label=name, kind=_Kind.Property, detail=f"{kind} of {event}", sort_text=f"0{name}"
        )
        for name, kind in sorted(properties.items())
    ]


def _words() -> Iterable[types.CompletionItem]:
    calls = grammar.call_names()
    for names, kind in (
        (calls, _Kind.Function),
        ([name for name in grammar.ROOTS if name not in calls], _Kind.Module),
        (dict.fromkeys(_KEYWORDS), _Kind.Keyword),
    ):
        for name in names:
            construct = EXPLAINED.get(name)
            yield types.CompletionItem(
                label=name,
                kind=kind,
                detail=construct.gives or None if construct else None,
                documentation=f"{construct.meaning}\n\n{construct.example}" if construct else None,
                sort_text=f"1{name}",
            )


def _events(known: Knowledge) -> Iterable[types.CompletionItem]:
    for name, event in sorted(known.events.items()):
        yield types.CompletionItem(
            label=name,
            kind=_Kind.Event,
            detail="event",
            documentation=event["description"] or None,
            sort_text=f"2{name}",
        )
