"""`fmt` changes the spelling of expressions and nothing else, once and for all."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailorbird.language import parse, tree
from tailorbird.language.printer import format_expression, format_lines
from tailorbird.language.syntax_tree import semantic_hash
from tailorbird.testing import expressions
from tailorbird.workspace.formatting import WIDTH, format_definition

LONG = " and ".join(f"count(order_completed where total > {n} within 30d) > {n}" for n in range(4))


def formatted(text: str, path: str = "segments/a.yaml") -> str:
    found = format_definition(path, text)
    assert not found.problems, found.problems
    assert format_definition(path, found.text).text == found.text
    return found.text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "# top\nwhen:   COUNT( a )>3   # why\ntitle:  'T'\n",
            "# top\nwhen:   count(a) > 3   # why\ntitle:  'T'\n",
        ),
        ("when: 'traits.city=''Rome'''\n", "when: 'traits.city = ''Rome'''\n"),
        ('when: "any( a )"\n', 'when: "any(a)"\n'),
        (
            "when: >\n  any(a)\n     AND any(b)\n\n# end\ntitle: T\n",
            "when: >\n  any(a) and any(b)\n\n# end\ntitle: T\n",
        ),
        ("when: >-  # why\n    any( a )\n", "when: >-  # why\n  any(a)\n"),
        ("{when: any( a ), title: T}\n", "{when: any(a), title: T}\n"),
        ("when: any(a)\n  and any(b)", "when: any(a) and any(b)"),
    ],
)
def test_only_the_spelling_changes(before: str, after: str) -> None:
    assert formatted(before) == after


def test_a_long_condition_becomes_a_block() -> None:
    text = formatted(f"when: {LONG}\ntitle: T\n")
    lines = text.splitlines()
    assert lines[0] == "when: >-"
    assert lines[1] == "  count(order_completed where total > 0 within 30d) > 0"
    assert lines[2] == "  and count(order_completed where total > 1 within 30d) > 1"
    assert lines[-1] == "title: T"
    assert parse(yaml.safe_load(text)["when"]) == parse(LONG)


def test_a_comment_of_yaml_keeps_a_long_condition_on_its_line() -> None:
    text = f"when: {LONG}  # why\n"
    assert formatted(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("when: |\n  ANY(a) -- bought\n  and any(b)\n", "the expression holds a comment"),
        ("when: &x ANY(a)\n", "the expression has an anchor or a tag"),
    ],
)
def test_what_would_be_lost_is_left_and_named(text: str, message: str) -> None:
    found = format_definition("segments/a.yaml", text)
    assert found.text == text
    (problem,) = found.problems
    assert problem.severity == "warning"
    assert message in problem.message


def test_a_file_with_errors_is_left() -> None:
    found = format_definition("segments/a.yaml", "when: COUNT(a) >\n")
    assert found.text == "when: COUNT(a) >\n"
    assert [problem.severity for problem in found.problems] == ["error"]


def test_journeys_and_points_are_formatted() -> None:
    score = "points:\n  - event: a\n    points: 3\n    where: total>5\n"
    assert formatted(score, "scores/s.yaml") == score.replace("total>5", "total > 5")
    journey = (
        "enter:\n  event: a\n  where: event.x=1\nexit: ANY(b)\nsteps:\n"
        "  - id: ask\n    if: ANY(c)\n    then:\n      - id: mail\n        send: hello\n"
    )
    after = formatted(journey, "journeys/j.yaml")
    changed = journey.replace("event.x=1", "event.x = 1")
    assert after == changed.replace("ANY", "any")


def styled(text: str, style: str) -> str:
    """Write a definition with a comment around an expression in a style of YAML."""
    dumped = yaml.dump({"when": text}, default_style=style or None, width=40, allow_unicode=True)
    return f"# before\ntitle: T  # here\n{dumped}# after\n"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(node=expressions.conditions, style=st.sampled_from(("", "'", '"', "|", ">")))
def test_meaning_stays_and_formatting_twice_is_formatting_once(node: tree.Node, style: str) -> None:
    before = styled(format_expression(node).replace(" and ", "   AND "), style)
    after = formatted(before)
    assert after.startswith("# before\ntitle: T  # here\n")
    assert after.endswith("# after\n")
    kept = parse(yaml.safe_load(after)["when"])
    assert kept == node
    assert semantic_hash(kept) == semantic_hash(node)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(node=expressions.expressions, width=st.integers(1, WIDTH))
def test_broken_lines_say_the_same(node: tree.Node, width: int) -> None:
    assert parse("\n".join(format_lines(node, width))) == node


SOURCE = """\
kind: redis
url: redis://localhost
stream: shop  # of the till
when:   test=FALSE
map:
  event:  "'Order Completed'"
  user_id: customer.id
  timestamp:   COALESCE( paid_at,created_at )
  properties:
    total: lines.total*1.2
    "a b": LOWER( coupon )
    coupon: coupon
"""


def test_the_expressions_of_a_source_are_formatted_and_its_paths_are_left() -> None:
    changes = {
        "test=FALSE": "test = false",
        "COALESCE( paid_at,created_at )": "coalesce(paid_at, created_at)",
        "lines.total*1.2": "lines.total * 1.2",
        "LOWER( coupon )": "lower(coupon)",
    }
    wanted = SOURCE
    for before, after in changes.items():
        wanted = wanted.replace(before, after)
    assert formatted(SOURCE, "sources/till.yaml") == wanted


def test_a_source_with_errors_is_left() -> None:
    text = SOURCE.replace("customer.id", "lower(")
    found = format_definition("sources/till.yaml", text)
    assert found.text == text
    assert any(one.severity == "error" and one.line == 7 for one in found.problems)
