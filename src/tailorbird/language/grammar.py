"""The tables of the grammar: what each call takes; read by `parser`, `types`, the reference."""

from __future__ import annotations

from dataclasses import dataclass

NUMBER_TYPE = "number"
STRING = "string"
BOOLEAN = "boolean"
TIMESTAMP = "timestamp"
DURATION_TYPE = "duration"
LIST = "list"
ANY = "any"  # known only at run time


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateForm:
    """How an aggregate is written: its arguments, modifiers and result.

    `selectors` is the least and greatest number of arguments; `path` says whether an argument
    needs a property ("needed"), may name a list of items ("items") or takes none ("none").
    """

    result: str
    example: str
    selectors: tuple[int, int] = (1, 1)
    path: str = "none"
    modifiers: tuple[str, ...] = ("within",)
    needed: tuple[str, ...] = ()


_VALUE = "needed"
_CHAIN = ("within", "over", "by")

AGGREGATES: dict[str, AggregateForm] = {
    "count": AggregateForm(
        result=NUMBER_TYPE,
        path="items",
        example="count(product_viewed where category = 'shoes' within 24h) > 3",
    ),
    "any": AggregateForm(
        result=BOOLEAN, path="items", example="any(order_completed where total > 100 within 90d)"
    ),
    "none": AggregateForm(result=BOOLEAN, path="items", example="none(email_opened within 30d)"),
    "sum": AggregateForm(
        result=NUMBER_TYPE, path=_VALUE, example="sum(order_completed.revenue within 365d) >= 1000"
    ),
    "avg": AggregateForm(
        result=NUMBER_TYPE, path=_VALUE, example="avg(order_completed.revenue) > 80"
    ),
    "min": AggregateForm(
        result=NUMBER_TYPE, path=_VALUE, example="min(order_completed.revenue) > 20"
    ),
    "max": AggregateForm(
        result=NUMBER_TYPE, path=_VALUE, example="max(order_completed.revenue within 1y) > 500"
    ),
    "first": AggregateForm(
        result=ANY, path=_VALUE, example="first(order_completed.coupon) = 'WELCOME'"
    ),
    "last": AggregateForm(result=ANY, path=_VALUE, example="last(page_viewed.path) like '/sale/%'"),
    "since": AggregateForm(result=DURATION_TYPE, example="since(order_completed) > 6mo"),
    "distinct": AggregateForm(
        result=NUMBER_TYPE, path=_VALUE, example="distinct(product_viewed.category within 7d) >= 3"
    ),
    "most": AggregateForm(
        result=NUMBER_TYPE,
        modifiers=("within", "by"),
        needed=("by",),
        example="most(product_viewed by category within 24h) > 3",
    ),
    "favourite": AggregateForm(
        result=ANY, path=_VALUE, example="favourite(product_viewed.category within 90d) = 'shoes'"
    ),
    "rate": AggregateForm(
        result=NUMBER_TYPE,
        selectors=(2, 2),
        example="rate(email_opened, email_delivered within 90d) > 50%",
    ),
    "abandoned": AggregateForm(
        result=BOOLEAN,
        selectors=(2, 2),
        modifiers=("after", "over", "by"),
        needed=("after",),
        example="abandoned(cart_added, order_completed after 30m by cart_id over 30d)",
    ),
    "followed": AggregateForm(
        result=BOOLEAN,
        selectors=(2, 2),
        modifiers=_CHAIN,
        example="followed(product_viewed, cart_added within 10m)",
    ),
    "sequence": AggregateForm(
        result=BOOLEAN,
        selectors=(2, 10),
        modifiers=_CHAIN,
        example="sequence(product_viewed, cart_added, order_completed within 1d)",
    ),
}

MODIFIERS = ("within", "over", "after", "by")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionForm:
    """How a scalar function is written: least and greatest number of arguments, and its result."""

    arguments: tuple[int, int]
    result: str
    example: str
    in_where: bool = False  # a function of constants and the event only


FUNCTIONS: dict[str, FunctionForm] = {
    "lower": FunctionForm(
        arguments=(1, 1), result=STRING, example="lower(traits.city) = 'york'", in_where=True
    ),
    "length": FunctionForm(
        arguments=(1, 1), result=NUMBER_TYPE, example="length(traits.name) > 2", in_where=True
    ),
    "coalesce": FunctionForm(
        arguments=(2, 10),
        result=ANY,
        example="coalesce(traits.nickname, traits.name) = 'Ann'",
        in_where=True,
    ),
    "age": FunctionForm(
        arguments=(1, 1), result=DURATION_TYPE, example="age(traits.birthday) >= 18y"
    ),
    "hour": FunctionForm(
        arguments=(0, 1), result=NUMBER_TYPE, example="hour(now) between 9 and 17"
    ),
    "weekday": FunctionForm(arguments=(0, 1), result=NUMBER_TYPE, example="weekday(now) in (6, 7)"),
    "month": FunctionForm(arguments=(0, 1), result=NUMBER_TYPE, example="month(now) = 12"),
    "date": FunctionForm(arguments=(0, 1), result=STRING, example="date(now) = '2026-12-24'"),
    "anniversary": FunctionForm(
        arguments=(1, 1), result=BOOLEAN, example="anniversary(traits.birthday)"
    ),
    "now": FunctionForm(
        arguments=(0, 0), result=TIMESTAMP, example="now > timestamp('2026-01-31')"
    ),
}

CALENDAR = ("hour", "weekday", "month", "date")  # of the person's own time zone

# Calls whose only argument is a name in quotes.
NAMED: dict[str, tuple[str, str]] = {
    "score": (NUMBER_TYPE, "score('engagement') >= 80"),
    "prediction": (ANY, "prediction('churn') > 0.7"),
    "cluster": (ANY, "cluster('customers') = 'big spenders'"),
    "interest": (ANY, "interest('categories') = 'shoes'"),
}
ROOTS = ("traits", "context", "event", "geo", "weather")

OTHER_CALLS = {
    "list": "traits.city in list('urban_cities')",
    "segment": "in segment('vip')",
    "timestamp": "timestamp('2026-01-31T10:00:00Z')",
}


def call_names() -> list[str]:
    """Return the names of everything that can be called."""
    return [*AGGREGATES, *FUNCTIONS, *NAMED, *OTHER_CALLS]
