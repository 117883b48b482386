"""Laws of the written forms, and that no text whatever breaks the parser."""

from __future__ import annotations

import json
from pathlib import Path
from time import process_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailorbird.language import ExpressionError, parse, tree
from tailorbird.language.grammar import call_names
from tailorbird.language.lexer import LENGTH_MAX
from tailorbird.language.parser import RESERVED
from tailorbird.language.printer import format_expression
from tailorbird.language.scope import Scope
from tailorbird.language.syntax_tree import from_json, semantic_hash, to_json
from tailorbird.language.types import check
from tailorbird.testing import expressions

EXAMPLES = (
    (Path(__file__).resolve().parents[1] / "golden" / "language" / "examples.txt")
    .read_text()
    .splitlines()
)
PIECES = (
    *sorted(RESERVED),
    *call_names(),
    *("traits.", "context", "event.", "geo.x", "now", "properties.", "a", "b", "'x'", "'", "''"),
    *("1", "2.5", "50%", ".", "5d", "6mo", "30D", "1e9", "(", ")", ",", "+", "-", "--", "*", "/"),
    *(
        "=",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "!",
        "==",
        '"',
        "%",
        "\n",
        "\u00e9",
        "\u0130",
        "\ud800",
        "_",
    ),
)
SECONDS_PER_KILOBYTE_MAX = 0.1


def attempt(text: str) -> tuple[tree.Node | None, ExpressionError | None]:
    try:
        return parse(text), None
    except ExpressionError as error:
        return None, error


def read(text: str) -> None:
    """Read a text; only an ExpressionError may come out, in time."""
    started = process_time()
    node, error = attempt(text)
    if error is not None:
        assert error.message
        assert error.line >= 1
        assert error.column >= 1
        assert str(error)
    if node is not None:
        assert parse(format_expression(node)) == node
        check(node, Scope(), text)
    limit = SECONDS_PER_KILOBYTE_MAX * (1 + len(text) / 1_000)
    # One slow run may be the machine's; the second one is ours.
    if process_time() - started > limit:
        started = process_time()
        attempt(text)
        assert process_time() - started < limit


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    read(text)


@settings(max_examples=1_000, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25), st.sampled_from(("", " ")))
def test_any_sequence_of_words_is_read_or_refused(pieces: list[str], gap: str) -> None:
    read(gap.join(pieces))


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(EXAMPLES),
    st.integers(0, 120),
    st.integers(0, 5),
    st.sampled_from((*PIECES, "")),
)
def test_a_damaged_example_is_read_or_refused(text: str, at: int, cut: int, piece: str) -> None:
    read(text[:at] + piece + text[at + cut :])


@pytest.mark.parametrize("piece", PIECES)
def test_long_repetitions_are_read_or_refused_in_time(piece: str) -> None:
    for gap in ("", " "):
        read((piece + gap) * ((LENGTH_MAX - 10) // len(piece + gap)))
        read("count(a where " + (piece + gap) * 2_000)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(node=expressions.expressions)
def test_print_and_parse_are_inverse(node: tree.Node) -> None:
    text = format_expression(node)
    assert parse(text) == node
    assert format_expression(parse(text)) == text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(node=expressions.expressions)
def test_the_json_tree_loses_nothing(node: tree.Node) -> None:
    assert from_json(json.loads(json.dumps(to_json(node)))) == node


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=st.lists(expressions.conditions, min_size=2, max_size=3), order=st.randoms())
def test_the_order_of_commutative_parts_does_not_change_the_hash(
    parts: list[tree.Node], order: object
) -> None:
    shuffled = list(parts)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    for join in (expressions.conjunction, expressions.disjunction):
        assert semantic_hash(join(parts)) == semantic_hash(join(shuffled))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(node=expressions.conditions, value=expressions.numeric)
def test_types_of_generated_expressions(node: tree.Node, value: tree.Node) -> None:
    scope = Scope(
        place="journey",
        segments=expressions.SEGMENTS,
        scores=expressions.SCORES,
        lists=expressions.LISTS,
    )
    assert check(node, scope, format_expression(node))[0] == "boolean"
    kind, problems = check(value, scope, format_expression(value), expects="number")
    assert kind in ("number", "any")
    assert problems == []
