"""What changed between two versions of the definitions, and how deep each change goes.

Names, notes and the order of commutative parts do not matter: conditions are compared by their
semantic hash. `none` changes nothing that people could notice, `forward` acts from here on only,
`rewrites` makes the past count differently: segments and scores are filled from history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from tailorbird.language import tree
from tailorbird.language.syntax_tree import semantic_hash
from tailorbird.workspace.definitions import TemplateDefinition, Workspace

NONE, FORWARD, REWRITES = "none", "forward", "rewrites"

_NOTES = frozenset({"title", "description", "text"})
_NOTES_OF_TEMPLATES = frozenset({"path", "body_line"})  # its text is a part of the mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One definition that was added, removed or changed; `reach` is none, forward or rewrites."""

    kind: str  # segment, score, interest, list, journey, template, source, setting
    name: str
    what: str  # added, removed, changed
    reach: str


def differences(before: Workspace | None, after: Workspace) -> list[Difference]:
    """Return what changed, in order of kind and name; nothing for equal definitions."""
    return list(_differences(before or Workspace(version=""), after))


def _differences(before: Workspace, after: Workspace) -> Iterator[Difference]:
    parts: tuple[tuple[str, Callable[[Workspace], Mapping[str, Any]], str], ...] = (
        ("segment", lambda one: one.segments, REWRITES),
        ("score", lambda one: one.scores, REWRITES),
        ("interest", lambda one: one.interests, REWRITES),
        ("list", lambda one: one.lists, REWRITES),
        ("journey", lambda one: one.journeys, FORWARD),
        ("template", lambda one: one.templates, FORWARD),
        ("source", lambda one: one.sources, FORWARD),
        ("setting", _settings, FORWARD),
    )
    for kind, part, reach in parts:
        old, new = part(before), part(after)
        for name in sorted(old.keys() | new.keys()):
            what = "added" if name not in old else "removed" if name not in new else "changed"
            if what == "changed":
                if old[name] == new[name]:
                    continue
                is_same = meaning(old[name]) == meaning(new[name])
                yield Difference(kind=kind, name=name, what=what, reach=NONE if is_same else reach)
            else:
                yield Difference(kind=kind, name=name, what=what, reach=reach)


def meaning(value: Any) -> Any:
    """Return a value that is equal for definitions that do the same."""
    if isinstance(value, tree.Node):
        return semantic_hash(value)
    if isinstance(value, tuple | list):
        return tuple(meaning(one) for one in value)
    if isinstance(value, Mapping):
        return {name: meaning(one) for name, one in value.items()}
    if is_dataclass(value):
        notes = _NOTES_OF_TEMPLATES if isinstance(value, TemplateDefinition) else _NOTES
        return type(value).__name__, {
            one.name: meaning(getattr(value, one.name))
            for one in fields(value)
            if one.name not in notes and not one.name.endswith("_text")
        }
    return value


def _settings(workspace: Workspace) -> Mapping[str, Any]:
    settings = workspace.settings
    return {one.name: getattr(settings, one.name) for one in fields(settings)}
