"""A question that looks further back than history is held says so."""

from __future__ import annotations

import pytest

from tailorbird.base.time import parse_micros
from tailorbird.language.parser import parse
from tailorbird.services.question import beyond

NOW = parse_micros("2026-03-01T12:00:00Z")


@pytest.mark.parametrize(
    ("text", "looks_beyond"),
    [
        ("any(viewed within 59d)", False),
        ("any(viewed within 60d)", True),
        ("any(viewed)", True),
        ("any(viewed within 3d) and count(bought) > 3", True),
        ("abandoned(cart, bought after 1h over 7d)", False),
        ("abandoned(cart, bought after 1h over 300d)", True),
        ("traits.country = 'CH'", False),
    ],
)
def test_a_longer_window_is_told(text: str, *, looks_beyond: bool) -> None:
    told = beyond(parse(text), "2026-01-01", NOW)
    assert bool(told) == looks_beyond
    if told:
        assert "2026-01-01" in told[0]
        assert "keep_days" in told[0]


def test_where_all_is_held_nothing_is_said() -> None:
    assert beyond(parse("any(viewed)"), "", NOW) == []
