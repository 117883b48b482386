"""Amounts in several currencies: adding them up says nothing.

What is money is told by the names of the Segment e-commerce spec. Converting happens before an
event is sent, into a property with a name of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from tailorbird.language import tree

AMOUNTS = frozenset(
    {
        "amount",
        "cart_total",
        "cost",
        "discount",
        "price",
        "refund",
        "revenue",
        "shipping",
        "subtotal",
        "tax",
        "total",
        "value",
    }
)
_MIXING = ("sum", "avg", "min", "max")


def fault_of(
    node: tree.Aggregate, selector: tree.Selector, currencies: Sequence[str]
) -> tuple[str, str] | None:
    """Return message and mend where amounts in several currencies are mixed, else None."""
    if len(currencies) < 2 or node.kind not in _MIXING:
        return None
    if not selector.path or selector.path[-1] not in AMOUNTS or _is_of_one(selector.where):
        return None
    amount = ".".join((selector.event, *selector.path))
    return (
        f"`{node.kind}({amount})` mixes amounts in {' and '.join(currencies)}",
        f"Say which is meant: {node.kind}({amount} where currency = '{currencies[0]}').",
    )


def _is_of_one(where: tree.Node | None) -> bool:
    match where:
        case tree.And(parts=parts):
            return any(map(_is_of_one, parts))
        case tree.Compare(op="=", left=left, right=right):
            return any(
                isinstance(one, tree.Property) and one.parts[-1] == "currency"
                for one in (left, right)
            )
    return False
