"""Mends of refused items: fields set, renamed and dropped, before they are tried again. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailorbird.base.problems import Problem, ProblemsError, TailorbirdError
from tailorbird.events.refusal import excerpt
from tailorbird.language.errors import ExpressionError
from tailorbird.language.parser import parse
from tailorbird.services.source_messages import value_of
from tailorbird.workspace.definitions import FieldPath, MapValue

KEYS = ("set", "rename", "drop")
_PATH = re.compile(r"[^.\s]+(\.[^.\s]+)*")
_FIELD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*(\.[A-Za-z0-9_$-]+)*")
_CONSTANTS = ("true", "false", "null", "now")


class NoObject(TailorbirdError):
    """A path leads through `found`, which is a list or a plain value."""

    def __init__(self, path: str, found: Any) -> None:
        super().__init__(f"{path} leads through {excerpt(found)}, which is no object")
        self.path = path
        self.found = found


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """What to do with an item, in this order: rename, set, drop. Paths are `properties.price`.

    `set` holds for each path a literal, or where its value comes from in the item as renamed.
    """

    rename: Mapping[str, str]
    set: Mapping[str, Any]
    drop: Sequence[str]

    def apply(self, item: Mapping[str, Any], now: int) -> dict[str, Any]:
        """Return a mended copy of an item.

        Raises:
            NoObject: a path to be set leads through something that is no object.
        """
        mended = _copied(item)
        for old, new in self.rename.items():
            found, value = _take(mended, old)
            if found:
                _put(mended, new, value)
        source = _copied(mended)
        # In expressions `properties.price` and `price` are the same, as in `where`.
        named = {**source, **(source.get("properties") or {})}
        for path, value in self.set.items():
            given = value
            if isinstance(value, MapValue):
                given = value_of(value, source if isinstance(value, FieldPath) else named, now)
            if given is not None:
                _put(mended, path, given)
        for path in self.drop:
            _take(mended, path)
        return mended


def mend_from(data: Any) -> Mend:
    """Read a mend from plain values: {"set": {path: value}, "rename": {old: new}, "drop": [path]}.

    A text under `set` is a path in the item (`properties.customer`) or an expression (`'EUR'`,
    `properties.net * 1.2`), as in the `map` of a source; numbers, lists and objects are literals.

    Raises:
        ProblemsError: what is wrong, each with its mend.
    """
    if not isinstance(data, Mapping) or not data:
        raise _problem("a mend is an object with set, rename or drop", "For example {drop: [a.b]}.")
    unknown = [key for key in data if key not in KEYS]
    if unknown:
        raise _problem(f"a mend has no {unknown[0]!r}", f"It has {', '.join(KEYS)}.")
    rename, drop = data.get("rename") or {}, data.get("drop") or []
    given = data.get("set") or {}
    if not (isinstance(rename, Mapping) and isinstance(given, Mapping) and isinstance(drop, list)):
        raise _problem("set and rename are objects, drop is a list", "For example {drop: [a.b]}.")
    for path in (*rename, *rename.values(), *given, *drop):
        if not isinstance(path, str) or not _PATH.fullmatch(path):
            raise _problem(
                f"{path!r} is no path", "Write names joined by points: properties.price."
            )
    return Mend(
        rename=dict(rename),
        set={path: _value(path, value) for path, value in given.items()},
        drop=list(drop),
    )


def _value(path: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _FIELD.fullmatch(text) and text not in _CONSTANTS:
        return FieldPath(parts=tuple(text.split(".")))
    try:
        return parse(text, in_where=True)
    except ExpressionError as error:
        mend = "A text that is meant as it stands is quoted: \"'EUR'\"."
        raise _problem(f"set {path}: {error}", mend) from None


def _problem(message: str, mend: str) -> ProblemsError:
    return ProblemsError((Problem(message=message, mend=mend),))


def _copied(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(one) if isinstance(one, Mapping) else one for name, one in value.items()}


def _take(item: dict[str, Any], path: str) -> tuple[bool, Any]:
    *parts, last = path.split(".")
    place: Any = item
    for part in parts:
        place = place.get(part) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last not in place:
        return False, None
    return True, place.pop(last)


def _put(item: dict[str, Any], path: str, value: Any) -> None:
    *parts, last = path.split(".")
    place = item
    for part in parts:
        below = place.setdefault(part, {})
        if below is None:
            below = place[part] = {}
        if not isinstance(below, dict):
            raise NoObject(path, below)
        place = below
    place[last] = value
