"""Mends of refused items: fields set, renamed and dropped, before they are tried again. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailorbird.base.problems import Problem, ProblemsError, TailorbirdError
from tailorbird.events.refusal import excerpt
from tailorbird.language.errors import ExpressionError
from tailorbird.language.parser import parse
from tailorbird.services.source_messages import at_path, instant_of, value_of
from tailorbird.workspace.definitions import FieldPath, MapValue

KEYS = ("set", "rename", "drop")
_PATH = re.compile(r"[^.\s]+(\.[^.\s]+)*")
_FIELD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*(\.([A-Za-z0-9_$-]+|\*))*")
_EACH = "*"
_TIME = "timestamp"
_CONSTANTS = ("true", "false", "null", "now")


class NoObject(TailorbirdError):
    """A path leads through `found`, a plain value or a list that has no such position."""

    def __init__(self, path: str, found: Any) -> None:
        what = "is no object"
        if isinstance(found, list):
            what = f"is a list of {len(found)}: 0 is its first place, * is each"
        super().__init__(f"{path} leads through {excerpt(found)}, which {what}")
        self.path = path
        self.found = found


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """What to do with an item, in this order: rename, set, drop.

    Paths are `properties.price`, or of lists `properties.products.0.price`, the first, and
    `properties.products.*.price`, each. `set` holds for each path a literal, or where its value
    comes from in the item as renamed. A `timestamp` that is set or renamed may be written in any
    way that standard forms know, such as seconds since 1970.
    """

    rename: Mapping[str, str]
    set: Mapping[str, Any]
    drop: Sequence[str]

    def apply(self, item: Mapping[str, Any], now: int) -> dict[str, Any]:
        """Return a mended copy of an item.

        Raises:
            NoObject: a path to be set leads through something that is no object.
        """
        mended: dict[str, Any] = _copied(item)
        for old, new in self.rename.items():
            for numbers in [*_positions(mended, old.split("."))]:
                found, value = _take(mended, _bound(old, numbers))
                if found:
                    _put(mended, _bound(new, numbers), value)
        source = _copied(mended)
        # In expressions `properties.price` and `price` are the same, as in `where`.
        named = {**source, **(source.get("properties") or {})}
        for path, value in self.set.items():
            for numbers in _positions(source, path.split(".")):
                given = value
                if isinstance(value, FieldPath):
                    parts = _bound(".".join(value.parts), numbers).split(".")
                    given = at_path(parts, source)
                elif isinstance(value, MapValue):
                    given = value_of(value, named, now)
                if given is not None:
                    _put(mended, _bound(path, numbers), given)
        for path in self.drop:
            # From the end: what is taken out of a list moves nothing that is still to come.
            for numbers in reversed([*_positions(mended, path.split("."))]):
                _take(mended, _bound(path, numbers))
        if (_TIME in self.set or _TIME in self.rename.values()) and _TIME in mended:
            mended[_TIME] = instant_of(mended[_TIME])
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
    made = Mend(
        rename=dict(rename),
        set={path: _value(path, value) for path, value in given.items()},
        drop=list(drop),
    )
    sources = {
        path: ".".join(one.parts) for path, one in made.set.items() if isinstance(one, FieldPath)
    }
    for path, other in (*rename.items(), *sources.items()):
        stars = other.count(_EACH)
        if path.count(_EACH) != stars and (path in rename or stars):
            raise _problem(
                f"{path} and {other} do not name each of the same lists",
                "Write as many * in both: properties.products.*.price.",
            )
    return made


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


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copied(one) for name, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _positions(item: Any, parts: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield what the stars of a path stand for in an item: nothing, once, where it has none."""
    if _EACH not in parts:
        yield ()
        return
    star = parts.index(_EACH)
    found = at_path(parts[:star], item)
    for number, below in enumerate(found if isinstance(found, list) else ()):
        for numbers in _positions(below, parts[star + 1 :]):
            yield (str(number), *numbers)


def _bound(path: str, numbers: Sequence[str]) -> str:
    left = iter(numbers)
    return ".".join(next(left) if part == _EACH else part for part in path.split("."))


def _take(item: Any, path: str) -> tuple[bool, Any]:
    *parts, last = path.split(".")
    place = at_path(parts, item)
    if isinstance(place, list) and last.isdecimal() and int(last) < len(place):
        return True, place.pop(int(last))
    if isinstance(place, dict) and last in place:
        return True, place.pop(last)
    return False, None


def _put(item: Any, path: str, value: Any) -> None:
    place, parts = item, path.split(".")
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        if isinstance(place, list) and part.isdecimal() and int(part) < len(place):
            key: Any = int(part)
        elif isinstance(place, dict):
            key = part
        else:
            raise NoObject(path, place)
        if following is None:
            place[key] = value
            return
        if (place.get(key) if isinstance(place, dict) else place[key]) is None:
            place[key] = {}
        place = place[key]
