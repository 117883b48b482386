"""Numbers of the language: what a float is as a scaled integer."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from tailorbird.base.numbers import LIMIT, PLACES, scaled

EXACT = Context(prec=400, rounding=ROUND_HALF_EVEN)
FLOATS = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(-2e6, 2e6)
    | st.builds(lambda n, places: n / 10**places, st.integers(0, 10**15), st.integers(0, 15))
    | st.builds(lambda n: (2 * n + 1) * 5e-10, st.integers(-(10**9), 10**9))
)  # fmt: skip


@given(FLOATS)
@example(2.55)
@example(-0.0)
@example(5e-10)
@example(1.5e-9)
@example(999_999.999_999_999)
@example(1e6)
@example(0.1 + 0.2)
def test_a_float_is_the_shortest_decimal_that_names_it(value: float) -> None:
    exact = Decimal(repr(value)).scaleb(PLACES, EXACT)
    number = int(exact.to_integral_value(ROUND_HALF_EVEN))
    assert scaled(value) == (number if abs(number) <= LIMIT else None)
