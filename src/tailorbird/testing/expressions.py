"""Hypothesis strategies of random well-typed expressions over a small world.

The world: events a, b, c with properties p (mostly numbers), q (mostly texts), xs (a list) and
items (a list of objects with k and n); traits n, city, tags, home, born, joined; the segments,
scores and lists of `SEGMENTS`, `SCORES`, `LISTS`. Small domains make equal values, boundaries and
ties likely. The durations meet the gaps of `histories`.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tailorbird.base.numbers import SCALE
from tailorbird.base.time import DAY, Duration
from tailorbird.language import tree
from tailorbird.language.needs import Interest, PointsScore
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
    "falling": PointsScore(
        points=(("a", 5 * SCALE, None), ("b", -SCALE, None)), fades_over=3 * DAY
    ),
    "capped": PointsScore(
        points=(("a", 5 * SCALE, None), ("b", SCALE // 2, parse("p >= 1", in_where=True))),
        half_life=2 * HALF_LIFE,
        cap_per_day=7 * SCALE,
    ),
    "even": PointsScore(points=(("a", SCALE, None),), fades_over=2 * DAY, cap_per_day=SCALE),
    "kept": PointsScore(points=(("a", 2 * SCALE, None), ("b", -SCALE, None)), half_life=None),
    "sum": parse("count(a within 3d) * 2 + sum(b.p)"),
}
INTERESTS = {
    "letters": Interest(
        points=(
            ("a", 5 * SCALE, None, ("q",)),
            ("b", 2 * SCALE, parse("p >= 1", in_where=True), ("q",)),
            ("c", SCALE, None, ("items", "k")),
        ),
        half_life=HALF_LIFE,
    ),
    "kept": Interest(points=(("a", SCALE, None, ("q",)), ("c", -SCALE, None, ("q",)))),
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


# --- conditions over given values ---------------------------------------------------------------

Strategy = st.SearchStrategy[tree.Node]


def comparisons_of(left: Strategy, right: Strategy) -> Strategy:
    """Draw a comparison."""
    return st.builds(
        lambda op, one, other: tree.Compare(op=op, left=one, right=other),
        st.sampled_from(COMPARISONS),
        left,
        right,
    )


def ranges_of(value: Strategy, low: Strategy, high: Strategy) -> Strategy:
    """Draw `value [not] between low and high`."""
    return st.builds(
        lambda one, least, most, negated: tree.Between(
            value=one, low=least, high=most, is_negated=negated
        ),
        value,
        low,
        high,
        st.booleans(),
    )


def choices_of(value: Strategy, options: Strategy) -> Strategy:
    """Draw `value [not] in (...)`."""
    return st.builds(
        lambda one, some, negated: tree.In(value=one, options=tuple(some), is_negated=negated),
        value,
        st.lists(options, min_size=1, max_size=3),
        st.booleans(),
    )


def matches_of(value: Strategy, patterns: Strategy, ops: Sequence[str]) -> Strategy:
    """Draw a test of a text or list."""
    return st.builds(
        lambda op, one, other, negated: tree.Match(
            op=op, left=one, right=other, is_negated=negated
        ),
        st.sampled_from(ops),
        value,
        patterns,
        st.booleans(),
    )


def nulls_of(value: Strategy) -> Strategy:
    """Draw `value is [not] null`."""
    return st.builds(
        lambda one, negated: tree.IsNull(value=one, is_negated=negated), value, st.booleans()
    )


def call_of(name: str, *arguments: Strategy) -> Strategy:
    """Draw a call of a function."""
    return st.tuples(*arguments).map(lambda values: tree.Call(name=name, arguments=values))


lists = st.sampled_from(sorted(LISTS)).map(lambda name: tree.ListRef(name=name))
patterns = st.sampled_from(("x", "%y", "_", "xy", "")).map(lambda value: tree.Text(value=value))


def _property(*parts: str) -> tree.Property:
    return tree.Property(parts=parts)


def _tests_of(numeric: Sequence[tree.Node], textual: Sequence[tree.Node]) -> Strategy:
    """Draw a condition over some numbers and texts (which at run time may be anything)."""
    number, text = st.sampled_from(numeric), st.sampled_from(textual)
    values = st.sampled_from((*numeric, *textual))
    listed = st.builds(
        lambda one, other, negated: tree.In(value=one, options=(other,), is_negated=negated),
        text,
        lists,
        st.booleans(),
    )
    return st.one_of(
        comparisons_of(number, numbers),
        comparisons_of(text, texts | text),
        ranges_of(number, numbers, numbers | number),
        choices_of(values, numbers | texts),
        listed,
        matches_of(text, patterns, ("like", "contains", "starts_with", "ends_with")),
        nulls_of(values),
        comparisons_of(call_of("lower", text), texts),
        comparisons_of(call_of("length", text), numbers),
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
    """Draw a comparison of `since` or an age with a duration, also as a sum or between two."""
    since: tree.Node = tree.Aggregate(
        kind="since", selectors=(draw(selectors()),), within=draw(windows)
    )
    if draw(st.sampled_from((False, False, True))):
        since = tree.Call(name="age", arguments=(tree.Path(root="traits", parts=("joined",)),))
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
value_edges = of_values(("first", "last", "favourite")) | st.sampled_from(tuple(INTERESTS)).map(
    lambda name: tree.Named(kind="interest", name=name)
)

# A count against a constant is what people write most, and what the compiler treats by itself.
_countable = st.one_of(
    counts(("count",)), mosts(), of_values(("distinct",)), of_values(("avg",)), rates()
)
_counted = st.one_of(
    comparisons_of(_countable, numbers),
    comparisons_of(numbers, _countable),
    ranges_of(_countable, numbers, numbers),
    choices_of(_countable, numbers),
)
_compared = comparisons_of(numeric, numbers | numbers | numeric)
_fading = comparisons_of(
    st.sampled_from(("fading", "fading", "falling", "capped", "even")).map(
        lambda name: tree.Named(kind="score", name=name)
    ),
    numbers,
)
_weighed = comparisons_of(
    st.builds(
        lambda name, value: tree.Named(kind="interest", name=name, of=value),
        st.sampled_from(tuple(INTERESTS)),
        st.sampled_from(TEXTS),
    ),
    numbers,
)
_edges = comparisons_of(value_edges, texts | numbers | value_edges)
_asked = st.one_of(
    nulls_of(numeric | value_edges),
    choices_of(numeric | value_edges, numbers | texts),
    ranges_of(numeric, numbers, numbers),
    matches_of(value_edges, texts | numbers, ("contains",)),
    comparisons_of(call_of("coalesce", numeric, numeric | numbers), numbers),
)
_birthday = tree.Path(root="traits", parts=("born",))
_calendar = st.one_of(
    call_of("anniversary", st.just(_birthday)),
    comparisons_of(call_of("month", call_of("now")), numbers),
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
    _weighed,
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
