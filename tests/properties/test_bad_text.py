"""No text, however long, deep or strange, breaks the parser or keeps it busy.

`test_language_text` holds the laws of texts that mean something; here are those that mean harm.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from time import process_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailorbird.language import ExpressionError, Scope, check, parse, tree
from tailorbird.language.grammar import call_names
from tailorbird.language.lexer import LENGTH_MAX
from tailorbird.language.parser import RESERVED

SECONDS_PER_KILOBYTE_MAX = 0.1
SECONDS_MIN = 0.05
_SETTINGS = settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
SCOPE = Scope(
    events={"order_completed": {"revenue": "number"}},
    traits={"city": "string"},
    segments={},
    scores={},
    lists=(),
)

NUL, BELL, LONE_HIGH, LONE_LOW = "\x00", "\x07", "\ud83d", "\udc00"
BIDI = "\u202e\u2066\u2069\u200f\u061c"
JOINERS = "\u200d\ufeff\u00ad\u0301\u0301\u0301"
ODD = (NUL, BELL, LONE_HIGH, LONE_LOW, BIDI, JOINERS, "\u2028", "\x85", "\u00a0", "\U000e0001")
# Letters whose case or normal form changes their length; digits that are no ASCII digits.
CASES = ("\u0130", "\ufb03", "\u00df", "\ufdfa", "\u0661", "\u00b2", "\u2167", "\U0001d7d8")
TOKENS = (
    *sorted(RESERVED),
    *call_names(),
    *("order_completed", "traits.city", "event.x", "context", "geo.", "now", "'a'", "''", "'"),
    *("1", "0.5", "50%", "1e309", "24h", "6mo", "9" * 40, "9" * 40 + "y", "30 days", "5D"),
    *("(", ")", "[", "]", ",", ".", "..", "+", "-", "--", "*", "/", "%", "\\", "\n", "\t"),
    *("=", "==", "!=", "<", "<=", ">", ">=", "<>", "!", "&&", "|", "#", ";", "`", '"'),
    *ODD,
    *CASES,
)


def seconds_of(work: Callable[[], object]) -> float:
    """Return the CPU time of some work; a slow first run may be the machine's, so it has two."""
    taken = []
    for _ in range(2):
        started = process_time()
        work()
        taken.append(process_time() - started)
        if taken[0] < SECONDS_MIN:
            break
    return min(taken)


def read(text: str, *, in_where: bool) -> tuple[tree.Node | None, ExpressionError | None]:
    """Parse; anything but an `ExpressionError` goes through and fails the test."""
    try:
        return parse(text, in_where=in_where), None
    except ExpressionError as error:
        return None, error


def survive(text: str) -> None:
    """Read a text as a condition and as a filter, and check it: one kind of error, in time."""

    def attempt() -> None:
        for in_where in (False, True):
            node, error = read(text, in_where=in_where)
            if node is not None:
                for problem in check(node, SCOPE, text)[1]:
                    assert len(problem.render()) < 2_000
            if error is not None:
                assert error.message
                assert error.line >= 1
                assert error.column >= 1
                # What people see stays short, whatever they sent, and can be written out.
                assert len(str(error)) < 2_000
                str(error).encode("utf-8", "backslashreplace")

    size = len(text.encode("utf-8", "surrogatepass"))
    # Two readings and the checks of types stay within what one reading may take.
    assert seconds_of(attempt) < max(SECONDS_MIN, SECONDS_PER_KILOBYTE_MAX * size / 1_000)


@settings(_SETTINGS)
@given(st.text(st.characters(), max_size=300))
def test_any_unicode(text: str) -> None:
    survive(text)


@settings(_SETTINGS)
@given(
    words=st.lists(st.sampled_from(TOKENS), max_size=80),
    between=st.sampled_from(["", " ", "  \n", "\u00a0"]),
)
def test_soup_of_tokens(words: list[str], between: str) -> None:
    survive(between.join(words))


@settings(_SETTINGS)
@given(
    before=st.sampled_from(["count(", "count(a where ", "", "in (", "any('", "a."]),
    middle=st.text(max_size=40),
    after=st.sampled_from([") > 3", " within 1d)", "')", "", " between 1 and 2", " like '%"]),
)
def test_strange_text_in_a_sensible_place(before: str, middle: str, after: str) -> None:
    survive(before + middle + after)


@pytest.mark.parametrize("seed", range(20))
def test_long_soup_of_tokens(seed: int) -> None:
    draw = random.Random(seed)
    survive(" ".join(draw.choice(TOKENS) for _ in range(draw.choice((500, 3_000, 40_000)))))


