"""What people read when an expression is wrong, read aloud in tests/golden/language.

After a wanted change: TAILORBIRD_GOLDEN=write pytest tests/unit/language/test_error_texts.py
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tailorbird.language import ExpressionError, parse
from tailorbird.language.needs import PointsScore
from tailorbird.language.scope import Scope
from tailorbird.language.types import check

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "language"
MARK = "### "
SCOPE = Scope(
    place="segment",
    name="mine",
    segments={
        "vip": parse("count(order_completed) > 5"),
        "loop": parse("not in segment('loop')"),
        "dormant": parse("true"),
    },
    scores={
        "engagement": parse("count(order_completed)"),
        "fading": PointsScore(points=(), half_life=5),
        "slow": PointsScore(points=(), half_life=7),
    },
    lists={"cities": ()},
    predictions=("churn",),
    events={"order_completed": {"revenue": "number", "coupon": "string"}, "order_refunded": {}},
    traits={"city": "string", "a": "any", "seen": "any", "patience": "any"},
)


def syntax_text(expression: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        parse(expression)
    return str(caught.value)


def type_text(expression: str) -> str:
    _, problems = check(parse(expression), SCOPE, expression, expects="boolean")
    assert problems
    return "\n".join(problem.render() for problem in problems)


@pytest.mark.parametrize(
    ("name", "text_of"), [("syntax_errors.txt", syntax_text), ("type_errors.txt", type_text)]
)
def test_error_texts_are_as_read_aloud(name: str, text_of: Callable[[str], str]) -> None:
    path = GOLDEN / name
    blocks = path.read_text().removeprefix(MARK).split("\n\n" + MARK)
    expressions = [block.split("\n", 1)[0] for block in blocks]
    found = "\n\n".join(f"{MARK}{one}\n{text_of(one)}" for one in expressions) + "\n"
    if os.environ.get("TAILORBIRD_GOLDEN") == "write":
        path.write_text(found)
    assert found == path.read_text()


@pytest.mark.parametrize("name", ["syntax_errors.txt", "type_errors.txt"])
def test_every_error_has_a_mend(name: str) -> None:
    for block in (GOLDEN / name).read_text().split("\n\n" + MARK):
        assert block.splitlines()[-1].startswith("  "), block
        assert not block.splitlines()[-1].lstrip().startswith("^"), block
