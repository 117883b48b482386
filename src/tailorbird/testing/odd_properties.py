"""A Hypothesis strategy of properties whose texts look like the ends and beginnings of lists."""

from __future__ import annotations

from hypothesis import strategies as st

_names = st.sampled_from(["quantity", "name", "a", "products", '"quantity":null', "}]", "},{"])
_leaves = (
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False)
    | st.sampled_from(['":[{', '":[{}]', "}]", "},{", "[{", '"quantity":3,', "[", "'", "\\"])
    | st.text(max_size=4)
)  # fmt: skip
_values = st.recursive(
    _leaves, lambda one: st.lists(one, max_size=3) | st.dictionaries(_names, one, max_size=3)
)
_items = st.lists(st.dictionaries(_names, _values, max_size=4), max_size=4)
properties = st.dictionaries(_names, _items | _values, max_size=4)
