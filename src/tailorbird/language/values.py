"""Values at run time and how they are looked up: shared by the oracle and the compiled form.

A value is None (missing), bool, str, int (a scaled number), `Moment` (an instant), `Lapse`
(a duration in microseconds) or a tuple of values (a list). Raw JSON values become values through
`from_json`; nothing is coerced.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from tailorbird.base.numbers import scaled


class Moment(int):
    """An instant in microseconds UTC; compares with moments only."""


class Lapse(int):
    """A span in microseconds; compares with lapses only."""


Value = None | bool | str | int | Moment | Lapse | tuple[Any, ...]


def from_json(raw: Any) -> Value:
    """Turn a JSON value into a value of the language; objects are missing, lists become tuples."""
    kind = type(raw)
    if kind is str:
        return raw if raw.isascii() else unicodedata.normalize("NFC", raw)
    if kind is bool:
        return bool(raw)
    if kind is list or kind is tuple:
        return tuple(from_json(item) for item in raw)
    return scaled(raw)


def lookup(raw: Any, parts: tuple[str, ...]) -> Any:
    """Follow a path through JSON; a path through a list flattens. Returns raw JSON or None.

    Example:
        >>> lookup({"products": [{"id": "a"}, {"id": "b"}]}, ("products", "id"))
        ['a', 'b']
    """
    for position, part in enumerate(parts):
        kind = type(raw)
        if kind is dict:
            raw = raw.get(part)
        elif kind is list or kind is tuple:
            flat: list[Any] = []
            is_last = position + 1 == len(parts)
            for item in raw:
                if is_last and type(item) is dict:
                    found = item.get(part)
                else:
                    found = lookup(item, parts[position:])
                if type(found) is list or type(found) is tuple:
                    flat.extend(found)
                elif found is not None:
                    flat.append(found)
            return flat
        elif isinstance(raw, Mapping):
            raw = raw.get(part)
        else:
            return None
    return raw


def event_property(
    properties: Mapping[str, Any], context: Mapping[str, Any], parts: tuple[str, ...]
) -> Any:
    """Resolve a bare name of `where` or of a selector's path on one event; raw JSON or None."""
    head = parts[0]
    if head in properties:
        return lookup(properties, parts)
    if head == "context" and len(parts) > 1:
        return lookup(context, parts[1:])
    if head == "properties" and len(parts) > 1:
        return lookup(properties, parts[1:])
    return None
