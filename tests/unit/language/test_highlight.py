"""The Pygments lexer: total, without loss, and as complete as the grammar."""

from __future__ import annotations

import time
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pygments.token import Comment, Error, Keyword, Literal, Name, Number, Operator, String

from tailorbird.language import grammar, tree
from tailorbird.language.highlight import TailorbirdLexer
from tailorbird.language.lexer import FAULT, pieces
from tailorbird.language.parser import RESERVED
from tailorbird.language.printer import format_expression
from tailorbird.testing import expressions

LEXER = TailorbirdLexer()


def kinds(text: str) -> list[tuple[object, str]]:
    return [(kind, part) for kind, part in LEXER.get_tokens(text) if part.strip()]


def test_each_word_has_its_kind() -> None:
    text = "COUNT(a.b where x starts with 'y' within 7d) > .5 and traits.in = null -- why"
    found = {part: kind for kind, part in kinds(text)}
    assert found["COUNT"] is Name.Function
    assert found["b"] is found["in"] is Name.Attribute
    assert found["where"] is found["within"] is Keyword
    assert found["starts"] is found["with"] is found["and"] is Operator.Word
    assert found["'y'"] is String.Single
    assert found["7d"] is Literal.Date
    assert found[".5"] is Number
    assert found["traits"] is Name.Builtin
    assert found["null"] is Keyword.Constant
    assert found["-- why"] is Comment.Single


@pytest.mark.parametrize("name", grammar.call_names())
def test_each_call_of_the_grammar_is_coloured(name: str) -> None:
    assert kinds(f"{name}(x)")[0] == (Name.Function, name)


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_no_reserved_word_looks_like_a_name(word: str) -> None:
    assert kinds(word)[0][0] not in Name


def test_faults_are_marked() -> None:
    assert (Error, "&&") in kinds("any(a) && any(b)")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.text("ab'-. \n#\u20285d%(", max_size=60))
def test_any_text_is_cut_without_loss(text: str) -> None:
    found = list(LEXER.get_tokens_unprocessed(text))
    assert "".join(part for _, _, part in found) == text
    assert all(text.startswith(part, at) for at, _, part in found)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(node=expressions.expressions)
def test_a_valid_expression_has_no_error(node: tree.Node) -> None:
    assert all(kind is not Error for kind, _ in LEXER.get_tokens(format_expression(node)))


def test_it_is_registered() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    place = project["entry-points"]["pygments.lexers"]["tailorbird"]
    assert EntryPoint("tailorbird", place, "pygments.lexers").load() is TailorbirdLexer


def test_a_text_full_of_faults_is_cut_in_linear_time() -> None:
    text = "$" * 100_000
    started = time.perf_counter()
    assert sum(piece.kind == FAULT for piece in pieces(text)) == len(text)
    # A second or two; it was most of a minute when each fault counted the lines before it.
    assert time.perf_counter() - started < 10
