"""Checks what one file says against all the others: names, cycles, types, what is likely a slip."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tailorbird.language import tree
from tailorbird.language.walk import children, nodes
from tailorbird.workspace.expressions import Expression
from tailorbird.workspace.names import hint

# What Tailorbird itself writes, and what Segment's calls without a name of their own become.
OWN_EVENTS = (
    "identified",
    "page_viewed",
    "screen_viewed",
    "grouped",
    "aliased",
    "email_sent",
    "email_delivered",
    "email_opened",
    "email_link_clicked",
    "email_bounced",
    "email_marked_as_spam",
    "email_suppressed",
    "email_failed",
    "email_held",
    "email_expired",
    "subscribed",
    "unsubscribed",
    "consent_given",
    "consent_withdrawn",
)
OWN_TRAITS = ("email", "phone", "timezone", "locale", "consent")

_EVENT_AS_WRITTEN = re.compile(r"'(?:[^']|'')*'|\w+")
_FOLDER_OF = {"segment": "segments", "score": "scores", "list": "lists"}


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that an expression uses: kind is segment, score or list."""

    kind: str
    name: str
    span: tree.Span


@dataclass(slots=True, kw_only=True)
class Names:
    """All names of a workspace, the expressions of segments and scores among them."""

    segments: Mapping[str, list[Expression]] = field(default_factory=dict)
    scores: Mapping[str, list[Expression]] = field(default_factory=dict)
    lists: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> Mapping[str, Any]:
        """Return the definitions of a kind by name."""
        return {"segment": self.segments, "score": self.scores, "list": self.lists}[kind]

    def expressions(self, reference: Reference) -> list[Expression]:
        """Return the expressions of the segment or score that a reference names."""
        return [] if reference.kind == "list" else self.of(reference.kind).get(reference.name, [])


def references(expression: Expression) -> list[Reference]:
    """Return the names that an expression uses, in the order of the text."""
    found = []
    for node in nodes(expression.node):
        match node:
            case tree.InSegment():
                found.append(Reference("segment", node.name, node.span))
            case tree.Named(kind="score"):
                found.append(Reference("score", node.name, node.span))
            case tree.ListRef():
                found.append(Reference("list", node.name, node.span))
    return sorted(found, key=lambda one: one.span)


def check_references(expression: Expression, names: Names) -> None:
    """Note names that stand for nothing."""
    for one in references(expression):
        known = names.of(one.kind)
        if one.name not in known:
            place = f"{_FOLDER_OF[one.kind]}/{one.name}.{'txt' if one.kind == 'list' else 'yaml'}"
            expression.note(
                f"there is no {one.kind} `{one.name}`",
                f"{hint(one.name, list(known))} Or make {place}.",
                one.span,
            )


def check_cycles(names: Names) -> bool:
    """Note segments and scores that are defined by themselves; tells whether there are any."""
    found: set[frozenset[str]] = set()
    for kind in ("segment", "score"):
        for name in names.of(kind):
            _follow(names, Reference(kind, name, (0, 0)), [], found)
    return bool(found)


def _follow(
    names: Names,
    at: Reference,
    path: list[tuple[str, str]],
    found: set[frozenset[str]],
) -> None:
    path = [*path, (at.kind, at.name)]
    for expression in names.expressions(at):
        for one in references(expression):
            step = (one.kind, one.name)
            if step not in path:
                if len(path) < 100:
                    _follow(names, one, path, found)
                continue
            circle = path[path.index(step) :]
            mark = frozenset(f"{kind} {name}" for kind, name in circle)
            if mark in found:
                continue
            found.add(mark)
            way = " -> ".join(f"{kind} `{name}`" for kind, name in [*circle, step])
            expression.note(
                f"a definition that needs itself: {way}",
                "Take one of these references away.",
                one.span,
            )


def is_whole(expression: Expression, names: Names) -> bool:
    """Tell whether all that an expression needs, through other definitions too, is there."""
    waiting = [expression]
    seen: set[tuple[str, str]] = set()
    while waiting:
        for one in references(waiting.pop()):
            if one.name not in names.of(one.kind):
                return False
            if one.kind != "list" and not names.expressions(one):
                return False
            if (one.kind, one.name) not in seen:
                seen.add((one.kind, one.name))
                waiting.extend(names.expressions(one))
    return True


def warn_of_strangers(expression: Expression, names: Names, event: str | None = None) -> None:
    """Warn of events, properties and traits that schema.yaml does not list.

    `event` is the one that a filter outside of an aggregate looks at.
    """
    _warn_below(expression, expression.node, names, event)


def _warn_below(expression: Expression, node: tree.Node, names: Names, event: str | None) -> None:
    traits = names.schema.get("traits", {})
    match node:
        case tree.Selector():
            event = node.event
            _warn_of_event(expression, node, names)
            if node.path:
                _warn_of_property(expression, event, node.path, node.span, names)
        case tree.Property() if event is not None:
            _warn_of_property(expression, event, node.parts, node.span, names)
        case tree.Path(root="traits") if traits and node.parts[0] not in traits:
            if node.parts[0] not in OWN_TRAITS:
                expression.note(
                    f"the trait `{node.parts[0]}` is not listed in schema.yaml",
                    f"{hint(node.parts[0], list(traits))} Or list it there.",
                    node.span,
                    is_warning=True,
                )
    # An item of a list (any(order.products where ...)) has properties of its own.
    is_item = isinstance(node, tree.Selector) and bool(node.path)
    for child in children(node):
        _warn_below(expression, child, names, None if is_item else event)


def _warn_of_event(expression: Expression, node: tree.Selector, names: Names) -> None:
    if not is_stranger(node.event, names):
        return
    start = node.span[0]
    written = _EVENT_AS_WRITTEN.match(expression.scalar.value, start)
    expression.note(
        f"unknown event `{node.event}`",
        stranger_hint(node.event, names),
        (start, written.end() if written else start + 1),
        is_warning=True,
    )


def is_stranger(event: str, names: Names) -> bool:
    """Tell whether schema.yaml lists events, but not this one, which is not one of ours either."""
    events = names.schema.get("events", {})
    return bool(events) and event not in events and event not in OWN_EVENTS


def stranger_hint(event: str, names: Names) -> str:
    """Return what to do about an event that schema.yaml does not list."""
    known = [*names.schema.get("events", {}), *OWN_EVENTS]
    return f"{hint(event, known)} Or list it in schema.yaml."


def _warn_of_property(
    expression: Expression, event: str, parts: tuple[str, ...], span: tree.Span, names: Names
) -> None:
    listed = names.schema.get("events", {}).get(event, {}).get("properties", {})
    head = parts[1] if parts[0] == "properties" and len(parts) > 1 else parts[0]
    if listed and head not in listed and head != "context":
        expression.note(
            f"`{event}` has no property `{head}` in schema.yaml",
            f"{hint(head, list(listed))} Or list it there.",
            span,
            is_warning=True,
        )
