"""Changes of a person in words."""

from __future__ import annotations

from tailorbird.base.time import Duration
from tailorbird.language import tree
from tailorbird.language.fitting import NEGATED
from tailorbird.language.moves import Asked, Change, Move
from tailorbird.language.plain import to_plain
from tailorbird.language.printer import format_expression
from tailorbird.language.program import operands
from tailorbird.language.shape import FLIPPED

# What is told in words alone: nobody can say how likely it is.
COST_OF_WORDS = 50
_WORDS = {"contains": "contain", "like": "be like", "starts_with": "start with",
          "ends_with": "end with"}  # fmt: skip


def named(selector: tree.Selector, within: Duration | None = None) -> str:
    """Return an argument as it is written in a call."""
    one = tree.Aggregate(kind="any", selectors=(selector,), within=within)
    return f"`{format_expression(one).removeprefix('any(').removesuffix(')')}`"


def shown_span(span: Duration) -> str:
    """Write a duration."""
    return format_expression(tree.DurationValue(duration=span))


def count_of(
    more: int,
    node: tree.Aggregate,
    selector: tree.Selector,
    happens: Move | None,
    *,
    moves: tuple[Move, ...] = (),
    is_plain: bool = False,
) -> Change:
    """Return so many more events of an argument; `is_plain` leaves its window out."""
    within = None if is_plain else node.within
    is_plain_event = node.kind != "distinct" and not selector.path
    events = ((selector.event, more),) if is_plain_event else ()
    if node.kind == "distinct":
        text = f"{more} more different in `{format_expression(node)}`"
    else:
        text = f"{more} more {named(selector, within)}"
    moves = moves or ((happens,) if happens is not None else ())
    return Change(text=text, cost=more, events=events, moves=moves)


def in_words(node: tree.Node, asked: Asked, *, wanted: bool) -> Change:
    """Return what would have to be, with no way to it."""
    match node:
        case tree.Compare():
            op, value, limit = node.op, node.left, node.right
            if not any(operands(value)):
                op, value, limit = FLIPPED[op], limit, value
            if not any(operands(limit)):
                op = op if wanted else NEGATED[op]
                words = f"be {'' if op == '=' else op + ' '}{format_expression(limit)}"
                return of_value(value, words, asked)
        case tree.In():
            shown = ", ".join(format_expression(one) for one in node.options[:5])
            is_in = wanted != node.is_negated
            return of_value(node.value, f"be {'one of' if is_in else 'none of'} {shown}", asked)
        case tree.Path():
            return of_value(node, "be true" if wanted else "not be true", asked)
        case tree.Match():
            is_so = wanted != node.is_negated
            words = f"{'' if is_so else 'not '}{_WORDS[node.op]} {format_expression(node.right)}"
            return of_value(node.left, words, asked)
        case tree.Between():
            is_so = wanted != node.is_negated
            low, high = format_expression(node.low), format_expression(node.high)
            return of_value(node.value, f"{'' if is_so else 'not '}be {low} to {high}", asked)
        case tree.IsNull():
            is_missing = wanted != node.is_negated
            return of_value(node.value, "be missing" if is_missing else "be there", asked)
    values = ", ".join(
        f"`{format_expression(one)}` is {to_plain(asked.value(one))}"
        for one in dict.fromkeys(operands(node))
    )
    text = f"`{format_expression(node)}` would have to be {'true' if wanted else 'false'}"
    return Change(text=f"{text}; {values}" if values else text, cost=COST_OF_WORDS)


def of_value(value: tree.Node, words: str, asked: Asked) -> Change:
    """Return that a value would have to be another one."""
    now = to_plain(asked.value(value))
    shown = "missing" if now is None else repr(now) if isinstance(now, str) else str(now)
    text = f"`{format_expression(value)}` would have to {words}; it is {shown}"
    return Change(text=text, cost=COST_OF_WORDS)
