"""Writes a tree as canonical text: `parse(format_expression(tree)) == tree`.

Written forms keep their meaning apart: `not (a = b)` is never turned into `a != b`, since only the
first is true where a value is missing.
"""

from __future__ import annotations

import re

from tailorbird.base.names import snake_case
from tailorbird.base.numbers import PLACES, SCALE
from tailorbird.base.time import DAY, MICROSECONDS, Duration, format_micros
from tailorbird.language import tree
from tailorbird.language.parser import AND as AND_POWER
from tailorbird.language.parser import COMPARISON, LOOSEST, NOT, OR, PRODUCT, RESERVED, SUM

_NAME = re.compile(r"[^\W\d]\w*")
_UNITS = (("d", DAY), ("h", 3_600 * MICROSECONDS), ("m", 60 * MICROSECONDS), ("s", MICROSECONDS))
_ATOM = PRODUCT + 1


def format_expression(node: tree.Node) -> str:
    """Write an expression on one line.

    Example:
        >>> from tailorbird.language.parser import parse
        >>> format_expression(parse("COUNT( 'Order Completed'  within 48h )>.5"))
        'count(order_completed within 2d) > 0.5'
    """
    return _text(node, LOOSEST)


def format_lines(node: tree.Node, width: int) -> list[str]:
    """Write an expression on as few lines as `width` characters allow, broken before and/or.

    What holds no `and` or `or` at its top stays on one line, however long.

    Example:
        >>> from tailorbird.language.parser import parse
        >>> format_lines(parse("any(a) and (any(b) or any(c))"), 16)
        ['any(a)', 'and (', '  any(b)', '  or any(c)', ')']
    """
    whole = format_expression(node)
    if len(whole) <= width or not isinstance(node, (tree.And, tree.Or)):
        return [whole]
    word, power = ("and", AND_POWER) if isinstance(node, tree.And) else ("or", OR)
    lines: list[str] = []
    for part in node.parts:
        start = f"{word} " if lines else ""
        written = start + _text(part, power)
        is_open = isinstance(part, (tree.And, tree.Or)) and _written(part)[1] <= power
        if len(written) <= width or not isinstance(part, (tree.And, tree.Or)):
            lines.append(written)
        elif is_open:
            inner = format_lines(part, max(width - 2, 1))
            lines += [f"{start}(", *(f"  {line}" for line in inner), ")"]
        else:
            # `and` within `or` needs no parentheses: what belongs together is indented.
            first, *rest = format_lines(part, max(width - len(start), 1))
            lines += [start + first, *(f"  {line}" for line in rest)]
    return lines


def format_duration(duration: Duration) -> str:
    """Write a duration of whole seconds in its largest whole unit.

    Example:
        >>> format_duration(Duration(months=24)), format_duration(Duration(micros=5_400_000_000))
        ('2y', '90m')
    """
    if duration.months:
        years, months = divmod(duration.months, 12)
        return f"{duration.months}mo" if months else f"{years}y"
    for unit, size in _UNITS:
        if duration.micros % size == 0 and duration.micros:
            return f"{duration.micros // size}{unit}"
    return "0s"


def format_number(scaled: int) -> str:
    """Write a scaled number without trailing zeros."""
    sign, number = ("-", -scaled) if scaled < 0 else ("", scaled)
    whole, rest = divmod(number, SCALE)
    fraction = f".{rest:0{PLACES}d}".rstrip("0") if rest else ""
    return f"{sign}{whole}{fraction}"


def quoted(text: str) -> str:
    """Write a text in single quotes."""
    return "'" + text.replace("'", "''") + "'"


def _text(node: tree.Node, power: int) -> str:
    """Write a node where only what binds stronger than `power` may stand without parentheses."""
    written, binding = _written(node)
    return written if binding > power else f"({written})"


