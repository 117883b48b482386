"""Hypothesis strategies of random well-typed expressions over a small world.

The world: events a, b, c with properties p (mostly numbers), q (mostly texts), xs (a list) and
items (a list of objects with k and n); traits n, city, tags, home, born; the segments, scores and
lists of `SEGMENTS`, `SCORES`, `LISTS`. Small domains make equal values, boundaries and ties likely.
The durations meet the gaps of `histories`.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tailorbird.base.numbers import SCALE
from tailorbird.base.time import DAY, Duration
from tailorbird.language import tree
from tailorbird.language.needs import PointsScore
from tailorbird.language.parser import parse

EVENTS = ("a", "b", "c")
TEXTS = ("x", "y", "xy")
CITIES = ("Rome", "Oslo")

SEGMENTS = {
    "busy": parse("count(a within 1d) >= 2"),
    "lapsed": parse("since(a) > 1mo or none(b within 3d)"),
    "nested": parse("in segment('busy') and not in segment('lapsed')"),
}
HALF_LIFE = DAY
SCORES: dict[str, tree.Node | PointsScore] = {
    "fading": PointsScore(
        points=(
            ("a", 5 * SCALE, None),
            ("b", 2 * SCALE, parse("p >= 1", in_where=True)),
            ("c", -SCALE, None),
        ),
        half_life=HALF_LIFE,
    ),
    "kept": PointsScore(points=(("a", 2 * SCALE, None), ("b", -SCALE, None)), half_life=None),
    "sum": parse("count(a within 3d) * 2 + sum(b.p)"),
}
LISTS = {"cities": ("Rome", "Bonn"), "empty": ()}

SPANS = (
    Duration(micros=10_000_000),
    Duration(micros=3_600_000_000),
    Duration(micros=DAY),
    Duration(micros=3 * DAY),
    Duration(months=1),
    Duration(months=2),
)
EXACT_SPANS = tuple(span for span in SPANS if not span.months)

ORDERED = ("<", "<=", ">", ">=")
COMPARISONS = ("=", "!=", *ORDERED)

events = st.sampled_from(EVENTS)
spans = st.sampled_from(SPANS)
windows = st.none() | spans
texts = st.sampled_from(TEXTS).map(lambda value: tree.Text(value=value))
numbers = st.sampled_from((0, 1, 2, 3, -1)).map(lambda n: tree.Number(scaled=n * SCALE)) | (
    st.sampled_from((500_000_000, 333_333_333, 1_500_000_000)).map(lambda n: tree.Number(scaled=n))
)
value_paths = st.sampled_from((("p",), ("q",), ("xs",), ("items", "n"), ("items", "k")))
key_paths = st.sampled_from((("p",), ("q",), ("xs",), ("items", "k")))


# --- filters -----------------------------------------------------------------------------------


def _property(*parts: str) -> tree.Property:
    return tree.Property(parts=parts)


def _tests_of(
    numeric: Sequence[tree.Node], textual: Sequence[tree.Node]
) -> st.SearchStrategy[tree.Node]:
    """Conditions over some numbers and texts (which at run time may be anything)."""
    number, text = st.sampled_from(numeric), st.sampled_from(textual)
    values = st.sampled_from((*numeric, *textual))
    return st.one_of(
        st.builds(
            lambda op, left, right: tree.Compare(op=op, left=left, right=right),
            st.sampled_from(COMPARISONS),
            number,
            numbers,
        ),
        st.builds(
            lambda op, left, right: tree.Compare(op=op, left=left, right=right),
            st.sampled_from(COMPARISONS),
            text,
            texts | text,
        ),
        st.builds(
            lambda value, low, high, negated: tree.Between(
                value=value, low=low, high=high, is_negated=negated
            ),
            number,
            numbers,
            numbers | number,
            st.booleans(),
        ),
        st.builds(
            lambda value, options, negated: tree.In(
                value=value, options=tuple(options), is_negated=negated
            ),
            values,
            st.lists(numbers | texts, min_size=1, max_size=3),
            st.booleans(),
        ),
        st.builds(
            lambda value, name, negated: tree.In(
                value=value, options=(tree.ListRef(name=name),), is_negated=negated
            ),
            text,
            st.sampled_from(sorted(LISTS)),
            st.booleans(),
        ),
        st.builds(
            lambda op, left, right, negated: tree.Match(
                op=op, left=left, right=right, is_negated=negated
            ),
            st.sampled_from(("like", "contains", "starts_with", "ends_with")),
            text,
            st.sampled_from(("x", "%y", "_", "xy", "")).map(lambda value: tree.Text(value=value)),
            st.booleans(),
        ),
        st.builds(
            lambda value, negated: tree.IsNull(value=value, is_negated=negated),
            values,
            st.booleans(),
        ),
        st.builds(
            lambda value: tree.Compare(
                op="=",
                left=tree.Call(name="lower", arguments=(value,)),
                right=tree.Text(value="x"),
            ),
            text,
        ),
        st.builds(
            lambda value, op, other: tree.Compare(
                op=op, left=tree.Call(name="length", arguments=(value,)), right=other
            ),
            text,
            st.sampled_from(ORDERED),
            numbers,
        ),
    )


def _joined(conditions: st.SearchStrategy[tree.Node]) -> st.SearchStrategy[tree.Node]:
    return st.one_of(
        st.builds(conjunction, st.lists(conditions, min_size=2, max_size=3)),
        st.builds(disjunction, st.lists(conditions, min_size=2, max_size=3)),
        st.builds(lambda part: tree.Not(part=part), conditions),
    )


def conjunction(parts: Sequence[tree.Node]) -> tree.Node:
    """Join conditions by `and`, flat as the parser does."""
    flat = [
        one for part in parts for one in (part.parts if isinstance(part, tree.And) else (part,))
    ]
    return tree.And(parts=tuple(flat))


def disjunction(parts: Sequence[tree.Node]) -> tree.Node:
    """Join conditions by `or`, flat as the parser does."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, tree.Or) else (part,))]
    return tree.Or(parts=tuple(flat))


