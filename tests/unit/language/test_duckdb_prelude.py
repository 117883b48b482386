"""The functions by which DuckDB reads JSON, beside how the language reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorbird.base.numbers import PLACES, scaled
from tailorbird.language.values import lookup
from tailorbird.language.warehouse.engines import DUCKDB

# As many places as texts hold that are cast at once, a few more, and exponents.
NUMBERS = (
    st.integers(-(10**13), 10**13)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.builds(lambda n, places: n / 10**places, st.integers(-(10**9), 10**9), st.integers(0, 14))
    | st.builds(lambda n: (2 * n + 1) * 5e-10, st.integers(-(10**6), 10**6))
)
SHORT = [0, -1, 0.1, 5e-10, 1.5e-9, 2.5e-9, 1e-10, 1e12, 1.1e12, 0.00000001, 9999999999, 1e-5]
VALUES: list[Any] = [
    {"n": 1}, {"m": 1}, [], [{"n": 1}, {"n": [2, None]}, 3, None, [{"n": 4}]], "x", None,
    [{"n": None}, {"n": {"n": 5}}], {"n": [1]}, [{"n": 1}, {"m": 2}, {"n": 3}], [{"n": [[1], 2]}],
]  # fmt: skip


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(DUCKDB.prelude())
        yield connection


def asked(duck: duckdb.DuckDBPyConnection, of: str, values: list[Any]) -> list[Any]:
    texts = [json.dumps({"v": one}) for one in values]
    rows = duck.execute(
        f"SELECT {of} FROM (SELECT tb_get(unnest(?)::JSON, 'v') AS v)", [texts]
    ).fetchall()
    return [row[0] for row in rows]


@settings(deadline=None)
@given(st.lists(NUMBERS, max_size=50))
def test_numbers_are_rounded_half_even_however_long_they_are(
    duck: duckdb.DuckDBPyConnection, numbers: list[float]
) -> None:
    numbers += SHORT
    found = asked(duck, "tb_number(v)", numbers)
    assert [None if one is None else int(Decimal(one).scaleb(PLACES)) for one in found] == list(
        map(scaled, numbers)
    )


def test_values_are_told_by_how_they_begin(duck: duckdb.DuckDBPyConnection) -> None:
    values = ["1", "-", "true", "null", "", "[1]", 1, -1.5, True, False, [1], {}, None]
    of_type = {
        "tb_text(v)": [one if type(one) is str else None for one in values],
        "tb_truth(v)": [one if type(one) is bool else None for one in values],
        "tb_number(v)": [
            Decimal(str(one)) if type(one) in (int, float) else None for one in values
        ],
        "tb_items(v)": ["[1]" if type(one) is list else None for one in values],
        "tb_is_value(v)": [one is not None for one in values],
    }
    for of, expected in of_type.items():
        assert asked(duck, of, values) == expected, of


def test_a_path_leads_through_lists_as_in_the_oracle(duck: duckdb.DuckDBPyConnection) -> None:
    found = asked(duck, "tb_at(v, 'n')", VALUES)
    assert [None if one is None else json.loads(one) for one in found] == [
        lookup(one, ("n",)) for one in VALUES
    ]