LONG = (1_000, LENGTH_MAX - 200, 1_000_000)
REPEATED = {
    "parentheses": "(",
    "closing": ")",
    "brackets": "[",
    "not": "not ",
    "minus": "-",
    "minus spaced": "- ",
    "calls": "count(",
    "functions": "lower(",
    "coalesce": "coalesce(1,",
    "where": "count(a where ",
    "in lists": "in (",
    "dots": ".a",
    "quotes": "'",
    "percent": "%",
    "digits": "9",
    "point": "1.",
    "comments": " --",
    "newlines": "\n",
    "commas": ",",
    "letters": "a",
    "near a keyword": "withi",
    "units": "1d",
    "nul": NUL,
    "surrogates": LONE_HIGH,
    "bidi": BIDI,
    "joiners": JOINERS,
    "capital i with dot": "\u0130",
    "growing under NFC": "\u0958",
    "arabic digits": "\u0661",
}


@pytest.mark.parametrize("length", LONG)
@pytest.mark.parametrize("piece", REPEATED.values(), ids=REPEATED)
def test_one_piece_again_and_again(piece: str, length: int) -> None:
    many = piece * (length // len(piece))
    survive(many)
    survive(f"count(a) > 1 and {many}")
    survive(f"'{many}'")
    survive(f"traits.city like '{many}%{many[:500]}'")


@pytest.mark.parametrize(
    "text",
    [
        "traits.{} = 1",
        "count({}) > 1",
        "sum(order_completed.{}) > 1",
        "count(order_completed where {} = 1) > 1",
        "in segment('{}')",
        "score('{}') > 1",
        "traits.city in list('{}')",
        "traits.city > 'x' + '{}'",
        "lower({}(1)) = 'a'",
        "{}.a = 1",
    ],
)
def test_long_names(text: str) -> None:
    for letter in ("a", "order_completed_", "\u00e9\u0301"):
        survive(text.format(letter * 100))
        survive(text.format(letter * (19_000 // len(letter))))


@pytest.mark.parametrize("depth", [10, 50, 61, 1_000, 9_000])
@pytest.mark.parametrize(
    ("opening", "heart", "closing"),
    [
        ("(", "true", ")"),
        ("not (", "true", ")"),
        ("not ", "true", ""),
        ("-", "1", ""),
        ("-(", "1", ")"),
        ("1 + (", "1", ")"),
        ("lower(", "traits.city", ")"),
        ("coalesce(1, ", "2", ")"),
        ("true and (", "true", ")"),
        ("a.", "a", ""),
        ("1 between ", "1", " and 2"),
    ],
)
def test_depth(opening: str, heart: str, closing: str, depth: int) -> None:
    survive(opening * depth + heart + closing * depth)


@pytest.mark.parametrize("word", ["and", "or", "+", "-", "*", "=", "like", "and not"])
@pytest.mark.parametrize("part", ["true", "1", "count(a) > 1", "traits.city = 'x'"])
def test_long_chains(part: str, word: str) -> None:
    for length in (500, LENGTH_MAX - 100, 200_000):
        survive(f" {word} ".join([part] * (length // (len(part) + len(word) + 2))))


def test_a_long_chain_is_read_whole() -> None:
    text = " and ".join(["traits.n > 1"] * 1_000)
    node = parse(text)
    assert len(node.parts) == 1_000  # type: ignore[attr-defined]  # it is an And


@pytest.mark.parametrize("digits", [1, 12, 13, 18, 40, 5_000, 19_000, 900_000])
@pytest.mark.parametrize(
    "form", ["{}", "{}d", "{}mo", "0.{}", "{}%", "{}.5y", "-{}", "1e{}", ".{}"]
)
def test_huge_numbers_and_durations(form: str, digits: int) -> None:
    number = form.format("9" * digits)
    survive(number)
    survive(f"count(a within {number}) > {number}")


@pytest.mark.parametrize("odd", [*ODD, *CASES])
@pytest.mark.parametrize(
    "place", ["{}", "count({})", "count('{}') > 1", "traits.{} = 1", "traits.city = '{}'", "1{}"]
)
def test_odd_characters_in_each_place(place: str, odd: str) -> None:
    survive(place.format(odd))
    survive(place.format(odd * 3_000))


def test_lone_surrogates_are_refused_wherever_they_stand() -> None:
    for text in (f"traits.city = '{LONE_HIGH}'", f"count('{LONE_LOW}x') > 1", f"a{LONE_HIGH}"):
        with pytest.raises(ExpressionError):
            parse(text)
