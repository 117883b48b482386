"""The published schema of the syntax tree says what reading and writing trees say."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailorbird.language import ExpressionError, grammar, parse, tree
from tailorbird.language.syntax_tree import from_json, to_json
from tailorbird.language.tree_schema import tree_schema, tree_schema_text
from tailorbird.testing import expressions

PUBLISHED = Path(__file__).parents[3] / "docs" / "reference" / "syntax-tree.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(tree_schema())


def nodes(data: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects of a tree."""
    if isinstance(data, dict):
        yield data
    for part in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from nodes(part)


def test_the_published_file_is_up_to_date() -> None:
    if os.environ.get("UPDATE_DOCS"):
        PUBLISHED.write_text(tree_schema_text(), encoding="utf-8")
    assert PUBLISHED.read_text(encoding="utf-8") == tree_schema_text(), (
        "renew it: UPDATE_DOCS=1 .venv/bin/pytest tests/unit/language/test_tree_schema.py"
    )
    jsonschema.Draft202012Validator.check_schema(tree_schema())


EXAMPLES = [
    *(form.example for form in grammar.AGGREGATES.values()),
    *(form.example for form in grammar.FUNCTIONS.values()),
    *(example for _, example in grammar.NAMED.values()),
    *grammar.OTHER_CALLS.values(),
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_each_construct_is_valid(text: str) -> None:
    VALIDATOR.validate(to_json(parse(text)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(node=expressions.expressions)
def test_any_tree_is_valid(node: tree.Node) -> None:
    VALIDATOR.validate(json.loads(json.dumps(to_json(node))))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(node=expressions.expressions, data=st.data())
def test_a_damaged_tree_is_refused_by_both(node: tree.Node, data: st.DataObject) -> None:
    broken = copy.deepcopy(to_json(node))
    one = data.draw(st.sampled_from(list(nodes(broken))))
    damage = data.draw(st.sampled_from(("unknown kind", "extra field", "field of a wrong type")))
    if damage == "unknown kind":
        one["node"] = "Guess"
    elif damage == "extra field":
        one["extra"] = 1
    else:
        one[data.draw(st.sampled_from(sorted(set(one) - {"node"})))] = {"never": "this"}
    assert not VALIDATOR.is_valid(broken)
    with pytest.raises(ExpressionError):
        from_json(broken)
