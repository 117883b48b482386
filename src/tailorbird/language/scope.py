"""What an expression may refer to, and where it stands: what `types` checks names against."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailorbird.events.event import NAME_OF_CALL
from tailorbird.language import tree, walk
from tailorbird.language.needs import Interest, PointsScore

SEGMENT, SCORE, JOURNEY, FILTER = "segment", "score", "journey", "filter"

# Events that we write ourselves, or that calls without a name of their own become.
BUILT_IN_EVENTS = (
    *NAME_OF_CALL.values(),
    *(
        f"email_{outcome}"
        for outcome in (
            "sent",
            "delivered",
            "opened",
            "link_clicked",
            "bounced",
            "suppressed",
            "failed",
            "held",
            "expired",
            "marked_as_spam",
        )
    ),
    "consent_given",
    "consent_withdrawn",
    "subscribed",
    "unsubscribed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Known names; None means that the names of that sort are unknown and are not checked.

    `place` is segment, score, journey (also decisions and caps: asked at the moment, with a
    triggering event) or filter (asked at the moment, without one). `name` is the definition's own
    name, so that a reference to itself is found. `events` maps an event to its properties and
    their types ("number", "string", "boolean", "list", "any"); an event with an empty mapping has
    unknown properties. `traits` maps names to types. `currencies` are those that amounts come in.
    """

    place: str = SEGMENT
    name: str = ""
    segments: Mapping[str, tree.Node] | None = None
    scores: Mapping[str, tree.Node | PointsScore] | None = None
    interests: Mapping[str, Interest] | None = None
    lists: Collection[str] | None = None
    events: Mapping[str, Mapping[str, str]] | None = None
    traits: Mapping[str, str] | None = None
    predictions: Collection[str] | None = None
    clusters: Collection[str] | None = None
    currencies: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class References:
    """What a tree refers to; `events` maps an event to the paths of its properties in use."""

    segments: set[str] = field(default_factory=set)
    scores: set[str] = field(default_factory=set)
    interests: set[str] = field(default_factory=set)
    predictions: set[str] = field(default_factory=set)
    clusters: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    traits: set[str] = field(default_factory=set)
    context: set[tuple[str, ...]] = field(default_factory=set)
    events: dict[str, set[tuple[str, ...]]] = field(default_factory=dict)


def references(root: tree.Node) -> References:
    """Return what a tree refers to itself; what its segments refer to is not followed."""
    found = References()
    for node in walk.nodes(root):
        match node:
            case tree.InSegment():
                found.segments.add(node.name)
            case tree.Named():
                {
                    "score": found.scores,
                    "prediction": found.predictions,
                    "cluster": found.clusters,
                    "interest": found.interests,
                }[node.kind].add(node.name)
            case tree.ListRef():
                found.lists.add(node.name)
            case tree.Path() if node.root == "traits":
                found.traits.add(node.parts[0])
            case tree.Path() if node.root == "context":
                found.context.add(node.parts)
            case tree.Path() if node.root in ("geo", "weather"):
                found.context.add((node.root, *node.parts))
            case tree.Aggregate():
                for selector in node.selectors:
                    _add_properties(found.events.setdefault(selector.event, set()), node, selector)
    return found


def find_cycle(
    start: tuple[str, str],
    segments: Mapping[str, tree.Node],
    scores: Mapping[str, tree.Node | PointsScore],
) -> list[str] | None:
    """Return the names on a way from a definition back to itself, or None.

    `start` is (kind, name) with kind "segment" or "score". The way begins and ends with its name.
    """
    seen: set[tuple[str, str]] = set()
    stack: list[tuple[tuple[str, str], list[str]]] = [(start, [start[1]])]
    while stack:
        (kind, name), way = stack.pop()
        node: Any = (segments if kind == "segment" else scores).get(name)
        if not isinstance(node, tree.Node):
            continue
        found = references(node)
        following = [("segment", one) for one in sorted(found.segments)]
        following += [("score", one) for one in sorted(found.scores)]
        for place in following:
            if place == start:
                return [*way, place[1]]
            if place not in seen:
                seen.add(place)
                stack.append((place, [*way, place[1]]))
    return None


def _add_properties(
    known: set[tuple[str, ...]], node: tree.Aggregate, selector: tree.Selector
) -> None:
    if selector.path:
        known.add(selector.path)
    if node.by:
        known.add(node.by)
    looks_at_items = bool(selector.path) and node.kind in ("any", "none", "count")
    for below in walk.nodes(selector):
        if isinstance(below, tree.Property):
            known.add((*selector.path, *below.parts) if looks_at_items else below.parts)
