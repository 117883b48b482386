"""The syntax tree of the expression language: plain frozen values, no behaviour.

Positions (`span`) take no part in comparison, so that two spellings of one condition are equal.
Numbers are scaled integers (`base.numbers`). `parser` makes these, `printer` writes them,
`oracle` and `compiler` give them meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tailorbird.base.time import Duration

Span = tuple[int, int]  # start and end offset in the text, counted in characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Base of all nodes."""

    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Node):
    """`5`, `2.5`, `50%` (which is 0.5)."""

    scaled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Node):
    """`'shoes'`, NFC."""

    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean(Node):
    """`true`, `false`."""

    value: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationValue(Node):
    """A duration as a value: `6mo`, `24h`."""

    duration: Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant(Node):
    """`timestamp('2026-01-31')`: microseconds UTC."""

    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Path(Node):
    """`traits.city`, `context.device.type`, `event.properties.total`, `geo.region`, ...

    `root` is one of traits, context, event, geo, weather. `geo` and `weather` are read from the
    profile's context under that key. `event` is the triggering event (journeys and decisions).
    """

    root: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Property(Node):
    """A bare name inside `where`: a property of the event (or of the list item) looked at.

    `properties.x` and `x` mean the same; `context.x` is the event's own context unless the event
    has a property named context.
    """

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector(Node):
    """Argument of an aggregate: event name (snake case), optional property path, optional filter.

    Where the aggregate is any, none or count and `path` is given, `path` names a list of items and
    `where` sees one item at a time; everywhere else `where` sees the event.
    """

    event: str
    path: tuple[str, ...] = ()
    where: Node | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate(Node):
    """A call that looks at the history.

    `kind` is one of: count any none sum avg min max first last since distinct most favourite rate
    abandoned followed sequence. `by` belongs to most, abandoned, followed, sequence; `over` is the
    look-back of abandoned, followed, sequence; `after` is the wait of abandoned.
    """

    kind: str
    selectors: tuple[Selector, ...]
    by: tuple[str, ...] = ()
    within: Duration | None = None
    over: Duration | None = None
    after: Duration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare(Node):
    """`left op right` with op one of = != < <= > >=."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Match(Node):
    """Text and list tests: op one of like, contains, starts_with, ends_with; may be negated."""

    op: str
    left: Node
    right: Node
    is_negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Between(Node):
    """`value [not] between low and high`, both ends included."""

    value: Node
    low: Node
    high: Node
    is_negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class In(Node):
    """`value [not] in ('a', 'b')` or `in list('name')`: options holds literals or one ListRef."""

    value: Node
    options: tuple[Node, ...]
    is_negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRef(Node):
    """`list('urban_cities')`: a named list of texts from lists/NAME.txt."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IsNull(Node):
    """`value is [not] null`."""

    value: Node
    is_negated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class And(Node):
    """All parts hold; two parts or more, nested ands flattened."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Or(Node):
    """One part holds; two parts or more, nested ors flattened."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Not(Node):
    """Prefix `not`: the only negation that turns missing into true."""

    part: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic(Node):
    """`left op right` with op one of + - * /."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Negate(Node):
    """`-value`."""

    value: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Node):
    """Scalar functions: lower length coalesce age hour weekday month date anniversary."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InSegment(Node):
    """`[not] in segment('vip')`: the same as writing that segment's condition here.

    `not in segment(..)` is parsed as Not(InSegment(..)): membership is never missing.
    """

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Node):
    """`score('x')`, `prediction('x')`, `cluster('x')`, `interest('x')`: kind and name.

    `of` is the value that `interest('x', 'value')` weighs; empty for the one that weighs most.
    """

    kind: str
    name: str
    of: str = ""