event_filters = st.recursive(
    _tests_of(
        (_property("p"), _property("items", "n")),
        (_property("q"), _property("xs"), _property("items", "k"), _property("context", "os")),
    ),
    _joined,
    max_leaves=3,
)
item_filters = st.recursive(_tests_of((_property("n"),), (_property("k"),)), _joined, max_leaves=3)


# --- aggregates --------------------------------------------------------------------------------


@st.composite
def selectors(
    draw: st.DrawFn, path: tuple[str, ...] = (), *, is_item: bool = False
) -> tree.Selector:
    """Draw an argument of an aggregate."""
    filters = item_filters if is_item else event_filters
    where = draw(st.none() | st.none() | filters)
    return tree.Selector(event=draw(events), path=path, where=where)


@st.composite
def counts(draw: st.DrawFn, kinds: tuple[str, ...]) -> tree.Aggregate:
    """Draw one of count, any, none; of events or of items."""
    is_item = draw(st.sampled_from((False, False, True)))
    path = draw(st.sampled_from((("items",), ("xs",)))) if is_item else ()
    selector = draw(selectors(path, is_item=is_item))
    return tree.Aggregate(
        kind=draw(st.sampled_from(kinds)), selectors=(selector,), within=draw(windows)
    )


@st.composite
def of_values(draw: st.DrawFn, kinds: tuple[str, ...]) -> tree.Aggregate:
    """Draw an aggregate of a property's values."""
    selector = draw(selectors(draw(value_paths)))
    return tree.Aggregate(
        kind=draw(st.sampled_from(kinds)), selectors=(selector,), within=draw(windows)
    )


