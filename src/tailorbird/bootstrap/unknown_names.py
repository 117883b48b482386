"""Names in a condition that nothing in history has: most are slips, so that the nearest is told.

Names are looked up among those that some events have; only for one that is not among them all of
history is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tailorbird.base.names import nearest
from tailorbird.bootstrap.lake import LakeAsker
from tailorbird.language import tree
from tailorbird.language.scope import References, references
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.services.question import Question

# Names that are looked for in all of history, of one condition.
LOOKED_FOR_MAX = 10
# How deep names are read, and how many of the items of a list.
_DEPTH, _ITEMS = 4, 20


class _Doubt(NamedTuple):
    """A name that some events lack: `node` holds for whoever has it."""

    node: tree.Node
    said: str


def unknown_names(asker: LakeAsker, question: Question, seconds: float) -> list[str]:
    """Return warnings about events, properties, traits and contexts that never came.

    Args:
        asker: Answers about history.
        question: The condition; what its segments ask is not looked at.
        seconds: Most that looking for one name may take; one that takes longer goes unsaid.
    """
    used, events = references(question.node), asker.events()
    if not events:
        return []
    found = [
        f"no event {name} ever came{_meant(name, events)}"
        for name in sorted({*used.events} - events)
    ]
    doubts = [*_of_events(asker, used, events), *_of_people(asker, used)]
    return found + [
        doubt.said for doubt in doubts[:LOOKED_FOR_MAX] if _never(asker, doubt, question, seconds)
    ]


def _of_events(asker: LakeAsker, used: References, events: set[str]) -> Iterator[_Doubt]:
    for event in sorted(events & {*used.events}):
        asked = {path[1:] if path[0] == "properties" else path for path in used.events[event]}
        asked = {path for path in asked if path and path[0] != "context"}
        if not asked:
            continue
        known = set(_paths_of(asker.examples("properties", event)))
        for path in sorted(asked - known):
            selector = tree.Selector(event=event, path=path)
            meant = _meant(_written(path), _beside(path, known))
            said = f"no {event} ever had {_written(path)}{meant}"
            yield _Doubt(tree.Aggregate(kind="any", selectors=(selector,)), said)


def _of_people(asker: LakeAsker, used: References) -> Iterator[_Doubt]:
    if not used.traits and not used.context:
        return
    contexts = set(_paths_of(asker.examples("context")))
    of_traits = {path[1:] for path in contexts if path[0] == "traits" and len(path) > 1}
    of_traits |= set(_paths_of(asker.examples("properties", "identified")))
    for root, asked, known in (
        ("traits", {(name,) for name in used.traits}, of_traits),
        ("context", used.context, contexts),
    ):
        for path in sorted(asked - known):
            has = tree.IsNull(value=tree.Path(root=root, parts=path), is_negated=True)
            name = _written(path)
            yield _Doubt(has, f"nobody ever had {root}.{name}{_meant(name, _beside(path, known))}")


def _never(asker: LakeAsker, doubt: _Doubt, question: Question, seconds: float) -> bool:
    try:
        with asker.within(seconds):
            return not asker.count(doubt.node, question)
    except WarehouseError:
        return False


def _paths_of(texts: Iterable[str | None]) -> Iterator[tuple[str, ...]]:
    """Yield the names that JSON objects have; those of a list's items stand under its name."""
    for text in texts:
        yield from _paths_in(json.loads(text or "{}"), ())


def _paths_in(value: Any, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, list):
        for item in value[:_ITEMS]:
            yield from _paths_in(item, above)
    elif isinstance(value, dict) and len(above) < _DEPTH:
        for name, one in value.items():
            if one is not None:
                yield (*above, name)
                yield from _paths_in(one, (*above, name))


def _beside(path: tuple[str, ...], known: set[tuple[str, ...]]) -> set[str]:
    return {_written(one) for one in known if len(one) == len(path)}


def _written(path: tuple[str, ...]) -> str:
    return ".".join(path)


def _meant(name: str, known: Iterable[str]) -> str:
    close = nearest(name, sorted(known))
    return f"; did you mean {close}?" if close else ""
