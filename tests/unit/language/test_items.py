"""Items of lists that lie apart from their JSON: each text comes back to the letter."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given

from tailorbird.language.warehouse.items import BETWEEN, Item, cut, item_of, whole
from tailorbird.testing.odd_properties import properties as odd_properties


def parted(text: str) -> tuple[str, list[Item] | None]:
    rest, insides = cut(text)
    return rest, None if insides is None else list(map(item_of, insides.split(BETWEEN)))


def to_text(properties: Any) -> str:
    return msgspec.json.encode(properties).decode()


@given(odd_properties)
def test_every_text_comes_back_to_the_letter(properties: dict[str, Any]) -> None:
    text = to_text(properties)
    rest, items = parted(text)
    assert whole(rest, items) == text


@pytest.mark.parametrize(
    ("text", "rest", "items"),
    [
        (
            '{"id":"1","products":[{"sku":"a","quantity":3,"price":2.5},{"sku":"b"}],"n":2}',
            '{"id":"1","products":[{}],"n":2}',
            [Item('{"sku":"a","quantity":null,"price":2.5}', 3), Item('{"sku":"b"}', None)],
        ),
        ('{"p":[{}]}', '{"p":[{}]}', [Item("{}", None)]),
        ('{"p":[{"quantity":0}]}', '{"p":[{}]}', [Item('{"quantity":null}', 0)]),
        # Objects and plain lists within an item stay in it.
        (
            '{"p":[{"a":{"b":1},"t":["x"]},{"c":2}]}',
            '{"p":[{}]}',
            [Item('{"a":{"b":1},"t":["x"]}', None), Item('{"c":2}', None)],
        ),
        # The first list goes, the second one stays.
        ('{"p":[{"a":1}],"q":[{"b":2}]}', '{"p":[{}],"q":[{"b":2}]}', [Item('{"a":1}', None)]),
    ],
)
def test_items_are_json_of_their_own(text: str, rest: str, items: list[Item]) -> None:
    assert parted(text) == (rest, items)
    assert whole(rest, items) == text


@pytest.mark.parametrize("quantity", ["-1", "2.0", "1e3", "1000000000", "null", '"3"', "[3]"])
def test_other_quantities_stay_in_the_text(quantity: str) -> None:
    text = f'"sku":"a","quantity":{quantity}'
    assert item_of(text) == Item(f"{{{text}}}", None)


def test_an_item_with_two_quantities_is_left_as_it_is() -> None:
    text = '"quantity":1,"box":{"quantity":2}'
    assert item_of(text) == Item(f"{{{text}}}", None)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"tags":["a"],"n":1}',
        '{"p":[{"options":[{"a":1},{"b":2}]}]}',
        '{"p":[1,{"a":1}]}',
        # A mark of its own behind the list could not be told from ours.
        '{"p":[{"a":1}],"q":[{}]}',
    ],
)
def test_other_properties_stay_whole(text: str) -> None:
    assert parted(text) == (text, None)