@st.composite
def mosts(draw: st.DrawFn) -> tree.Aggregate:
    """Draw `most(e by p)`."""
    return tree.Aggregate(
        kind="most",
        selectors=(draw(selectors()),),
        by=draw(key_paths),
        within=draw(windows),
    )


@st.composite
def rates(draw: st.DrawFn) -> tree.Aggregate:
    """Draw `rate(a, b)`."""
    return tree.Aggregate(
        kind="rate", selectors=(draw(selectors()), draw(selectors())), within=draw(windows)
    )


@st.composite
def chains(draw: st.DrawFn) -> tree.Aggregate:
    """Draw one of abandoned, followed, sequence."""
    kind = draw(st.sampled_from(("abandoned", "abandoned", "followed", "sequence")))
    size = draw(st.integers(2, 3)) if kind == "sequence" else 2
    return tree.Aggregate(
        kind=kind,
        selectors=tuple(draw(selectors()) for _ in range(size)),
        by=draw(st.just(()) | key_paths),
        within=None if kind == "abandoned" else draw(windows),
        after=draw(spans) if kind == "abandoned" else None,
        over=draw(windows),
    )


@st.composite
def sinces(draw: st.DrawFn) -> tree.Node:
    """Draw a comparison of `since` with a duration, also as a sum or between two."""
    since = tree.Aggregate(kind="since", selectors=(draw(selectors()),), within=draw(windows))
    shape = draw(st.sampled_from(("plain", "plain", "plain", "flipped", "between", "shifted")))
    op = draw(st.sampled_from(COMPARISONS))
    if shape == "shifted":
        shifts = st.sampled_from(EXACT_SPANS).map(lambda span: tree.DurationValue(duration=span))
        left = tree.Arithmetic(op=draw(st.sampled_from("+-")), left=since, right=draw(shifts))
        return tree.Compare(op=op, left=left, right=draw(shifts))
    first, second = (tree.DurationValue(duration=draw(spans)) for _ in range(2))
    if shape == "between":
        return tree.Between(value=since, low=first, high=second, is_negated=draw(st.booleans()))
    if shape == "flipped":
        return tree.Compare(op=op, left=first, right=since)
    return tree.Compare(op=op, left=since, right=first)


# --- whole expressions -------------------------------------------------------------------------

_TRAITS_NUMERIC = (tree.Path(root="traits", parts=("n",)),)
_TRAITS_TEXTUAL = (
    tree.Path(root="traits", parts=("city",)),
    tree.Path(root="traits", parts=("tags",)),
    tree.Path(root="traits", parts=("home", "city")),
    tree.Path(root="context", parts=("os",)),
    tree.Path(root="geo", parts=("region",)),
)

numeric_leaves: st.SearchStrategy[tree.Node] = st.one_of(
    counts(("count",)),
    of_values(("sum", "avg", "min", "max", "distinct")),
    mosts(),
    rates(),
    st.sampled_from(_TRAITS_NUMERIC),
    st.sampled_from(("kept", "sum")).map(lambda name: tree.Named(kind="score", name=name)),
)


def _arithmetic(values: st.SearchStrategy[tree.Node]) -> st.SearchStrategy[tree.Node]:
    return st.one_of(
        st.builds(
            lambda op, left, right: tree.Arithmetic(op=op, left=left, right=right),
            st.sampled_from("+-*/"),
            values,
            values | numbers,
        ),
        st.builds(lambda value: tree.Negate(value=value), values),
    )


numeric = st.recursive(numeric_leaves, _arithmetic, max_leaves=3)
value_edges = of_values(("first", "last", "favourite"))

