"""Canonical text, JSON trees, hashes by meaning, and what a tree refers to."""

from __future__ import annotations

import doctest
import importlib
from typing import Any

import pytest

from tailorbird.language import (
    ExpressionError,
    format_expression,
    from_json,
    parse,
    references,
    semantic_hash,
    to_json,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NOT (traits.a = 1)", "not (traits.a = 1)"),
        ("traits.a != 1", "traits.a != 1"),
        ("count(a within 48h) > .50", "count(a within 2d) > 0.5"),
        ("count('Product Viewed')>1", "count(product_viewed) > 1"),
        ("(1 + 2) * 3 - (4 - 5) > 0", "(1 + 2) * 3 - (4 - 5) > 0"),
        ("true and (false or true)", "true and (false or true)"),
        ("not not true", "not (not true)"),
        ("any(a where properties.within = 1)", "any(a where properties.within = 1)"),
        ("-(5) = - traits.x", "-(5) = -traits.x"),
        ("since(a) > 24mo", "since(a) > 2y"),
        ("traits.'a b' = 'it''s'", "traits.'a b' = 'it''s'"),
        ("hour( now() ) > 3", "hour(now) > 3"),
    ],
)
def test_canonical_text(text: str, expected: str) -> None:
    node = parse(text)
    assert parse(format_expression(node)) == node
    assert format_expression(node) == expected


def test_the_json_tree_can_be_read_by_people() -> None:
    assert to_json(parse("count(a where p > 2.5 within 24h) > 3")) == {
        "node": "Compare",
        "op": ">",
        "left": {
            "node": "Aggregate",
            "kind": "count",
            "selectors": [
                {
                    "node": "Selector",
                    "event": "a",
                    "where": {
                        "node": "Compare",
                        "op": ">",
                        "left": {"node": "Property", "parts": ["p"]},
                        "right": {"node": "Number", "scaled": 2.5},
                    },
                }
            ],
            "within": "1d",
        },
        "right": {"node": "Number", "scaled": 3},
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "an object was expected"),
        ({}, "`node` is 'None'"),
        ({"node": "Compare", "op": "="}, "Compare needs more of"),
        ({"node": "Number", "scaled": "many"}, "a number was expected"),
        ({"node": "Number", "scaled": 1, "more": 2}, "`more` is no field"),
        ({"node": "Text", "value": 5}, "str was expected"),
        ({"node": "Path", "root": "traits", "parts": []}, "at least one item"),
        ({"node": "Path", "root": "user", "parts": ["a"]}, "begins no path"),
        ({"node": "Instant", "micros": "soon"}, "not an instant"),
        ({"node": "DurationValue", "duration": "1 day"}, "has no unit|a duration was expected"),
        (
            {
                "node": "Compare",
                "op": "~",
                "left": {"node": "Number", "scaled": 1},
                "right": {"node": "Number", "scaled": 1},
            },
            "not part of the language",
        ),
        (
            {"node": "Aggregate", "kind": "x", "selectors": [{"node": "Selector", "event": "a"}]},
            "`x`",
        ),
    ],
)
def test_json_that_is_no_tree(data: Any, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        from_json(data)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("true and traits.a = 1", "1 = traits.a and true"),
        ("count(a) > 3", "3 < count(a)"),
        ("count('A')  >= 3 -- note", "3 <= count(a)"),
        ("traits.a in ('x', 'y')", "traits.a in ('y', 'x', 'x')"),
        ("count(a) + 1 > 2 or false", "false or 1 + count(a) > 2"),
    ],
)
def test_equal_meaning_has_equal_hash(one: str, other: str) -> None:
    assert semantic_hash(parse(one)) == semantic_hash(parse(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("not (traits.a = 1)", "traits.a != 1"),
        ("count(a) - 1 > 2", "1 - count(a) > 2"),
        ("followed(a, b)", "followed(b, a)"),
        ("count(a within 1d) > 1", "count(a within 2d) > 1"),
        ("traits.a = 1", "traits.a = '1'"),
        ("traits.a = true", "traits.a = 'true'"),
        ("count(a) > 3", "count(a) >= 3"),
    ],
)
def test_another_meaning_has_another_hash(one: str, other: str) -> None:
    assert semantic_hash(parse(one)) != semantic_hash(parse(other))


def test_references() -> None:
    found = references(
        parse(
            "in segment('vip') and score('s') > 1 and traits.city in list('cities')"
            " and any(order.products where sku = 1) and most(view where a.b = 1 by kind) > 1"
            " and prediction('p') > 1 and cluster('c') = 'x' and geo.region = 'y'"
        )
    )
    assert found.segments == {"vip"}
    assert found.scores == {"s"}
    assert found.lists == {"cities"}
    assert found.traits == {"city"}
    assert found.predictions == {"p"}
    assert found.clusters == {"c"}
    assert found.context == {("geo", "region")}
    assert found.events == {
        "order": {("products",), ("products", "sku")},
        "view": {("kind",), ("a", "b")},
    }


@pytest.mark.parametrize("name", ["api", "parser", "printer", "syntax_tree"])
def test_examples_in_docstrings_run(name: str) -> None:
    module = importlib.import_module(f"tailorbird.language.{name}")
    assert doctest.testmod(module).failed == 0
