"""Texts become trees; what is not an expression is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailorbird.base.numbers import SCALE
from tailorbird.base.time import DAY, Duration
from tailorbird.language import ExpressionError, parse, tree
from tailorbird.language.lexer import LENGTH_MAX
from tailorbird.language.parser import DEPTH_MAX
from tailorbird.language.printer import format_expression

EXAMPLES = (
    (Path(__file__).resolve().parents[2] / "golden" / "language" / "examples.txt")
    .read_text()
    .splitlines()
)


def number(value: int) -> tree.Number:
    return tree.Number(scaled=value * SCALE)


def prop(*parts: str) -> tree.Property:
    return tree.Property(parts=parts)


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_of_the_design_is_read(text: str) -> None:
    node = parse(text)
    assert parse(format_expression(node)) == node


def test_where_binds_to_its_argument_and_within_to_the_call() -> None:
    node = parse("count(product_viewed where category = 'shoes' within 24h) > 3")
    where = tree.Compare(op="=", left=prop("category"), right=tree.Text(value="shoes"))
    selector = tree.Selector(event="product_viewed", where=where)
    count = tree.Aggregate(kind="count", selectors=(selector,), within=Duration(micros=DAY))
    assert node == tree.Compare(op=">", left=count, right=number(3))


def test_modifiers_come_in_any_order() -> None:
    first = parse("abandoned(cart_added, order_completed after 30m by cart_id over 30d)")
    second = parse("abandoned(cart_added, order_completed over 30d after 30m by cart_id)")
    assert first == second


@pytest.mark.parametrize(
    ("text", "micros", "months"),
    [
        ("30s", 30_000_000, 0),
        ("15m", 900_000_000, 0),
        ("24h", DAY, 0),
        ("7d", 7 * DAY, 0),
        ("2w", 14 * DAY, 0),
        ("6mo", 0, 6),
        ("1y", 0, 12),
    ],
)
def test_durations(text: str, micros: int, months: int) -> None:
    assert parse(text) == tree.DurationValue(duration=Duration(months=months, micros=micros))


@pytest.mark.parametrize(
    ("text", "scaled"),
    [
        ("1000", 1000 * SCALE),
        ("2.5", 2_500_000_000),
        (".5", 500_000_000),
        ("50%", 500_000_000),
        ("-3", -3 * SCALE),
        ("0.1234567895", 123_456_790),
        ("12.5%", 125_000_000),
    ],
)
def test_numbers_are_decimals_of_nine_places(text: str, scaled: int) -> None:
    assert parse(text) == tree.Number(scaled=scaled)


@pytest.mark.parametrize(
    "text",
    [
        "COUNT(order_completed WITHIN 7d) > 5 AND NOT traits.vip",
        "count(order_completed within 7d)>5 and not traits.vip",
        "count ( order_completed\n\twithin 7d ) > 5 -- a comment\nand not traits.vip",
        "count('Order Completed' within 1w) > 5.0 and (not (traits.vip))",
        "count(OrderCompleted within 7d) > 5 and not traits.vip --",
    ],
)
def test_spellings_of_one_expression(text: str) -> None:
    assert format_expression(parse(text)) == (
        "count(order_completed within 7d) > 5 and not traits.vip"
    )


def test_a_comment_needs_white_space_before_it() -> None:
    assert parse("-- first\n5 -- last") == number(5)
    assert parse("5--3") == tree.Arithmetic(op="-", left=number(5), right=number(-3))


def test_precedence() -> None:
    node = parse("not traits.a = 1 or true and 1 + 2 * 3 = 7")
    assert isinstance(node, tree.Or)
    assert isinstance(node.parts[0], tree.Not)
    assert isinstance(node.parts[1], tree.And)
    total = tree.Arithmetic(op="*", left=number(2), right=number(3))
    left = tree.Arithmetic(op="+", left=number(1), right=total)
    assert node.parts[1].parts[1] == tree.Compare(op="=", left=left, right=number(7))


def test_joined_conditions_are_flat() -> None:
    node = parse("true and (false and true) and true")
    assert isinstance(node, tree.And)
    assert len(node.parts) == 4


def test_names_may_look_like_keywords() -> None:
    node = parse(
        "count(where where by = 1 and within is null and not = 2 and true.x = 3 within 7d) > 1"
    )
    assert isinstance(node, tree.Compare)
    assert isinstance(node.left, tree.Aggregate)
    selector = node.left.selectors[0]
    assert selector.event == "where"
    assert isinstance(selector.where, tree.And)
    names = [part.left for part in selector.where.parts if isinstance(part, tree.Compare)]
    assert names == [prop("by"), prop("not"), prop("true", "x")]
    assert selector.where.parts[1] == tree.IsNull(value=prop("within"))
    assert parse("traits.where.and = 1 and context.in.not is null")
    assert parse("any(count within 7d) and none(within within 7d)")
    assert parse("most(a by by within 7d) > 1")


def test_properties_may_be_written_out() -> None:
    assert parse("properties.price > 1", in_where=True) == parse("price > 1", in_where=True)
    assert parse("sum(a.properties.price)") == parse("sum(a.price)")
    node = parse("properties.properties.price > 1", in_where=True)
    assert isinstance(node, tree.Compare)
    assert node.left == prop("properties", "price")


def test_path_parts_may_be_quoted() -> None:
    assert parse("traits.'First name'") == tree.Path(root="traits", parts=("First name",))


def test_negations_stay_apart() -> None:
    assert parse("not in segment('x')") == tree.Not(part=tree.InSegment(name="x"))
    path = tree.Path(root="traits", parts=("a",))
    assert parse("traits.a not in (1)") == tree.In(
        value=path, options=(number(1),), is_negated=True
    )
    assert parse("not traits.a in (1)") == tree.Not(part=tree.In(value=path, options=(number(1),)))
    assert parse("traits.a is not null") == tree.IsNull(value=path, is_negated=True)
    for word, op in (("starts with", "starts_with"), ("contains", "contains"), ("like", "like")):
        text = tree.Text(value="x")
        assert parse(f"traits.a not {word} 'x'") == tree.Match(
            op=op, left=path, right=text, is_negated=True
        )


def test_texts_are_composed_and_quotes_doubled() -> None:
    assert parse("'rock ''n'' roll'") == tree.Text(value="rock 'n' roll")
    assert parse("'e\u0301'") == tree.Text(value="\u00e9")


def test_instants() -> None:
    assert parse("timestamp('2026-01-31')") == parse("timestamp('2026-01-31T00:00:00Z')")
    assert parse("timestamp('2026-01-31T01:00:00+01:00')") == parse("timestamp('2026-01-31')")


def test_spans_point_into_the_text() -> None:
    text = "true and  count(order_completed) > 3"
    node = parse(text)
    assert isinstance(node, tree.And)
    compare = node.parts[1]
    assert isinstance(compare, tree.Compare)
    assert text[slice(*compare.span)] == "count(order_completed) > 3"
    assert text[slice(*compare.left.span)] == "count(order_completed)"


def test_an_error_tells_line_and_column() -> None:
    text = "true\nand count(a\n  withing 7d) > 3"
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    error = caught.value
    assert (error.line, error.column, error.length) == (3, 3, 7)
    assert error.text == text
    problem = error.problem("segments/x.yaml")
    assert (problem.file, problem.line, problem.column) == ("segments/x.yaml", 3, 3)
    assert problem.excerpt == "  withing 7d) > 3"


@pytest.mark.parametrize("text", ["", "   ", "-- nothing"])
def test_an_empty_text_is_an_error(text: str) -> None:
    with pytest.raises(ExpressionError, match="empty"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5_000,
        "not " * 4_000 + "true",
        "- " * 5_000 + "1",
        "1" + "+1" * 9_000,
        "(" * 500 + "1" + ")" * 500,
        "lower(" * 3_000,
        "count(a where " * 1_000,
        "1*(" * 3_000,
        "((((1" + "+1" * 40 + ")" + "+1" * 40 + ")" + "+1" * 40 + ") > 1)",
    ],
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match=f"more than {DEPTH_MAX} levels|does not see"):
        parse(text)


def test_long_texts_are_refused_and_wide_ones_are_not() -> None:
    with pytest.raises(ExpressionError, match="characters"):
        parse("true and " * LENGTH_MAX + "true")
    wide = parse(" and ".join(["traits.a = 1"] * 1_100))
    assert isinstance(wide, tree.And)
    assert len(wide.parts) == 1_100
    options = parse(f"traits.a in ({', '.join(['1'] * 5_000)})")
    assert isinstance(options, tree.In)