# A count against a constant is what people write most, and what the compiler treats by itself.
_countable: st.SearchStrategy[tree.Node] = st.one_of(
    counts(("count",)), mosts(), of_values(("distinct",)), of_values(("avg",)), rates()
)
_counted = st.one_of(
    st.builds(
        lambda op, left, limit, flipped: tree.Compare(
            op=op, left=limit if flipped else left, right=left if flipped else limit
        ),
        st.sampled_from(COMPARISONS),
        _countable,
        numbers,
        st.booleans(),
    ),
    st.builds(
        lambda value, low, high, negated: tree.Between(
            value=value, low=low, high=high, is_negated=negated
        ),
        _countable,
        numbers,
        numbers,
        st.booleans(),
    ),
    st.builds(
        lambda value, options, negated: tree.In(
            value=value, options=tuple(options), is_negated=negated
        ),
        _countable,
        st.lists(numbers, min_size=1, max_size=3),
        st.booleans(),
    ),
)
_compared = st.builds(
    lambda op, left, right, flipped: tree.Compare(
        op=op, left=right if flipped else left, right=left if flipped else right
    ),
    st.sampled_from(COMPARISONS),
    numeric,
    numbers | numbers | numeric,
    st.booleans(),
)
_fading = st.builds(
    lambda op, limit: tree.Compare(
        op=op, left=tree.Named(kind="score", name="fading"), right=limit
    ),
    st.sampled_from(COMPARISONS),
    numbers,
)
_edges = st.builds(
    lambda op, left, right: tree.Compare(op=op, left=left, right=right),
    st.sampled_from(COMPARISONS),
    value_edges,
    texts | numbers | value_edges,
)
_asked = st.one_of(
    st.builds(
        lambda value, negated: tree.IsNull(value=value, is_negated=negated),
        numeric | value_edges,
        st.booleans(),
    ),
    st.builds(
        lambda value, options, negated: tree.In(
            value=value, options=tuple(options), is_negated=negated
        ),
        numeric | value_edges,
        st.lists(numbers | texts, min_size=1, max_size=3),
        st.booleans(),
    ),
    st.builds(
        lambda value, low, high, negated: tree.Between(
            value=value, low=low, high=high, is_negated=negated
        ),
        numeric,
        numbers,
        numbers,
        st.booleans(),
    ),
    st.builds(
        lambda value, other, negated: tree.Match(
            op="contains", left=value, right=other, is_negated=negated
        ),
        value_edges,
        texts | numbers,
        st.booleans(),
    ),
    st.builds(
        lambda first, second, op, limit: tree.Compare(
            op=op, left=tree.Call(name="coalesce", arguments=(first, second)), right=limit
        ),
        numeric,
        numeric | numbers,
        st.sampled_from(COMPARISONS),
        numbers,
    ),
)
_calendar = st.one_of(
    st.just(tree.Call(name="anniversary", arguments=(tree.Path(root="traits", parts=("born",)),))),
    st.builds(
        lambda month: tree.Compare(
            op="=",
            left=tree.Call(name="month", arguments=(tree.Call(name="now", arguments=()),)),
            right=tree.Number(scaled=month * SCALE),
        ),
        st.integers(1, 4),
    ),
)

condition_leaves: st.SearchStrategy[tree.Node] = st.one_of(
    _compared,
    _counted,
    _counted,
    counts(("any", "none")),
    chains(),
    chains(),
    sinces(),
    _fading,
    _edges,
    _asked,
    _tests_of(_TRAITS_NUMERIC, _TRAITS_TEXTUAL),
    _calendar,
    st.sampled_from(sorted(SEGMENTS)).map(lambda name: tree.InSegment(name=name)),
    st.booleans().map(lambda value: tree.Boolean(value=value)),
)

conditions = st.recursive(condition_leaves, _joined, max_leaves=4)
expressions = st.one_of(conditions, conditions, conditions, numeric, value_edges)


def spans_in(node: tree.Node) -> set[Duration]:
    """Return all durations that an expression, or a definition of this world, may wait for."""
    from_tree = {span for span in SPANS if repr(span) in repr(node)}
    if "InSegment" in repr(node) or "Named" in repr(node):
        return set(SPANS)
    return from_tree