def _written(node: tree.Node) -> tuple[str, int]:
    match node:
        case tree.Or():
            return " or ".join(_text(part, OR) for part in node.parts), OR
        case tree.And():
            return " and ".join(_text(part, AND_POWER) for part in node.parts), AND_POWER
        case tree.Not():
            return f"not {_text(node.part, COMPARISON)}", NOT
        case tree.Arithmetic():
            binding = SUM if node.op in "+-" else PRODUCT
            left, right = _text(node.left, binding - 1), _text(node.right, binding)
            return f"{left} {node.op} {right}", binding
        case tree.Negate():
            # A number behind the sign would be read as a negative number.
            inner = _text(node.value, PRODUCT)
            is_bare = isinstance(node.value, (tree.Number, tree.Negate))
            return f"-({inner})" if is_bare else f"-{inner}", _ATOM
    comparison = _comparison(node)
    return (comparison, COMPARISON) if comparison else (_atom(node), _ATOM)


def _comparison(node: tree.Node) -> str | None:
    match node:
        case tree.Compare():
            return f"{_text(node.left, COMPARISON)} {node.op} {_text(node.right, COMPARISON)}"
        case tree.Match():
            word = node.op.replace("_", " ")
            left, right = _text(node.left, COMPARISON), _text(node.right, COMPARISON)
            return f"{left} {_negation(node.is_negated)}{word} {right}"
        case tree.Between():
            value, low, high = (_text(one, COMPARISON) for one in (node.value, node.low, node.high))
            return f"{value} {_negation(node.is_negated)}between {low} and {high}"
        case tree.In():
            value = _text(node.value, COMPARISON)
            if isinstance(node.options[0], tree.ListRef):
                options = _atom(node.options[0])
            else:
                options = f"({', '.join(_atom(option) for option in node.options)})"
            return f"{value} {_negation(node.is_negated)}in {options}"
        case tree.IsNull():
            return f"{_text(node.value, COMPARISON)} is {_negation(node.is_negated)}null"
    return None


def _negation(is_negated: bool) -> str:
    return "not " if is_negated else ""


def _atom(node: tree.Node) -> str:
    match node:
        case tree.Number():
            return format_number(node.scaled)
        case tree.Text():
            return quoted(node.value)
        case tree.Boolean():
            return "true" if node.value else "false"
        case tree.DurationValue():
            return format_duration(node.duration)
        case tree.Instant():
            text = format_micros(node.micros)
            return f"timestamp('{text[:10] if node.micros % DAY == 0 else text}')"
        case tree.Path():
            return ".".join((node.root, *map(_part, node.parts)))
        case tree.Property():
            return _property(node.parts)
        case tree.ListRef():
            return f"list({quoted(node.name)})"
        case tree.InSegment():
            return f"in segment({quoted(node.name)})"
        case tree.Named():
            value = f", {quoted(node.of)}" if node.of else ""
            return f"{node.kind}({quoted(node.name)}{value})"
        case tree.Call():
            if node.name == "now":
                return "now"
            return f"{node.name}({', '.join(_text(one, LOOSEST) for one in node.arguments)})"
        case tree.Aggregate():
            return _aggregate(node)
    raise AssertionError(f"{type(node).__name__} has no text of its own")


def _aggregate(node: tree.Aggregate) -> str:
    parts = [", ".join(_selector(selector) for selector in node.selectors)]
    if node.by:
        parts.append(f"by {_property(node.by)}")
    for word, duration in (("within", node.within), ("after", node.after), ("over", node.over)):
        if duration is not None:
            parts.append(f"{word} {format_duration(duration)}")
    return f"{node.kind}({' '.join(parts)})"


def _selector(node: tree.Selector) -> str:
    event = node.event
    is_plain = _NAME.fullmatch(event) is not None and snake_case(event) == event
    written = ".".join((event if is_plain else quoted(event), *map(_part, node.path)))
    if node.path and node.path[0] == "properties":
        written = written.replace(".properties", ".properties.properties", 1)
    return written if node.where is None else f"{written} where {_text(node.where, LOOSEST)}"


def _property(parts: tuple[str, ...]) -> str:
    head = parts[0]
    is_plain = (
        _NAME.fullmatch(head) is not None
        and head.lower() not in RESERVED
        and head not in ("traits", "event", "properties")
    )
    written = ".".join(map(_part, parts))
    return written if is_plain else f"properties.{written}"


def _part(name: str) -> str:
    return name if _NAME.fullmatch(name) else quoted(name)
