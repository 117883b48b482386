"""How the lake keeps the items of a list, such as the products of an order: apart from the JSON.

Of a file with many orders most bytes tell again what its products are. So the first list of objects
among the properties lies in a column of its own, `items`, where equal items are one word of the
file's dictionary: their texts, but for the quantity, which differs from order to order. In its
place `properties` keeps the mark `[{}]`. Only texts are cut and joined: every one of them comes
back to the letter, whatever it means. `preludes/duckdb.sql` reads a list where it lies, and puts
everything together (`tb_whole`) as `whole` does.
"""

from __future__ import annotations

from typing import NamedTuple

COLUMN = "items"
# As DuckDB spells the column's type.
KIND = "STRUCT(item VARCHAR, quantity INTEGER)[]"
BETWEEN = "},{"
_LIST, _END = '":[{', "}]"
_MARK = _LIST + _END
_QUANTITY, _NONE = '"quantity":', "null"
_DIGITS_MAX = 9  # of which any number fits into 32 bits


class Item(NamedTuple):
    """An item as JSON; where there is a quantity, the JSON says null in its place."""

    item: str
    quantity: int | None


def cut(properties: str) -> tuple[str, str | None]:
    """Cut the first list of objects out of the JSON of properties.

    Returns:
        The JSON with a mark in the list's place, and the insides of the objects with `BETWEEN`
        between them; or all of it and None where there is no such list, or its items hold lists
        of objects themselves.
    """
    start = properties.find(_LIST) + len(_LIST)
    end = properties.rfind(_END)
    if start < len(_LIST) or end < start:
        return properties, None
    # One character is found ten times as fast as two: most lists are the only one.
    if properties.find("[", start, end) >= 0:
        end = properties.find(_END, start)
        if properties.find("[{", start, end) >= 0 or properties.find(_MARK, end) >= 0:
            return properties, None
    # The mark is the only one: it holds the first `_LIST`, and no other is behind it.
    return properties[:start] + properties[end:], properties[start:end]


def item_of(inside: str) -> Item:
    """Part the inside of an object from its quantity."""
    head, name, rest = inside.partition(_QUANTITY)
    number, comma, tail = rest.partition(",")
    if not number.isdecimal() or len(number) > _DIGITS_MAX or _QUANTITY in tail:
        return Item(f"{{{inside}}}", None)
    return Item(f"{{{head}{name}{_NONE}{comma}{tail}}}", int(number))


def whole(properties: str, items: list[Item] | None) -> str:
    """Return the JSON of properties as it was before it was cut."""
    if items is None:
        return properties
    written = (
        one.item
        if one.quantity is None
        else one.item.replace(_QUANTITY + _NONE, f"{_QUANTITY}{one.quantity}")
        for one in items
    )
    return properties.replace(_MARK, f'":[{",".join(written)}]')
