"""The tree as JSON, for visual editors and the API, and its hash by meaning.

`from_json(to_json(tree)) == tree`. A node is an object with `node` (its kind) and its fields;
fields that hold their default are left out. Durations are texts such as "24h", numbers are JSON
numbers where a float names them exactly, else texts. `tree_schema` publishes the shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from decimal import Decimal, InvalidOperation
from typing import Any

from tailorbird.base.hashing import hash_text
from tailorbird.base.numbers import scaled, unscaled
from tailorbird.base.time import Duration, format_micros
from tailorbird.language import lexer, tree, walk
from tailorbird.language.errors import ExpressionError
from tailorbird.language.parser import parse
from tailorbird.language.printer import format_duration, format_expression

KINDS: dict[str, type[tree.Node]] = {
    kind.__name__: kind
    for kind in (
        tree.Number,
        tree.Text,
        tree.Boolean,
        tree.DurationValue,
        tree.Instant,
        tree.Path,
        tree.Property,
        tree.Selector,
        tree.Aggregate,
        tree.Compare,
        tree.Match,
        tree.Between,
        tree.In,
        tree.ListRef,
        tree.IsNull,
        tree.And,
        tree.Or,
        tree.Not,
        tree.Arithmetic,
        tree.Negate,
        tree.Call,
        tree.InSegment,
        tree.Named,
    )
}


def to_json(node: tree.Node) -> dict[str, Any]:
    """Return a tree as JSON; positions are left out."""
    found: dict[str, Any] = {"node": type(node).__name__}
    for one in fields(node):
        value = getattr(node, one.name)
        if one.name == "span" or (one.default is not MISSING and value == one.default):
            continue
        found[one.name] = _field_to_json(one.name, value)
    return found


def from_json(data: Any) -> tree.Node:
    """Return the tree of JSON.

    Raises:
        ExpressionError: the JSON is no tree, or a tree that has no text.
    """
    node = _from_json(data, "the tree", 0)
    try:
        text = format_expression(node)
        known = parse(text, in_where=_is_filter(node))
    except (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise _fault("the tree", f"it cannot be written as text ({error})") from None
    if known != node:
        raise _fault("the tree", f"as text it means something else: {text[:200]}")
    return known


def semantic_hash(node: tree.Node) -> str:
    """Hash a tree by what it means: commutative parts in any order hash alike.

    Example:
        >>> from tailorbird.language.parser import parse
        >>> semantic_hash(parse("true and 1 < 2")) == semantic_hash(parse("2 > 1 and true"))
        True
    """
    return hash_text("expression", _meaning(node))


def _meaning(node: tree.Node) -> str:
    match node:
        case tree.And() | tree.Or():
            # Saying a thing twice adds nothing.
            return _called(type(node).__name__, *sorted({_meaning(part) for part in node.parts}))
        case tree.Compare():
            sides = [_meaning(node.left), _meaning(node.right)]
            if node.op in (">", ">="):
                return _called("<" if node.op == ">" else "<=", *reversed(sides))
            return _called(node.op, *(sorted(sides) if node.op in ("=", "!=") else sides))
        case tree.In():
            options = sorted({_meaning(option) for option in node.options})
            return _called(f"In {node.is_negated}", _meaning(node.value), *options)
        case tree.Arithmetic() if node.op in "+*":
            return _called(node.op, *sorted((_meaning(node.left), _meaning(node.right))))
    inner = [
        _called(one.name, *map(_part_meaning, value if isinstance(value, tuple) else (value,)))
        for one in fields(node)
        if one.name != "span"
        for value in (getattr(node, one.name),)
    ]
    return _called(type(node).__name__, *inner)


def _part_meaning(value: Any) -> str:
    return _meaning(value) if isinstance(value, tree.Node) else repr(value)


def _called(name: str, *parts: str) -> str:
    return f"{name}({','.join(parts)})"


def _field_to_json(name: str, value: Any) -> Any:
    if isinstance(value, tree.Node):
        return to_json(value)
    if isinstance(value, tuple):
        return [to_json(item) if isinstance(item, tree.Node) else item for item in value]
    if isinstance(value, Duration):
        return format_duration(value)
    if name == "micros":
        return format_micros(value)
    if name == "scaled":
        number = unscaled(value)
        return str(number) if isinstance(number, Decimal) else number
    return value


def _from_json(data: Any, place: str, depth: int) -> tree.Node:
    if depth > 60:
        raise _fault(place, "it is nested more than 60 levels deep")
    if not isinstance(data, Mapping):
        raise _fault(place, f"an object was expected, found {type(data).__name__}")
    kind = KINDS.get(str(data.get("node")))
    if kind is None:
        raise _fault(
            place, f"`node` is {str(data.get('node'))[:40]!r}; known are {', '.join(KINDS)}"
        )
    names = {one.name for one in fields(kind)} - {"span"}
    unknown = sorted(set(map(str, data)) - names - {"node"})
    if unknown:
        raise _fault(place, f"`{unknown[0][:40]}` is no field of {kind.__name__}")
    values = {
        name: _field_from_json(kind, name, data[name], f"{place}.{name}", depth)
        for name in names
        if name in data
    }
    try:
        return kind(**values)
    except TypeError:
        needed = ", ".join(sorted(names))
        raise _fault(place, f"{kind.__name__} needs more of {needed}") from None


_TUPLES_OF_NODES = {
    ("Aggregate", "selectors"),
    ("In", "options"),
    ("And", "parts"),
    ("Or", "parts"),
    ("Call", "arguments"),
}
_TUPLES_OF_NAMES = {
    ("Path", "parts"),
    ("Property", "parts"),
    ("Selector", "path"),
    ("Aggregate", "by"),
}
_DURATIONS = ("duration", "within", "over", "after")
_NAMES = ("name", "event", "op", "kind", "root", "of")
_VALUES = {"Text": str, "Boolean": bool}


def _field_from_json(kind: type[tree.Node], name: str, value: Any, place: str, depth: int) -> Any:
    key = (kind.__name__, name)
    if key in _TUPLES_OF_NODES or key in _TUPLES_OF_NAMES:
        if not isinstance(value, (list, tuple)) or (not value and kind is not tree.Call):
            raise _fault(place, "a list with at least one item was expected")
        if key in _TUPLES_OF_NAMES:
            return tuple(_typed(item, str, place) for item in value)
        return tuple(
            _from_json(item, f"{place}[{index}]", depth + 1) for index, item in enumerate(value)
        )
    if name in _DURATIONS:
        return _duration(value, place)
    if name == "scaled":
        return _number(value, place)
    if name == "micros":
        return _instant(value, place)
    if name == "is_negated":
        return _typed(value, bool, place)
    if name in _NAMES:
        return _typed(value, str, place)
    if name == "value" and kind.__name__ in _VALUES:
        return _typed(value, _VALUES[kind.__name__], place)
    return _from_json(value, place, depth + 1)


def _typed(value: Any, kind: type, place: str) -> Any:
    if type(value) is not kind:
        raise _fault(place, f"{kind.__name__} was expected, found {type(value).__name__}")
    return value


def _duration(value: Any, place: str) -> Duration:
    tokens = lexer.tokenize(_typed(value, str, place))
    if len(tokens) != 2 or tokens[0].kind != lexer.DURATION:
        raise _fault(place, f"a duration was expected, found {value[:40]!r}; {lexer.DURATION_MEND}")
    found: Duration = tokens[0].value
    return found


def _number(value: Any, place: str) -> int:
    try:
        number = scaled(Decimal(value) if isinstance(value, str) else value)
    except InvalidOperation:
        number = None
    if number is None:
        raise _fault(place, f"a number was expected, found {str(value)[:40]!r}")
    return number


def _instant(value: Any, place: str) -> int:
    node = parse(f"timestamp('{_typed(value, str, place)}')") if "'" not in str(value) else None
    if not isinstance(node, tree.Instant):
        raise _fault(place, "an instant such as 2026-01-31T10:00:00Z was expected")
    return node.micros


def _is_filter(node: tree.Node) -> bool:
    """Say whether a tree stands behind `where`: it has properties outside of aggregates."""
    if isinstance(node, tree.Property):
        return True
    if isinstance(node, (tree.Aggregate, tree.Selector)):
        return False

    return any(_is_filter(child) for child in walk.children(node))


def _fault(place: str, what: str) -> ExpressionError:
    return ExpressionError(f"{place}: {what}", mend="Write the expression as text instead.")
