"""What people read about conditions whose answer is known beforehand; and no false alarm."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailorbird.language import evaluate, parse, tree
from tailorbird.language.doubts import find_doubts
from tailorbird.language.errors import ExpressionError
from tailorbird.language.printer import format_expression
from tailorbird.testing import expressions
from tailorbird.workspace.loader import parse_workspace

JOIN = "  Join the two with `or`, or change one of them."
REACH = "  Compare it with a value that it can reach."


def said(text: str) -> list[str]:
    return [problem.render() for problem in find_doubts(parse(text), text)]


@pytest.mark.parametrize(
    ("text", "message", "under", "mend"),
    [
        (
            "traits.x > 5 and traits.x < 3",
            "this can never hold together with `traits.x > 5`",
            "traits.x < 3",
            JOIN,
        ),
        (
            "count(a) < 0",
            "this can never hold: `count` is never less than 0",
            "count(a) < 0",
            REACH,
        ),
        (
            "count(a) >= 0",
            "this always holds: `count(a)` is never less than 0",
            "count(a) >= 0",
            "  Take it away, or compare it with more than 0.",
        ),
        (
            "since(e) > 30d and any(e within 7d)",
            "this can never hold together with `since(e) > 30d`",
            "any(e within 7d)",
            JOIN,
        ),
        (
            "any(e within 7d) and none(e within 7d)",
            "this can never hold together with `any(e within 7d)`",
            "none(e within 7d)",
            JOIN,
        ),
        (
            "traits.city = 'Rome' and traits.city in ('Oslo', 'Bonn')",
            "this can never hold together with `traits.city = 'Rome'`",
            "traits.city in ('Oslo', 'Bonn')",
            JOIN,
        ),
        (
            "traits.x between 9 and 5",
            "this can never hold: the lower end lies above the upper one",
            "traits.x between 9 and 5",
            REACH,
        ),
        (
            "hour(now) > 23",
            "this can never hold: `hour` goes from 0 to 23",
            "hour(now) > 23",
            REACH,
        ),
        (
            "any(a where p > 5 and p < 3)",
            "this can never hold together with `p > 5`",
            "p < 3",
            JOIN,
        ),
        (
            "any(a) or not any(a)",
            "one of this and `any(a)` always holds",
            "not any(a)",
            "  Take both away, or join them with `and`.",
        ),
        (
            "count(a within 30d) >= 1000",
            (
                "`count(a within 30d)` meets its cap: for this the latest 1,001 events of each"
                " person are kept, where 1,000 are usual"
            ),
            "count(a within 30d) >= 1000",
            "  Ask for fewer. Or leave `within` away: a count of all events is one number.",
        ),
        (
            "any(b) and distinct(a.x) between 2 and 5000",
            (
                "`distinct(a.x)` meets its cap: for this the latest 5,001 events of each person"
                " are kept, where 1,000 are usual"
            ),
            "distinct(a.x) between 2 and 5000",
            "  Ask for fewer.",
        ),
        (
            "count(a within 7d) + count(b within 7d) > 2500",
            (
                "this can never hold: a count inside a calculation looks at the latest 1,000 events"
                " at most, so this goes from 0 to 2,000"
            ),
            "count(a within 7d) + count(b within 7d) > 2500",
            REACH,
        ),
        (
            "hour(now) * 2 > 50",
            "this can never hold: this goes from 0 to 46",
            "hour(now) * 2 > 50",
            REACH,
        ),
    ],
)
def test_each_doubt_is_told(text: str, message: str, under: str, mend: str) -> None:
    column = text.index(under)
    caret = " " * (4 + column) + "^" * len(under)
    assert said(text) == [f"1:{column + 1}  {message}\n    {text}\n{caret}\n{mend}"]


@pytest.mark.parametrize(
    "text",
    [
        "traits.x > 3 and traits.x < 5",
        "traits.x >= 5 and traits.x <= 5",
        "count(a) > 0",
        "since(e) > 7d and any(e within 30d)",
        "since(e where p = 1) > 30d and none(e where p = 2 within 7d)",
        "any(a where p = 1 within 7d) and none(a where p = 2 within 7d)",
        "traits.x > 5 or traits.x < 3",
        "since(e) > 1mo and since(e) < 20d",
        "count(a within 30d) > 999",
        "count(a) > 5000",
        "count(a within 30d) / 2 >= 500",
        "count(a.items within 30d) / 2 > 600",
        "count(a within 30d) / count(b within 30d) > 5000",
        "count(a) / 3 > 5000",
    ],
)
def test_what_can_hold_is_left_in_peace(text: str) -> None:
    assert said(text) == []


SEGMENTS = {
    name: parse(text)
    for name, text in {
        "big": "traits.amount > 5",
        "round": "in segment('about') and traits.city = 'Rome'",
        "about": "in segment('round') and traits.n > 3",
        "dead": "traits.n > 3 and traits.n < 1",
    }.items()
}


@pytest.mark.parametrize(
    ("text", "message", "under"),
    [
        (
            "in segment('big') and traits.amount < 3",
            (
                "this can never hold together with `in segment('big')`, which asks for"
                " `traits.amount > 5`"
            ),
            "traits.amount < 3",
        ),
        (
            "traits.amount < 3 and in segment('big')",
            "`traits.amount > 5` of this can never hold together with `traits.amount < 3`",
            "in segment('big')",
        ),
        (
            "in segment('round') and traits.n < 2",
            (
                "this can never hold together with `in segment('round')`, which asks for"
                " `traits.n > 3`"
            ),
            "traits.n < 2",
        ),
        (
            "not in segment('big') and traits.amount > 5",
            (
                "this can never hold together with `not in segment('big')`, which asks for"
                " `not (traits.amount > 5)`"
            ),
            "traits.amount > 5",
        ),
    ],
)
def test_a_doubt_follows_a_segment(text: str, message: str, under: str) -> None:
    (found,) = find_doubts(parse(text), text, SEGMENTS)
    assert found.message == message
    assert (found.column, found.length) == (text.index(under) + 1, len(under))


@pytest.mark.parametrize(
    "text",
    [
        "in segment('big') and traits.amount < 8",
        "in segment('big') or traits.amount < 3",
        "in segment('dead') and any(q)",  # told at the segment itself
        "in segment('gone') and any(q)",
        "in segment('round') and in segment('about')",
    ],
)
def test_a_segment_that_can_hold_is_left_in_peace(text: str) -> None:
    assert find_doubts(parse(text), text, SEGMENTS) == []


def test_a_chain_of_segments_is_followed_within_bounds() -> None:
    chain = {f"s{n}": parse(f"in segment('s{n + 1}') and traits.n > {n}") for n in range(5_000)}
    text = "in segment('s0') and traits.n < 3"
    assert len(find_doubts(parse(text), text, chain)) == 1
    text = "in segment('s0') and traits.n < -3 and in segment('s1')"
    assert len(find_doubts(parse(text), text, chain)) == 1


def test_a_workspace_follows_its_segments() -> None:
    workspace, problems = parse_workspace(
        {
            "segments/a.yaml": "when: traits.x > 5\n",
            "segments/b.yaml": "when: in segment('a') and traits.x < 3\n",
        }
    )
    assert workspace is not None
    (problem,) = problems
    assert (problem.file, problem.column, problem.severity) == ("segments/b.yaml", 27, "warning")


def test_a_workspace_warns_at_the_place_in_the_file() -> None:
    workspace, problems = parse_workspace(
        {"segments/a.yaml": "when: any(a) and traits.x > 5\n  and traits.x < 3\n"}
    )
    assert workspace is not None
    (problem,) = problems
    assert (problem.line, problem.column, problem.severity) == (2, 7, "warning")
    assert problem.message == "this can never hold together with `traits.x > 5`"


TRAITS = st.fixed_dictionaries(
    {}, optional={"n": st.integers(-1, 4), "city": st.sampled_from(("Rome", "Oslo", "x"))}
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=st.lists(expressions.conditions, min_size=2, max_size=3), traits=TRAITS)
def test_what_is_said_to_hold_never_does_not_hold(parts: list[tree.Node], traits: object) -> None:
    node = expressions.conjunction(parts)
    text = format_expression(node)
    whole = parse(text)
    if not isinstance(whole, tree.And):
        return
    told = find_doubts(whole, text)
    own = [part.span for part in whole.parts]
    hits = [one for one in told if (one.column - 1, one.column - 1 + one.length) in own]
    if any(one.message.startswith("this can never hold") for one in hits):
        events = [{"event": "a", "timestamp": "2026-01-01", "properties": {"p": 1}}]
        given_too = {
            "traits": traits,
            "segments": expressions.SEGMENTS,
            "scores": expressions.SCORES,
            "interests": expressions.INTERESTS,
            "lists": expressions.LISTS,
        }
        try:
            found = evaluate(text, events, "2026-01-01T12:00:00Z", **given_too)  # type: ignore[arg-type]
        except ExpressionError:
            return  # an interest is a text, and these expressions compare it with anything
        assert found is not True
