"""The reference of the language: complete, true, and measured."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from tailorbird.language import constructs, evaluate, evaluate_streaming, grammar, lexer, parser
from tailorbird.language.reference import CAPPED_COUNT, expressions_page, state_bytes

ALL = constructs.constructs()
EVENTS = [
    {"event": name, "timestamp": at, "properties": properties}
    for at, name, properties in constructs.EVENTS
]


def written(value: Any) -> str:
    """Write an answer as the language would."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    assert not isinstance(value, timedelta), "compare a duration, it has no form of its own"
    return str(value)


@pytest.mark.parametrize("by", [evaluate, evaluate_streaming])
@pytest.mark.parametrize("one", ALL, ids=lambda one: one.words)
def test_each_example_answers_what_the_page_prints(one: constructs.Construct, by: Any) -> None:
    answer = by(one.example, EVENTS, constructs.NOW, **constructs.GIVEN)
    assert written(answer) == one.answer


def test_no_construct_of_the_grammar_is_missing() -> None:
    explained = {word for one in ALL for word in one.words.split()}
    signs = {sign for sign in lexer._SIGNS if sign not in ("(", ")", ",", ".")}
    known = {
        *grammar.call_names(),
        *grammar.MODIFIERS,
        *grammar.ROOTS,
        *parser.RESERVED,
        *lexer._UNITS,
        *signs,
    }
    assert known - explained == set()
    assert explained - known == {"'", "%", "--"}


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.words)
def test_each_example_shows_the_words_that_it_explains(one: constructs.Construct) -> None:
    for word in one.words.split():
        pattern = rf"(?<![a-z]){re.escape(word)}(?![a-z=])"
        assert re.search(pattern, one.example), f"{one.example} shows no {word}"


def test_types_and_modifiers_are_those_of_the_grammar() -> None:
    gives = {word: one.gives for one in constructs.HISTORY for word in one.words.split()[:1]}
    for name, form in grammar.AGGREGATES.items():
        assert gives[name] == form.result
    gives = {one.words: one.gives for one in constructs.FUNCTIONS}
    assert gives == {name: form.result for name, form in grammar.FUNCTIONS.items()}


def test_state_is_measured_and_bounded() -> None:
    assert state_bytes("traits.city = 'New York'", 10) == 0
    few, many = (state_bytes("count(a within 30d) > 3", count) for count in (2, CAPPED_COUNT))
    assert 0 < few < many < 100  # four timestamps, whatever happens
    series = "distinct(product_viewed.category within 30d)"
    assert state_bytes(series, 1_000) == state_bytes(series, CAPPED_COUNT)


def test_every_row_of_the_page_tells_all() -> None:
    rows = [line for line in expressions_page().splitlines() if line.startswith("| `")]
    assert len(rows) == len(ALL) + len(grammar.AGGREGATES)
