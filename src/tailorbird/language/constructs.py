"""Every construct of the language with its meaning, an example, and what the example answers.

The reference page is written from this table (`reference`); the answers belong to the small
history here. Tests hold that no construct of the grammar is missing and that each answer is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NOW = "2026-03-01T12:00:00Z"

EVENTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "2026-01-10T10:00:00Z",
        "order_completed",
        {
            "revenue": 100,
            "coupon": "WELCOME",
            "products": [
                {"category": "shoes", "price": 80, "quantity": 1},
                {"category": "hats", "price": 20, "quantity": 1},
            ],
        },
    ),
    (
        "2026-02-20T09:00:00Z",
        "order_completed",
        {"revenue": 40, "products": [{"category": "hats", "price": 20, "quantity": 2}]},
    ),
    ("2026-02-25T08:00:00Z", "email_delivered", {}),
    ("2026-02-25T18:00:00Z", "email_opened", {}),
    ("2026-02-27T08:00:00Z", "email_delivered", {}),
    ("2026-02-28T19:00:00Z", "product_viewed", {"category": "shoes", "price": 120}),
    ("2026-02-28T19:05:00Z", "cart_added", {"cart_id": "c1"}),
    ("2026-03-01T09:00:00Z", "product_viewed", {"category": "hats", "price": 20}),
    ("2026-03-01T10:00:00Z", "page_viewed", {"path": "/sale/hats"}),
)

GIVEN: dict[str, Any] = {
    "traits": {"name": "Ann", "city": "New York", "birthday": "1990-03-01", "visits": 7},
    "context": {
        "device": {"type": "mobile"},
        "geo": {"region": "New York"},
        "weather": {"condition": "rain"},
    },
    "segments": {"buyers": "count(order_completed) >= 2"},
    "scores": {"engagement": {"points": [{"event": "email_opened", "points": 5}]}},
    "interests": {
        "categories": {
            "by": "category",
            "points": [
                {"event": "product_viewed", "points": 1},
                {"event": "order_completed", "points": 5, "by": "products.category"},
            ],
            "half_life": "30d",
        }
    },
    "lists": {"urban_cities": ["Boston", "New York"]},
    "predictions": {"churn": 0.75},
    "clusters": {"customers": "big spenders"},
    "event": {
        "event": "order_completed",
        "timestamp": "2026-03-01T12:00:00Z",
        "properties": {"total": 60},
    },
}


@dataclass(frozen=True, slots=True)
class Construct:
    """A construct: the words that it explains, its type, meaning, an example and its answer."""

    words: str
    gives: str
    meaning: str
    example: str
    answer: str


HISTORY = (
    Construct(
        "count", "number", "how many events match; after a path to a list, how many items",
        "count(order_completed within 30d)", "1",
    ),
    Construct(
        "any", "boolean", "whether an event (or an item of its list) matches",
        "any(order_completed.products where category = 'shoes' and price > 50)", "true",
    ),
    Construct(
        "none", "boolean", "whether no event matches", "none(email_opened within 3d)", "true"
    ),
    Construct(
        "sum", "number", "of a number; 0 where there is none",
        "sum(order_completed.products.quantity)", "4",
    ),
    Construct(
        "avg", "number", "the mean of a number, half even to nine places",
        "avg(order_completed.revenue)", "70",
    ),
    Construct("min", "number", "the least", "min(order_completed.revenue within 1y)", "40"),
    Construct("max", "number", "the greatest", "max(order_completed.revenue)", "100"),
    Construct(
        "first", "any", "the value on the earliest event, missing where it has none",
        "first(order_completed.coupon)", "'WELCOME'",
    ),
    Construct(
        "last", "any", "the value on the latest event, missing where it has none",
        "last(order_completed.coupon)", "null",
    ),
    Construct(
        "since", "duration", "time since the latest event", "since(email_opened) > 3d", "true"
    ),
    Construct(
        "distinct", "number", "how many different values",
        "distinct(product_viewed.category within 7d)", "2",
    ),
    Construct(
        "most by", "number", "the largest count of one value of the property after `by`",
        "most(product_viewed by category within 24h)", "1",
    ),
    Construct(
        "favourite", "any", "the value seen most often; the latest wins a tie",
        "favourite(product_viewed.category within 7d)", "'hats'",
    ),
    Construct(
        "rate", "number", "the count of the first over the count of the second",
        "rate(email_opened, email_delivered within 90d) >= 50%", "true",
    ),
    Construct(
        "abandoned after by over", "boolean",
        "there is a first, no second since the latest first, and `after` has passed since it;"
        " `by` judges each key alone, `over` looks back no further",
        "abandoned(cart_added, order_completed after 30m by cart_id over 30d)", "true",
    ),
    Construct(
        "followed", "boolean", "the second came after the first, at most `within` later",
        "followed(product_viewed, cart_added within 10m)", "true",
    ),
    Construct(
        "sequence", "boolean", "two to ten events in this order, all in the span of `within`",
        "sequence(product_viewed, cart_added, order_completed within 1d)", "false",
    ),
    Construct(
        "where", "", "a condition on the event (after a list, on one item); binds to its argument",
        "count(product_viewed where price >= 100)", "1",
    ),
    Construct(
        "within", "", "only what happened less than this ago; of chains the span",
        "sum(order_completed.revenue within 30d)", "40",
    ),
)  # fmt: skip

FUNCTIONS = (
    Construct("lower", "string", "in small letters", "lower(traits.city)", "'new york'"),
    Construct(
        "length", "number", "of a text in characters, of a list in items",
        "length(traits.name)", "3",
    ),
    Construct(
        "coalesce", "any", "the first value that is there",
        "coalesce(traits.nickname, traits.name)", "'Ann'",
    ),
    Construct(
        "age", "duration", "time since an instant that a trait tells",
        "age(traits.birthday) >= 18y", "true",
    ),
    Construct(
        "hour", "number", "0 to 23, in the person's own time zone; not in segments and scores",
        "hour(now)", "12",
    ),
    Construct(
        "weekday", "number", "1 (Monday) to 7; not in segments and scores", "weekday(now)", "7"
    ),
    Construct("month", "number", "1 to 12", "month(now)", "3"),
    Construct(
        "date", "string", "the day of the calendar; not in segments and scores",
        "date(now) = '2026-03-01'", "true",
    ),
    Construct(
        "anniversary", "boolean",
        "today has the day and month of the date; 29 February is kept on the 28th",
        "anniversary(traits.birthday)", "true",
    ),
    Construct(
        "now", "timestamp", "the instant of asking", "now >= timestamp('2026-03-01')", "true"
    ),
)  # fmt: skip

NAMES = (
    Construct(
        "traits", "any", "what is known of the person", "traits.city = 'New York'", "true"
    ),
    Construct(
        "context", "any", "of the latest event that had one", "context.device.type", "'mobile'"
    ),
    Construct("geo", "any", "where the person is: `context.geo`", "geo.region", "'New York'"),
    Construct(
        "weather", "any", "the weather there: `context.weather`", "weather.condition", "'rain'"
    ),
    Construct(
        "event", "any", "what started the journey; only there", "event.properties.total > 50",
        "true",
    ),
    Construct(
        "score", "number", "a score of the workspace", "score('engagement') >= 5", "true"
    ),
    Construct(
        "prediction", "any", "what a model told of the person", "prediction('churn') > 0.7", "true"
    ),
    Construct(
        "interest",
        "string",
        "the value that weighs most in an interest of the workspace;"
        " with a second text, the weight of that value",
        "interest('categories') = 'hats' and interest('categories', 'shoes') > 0",
        "true",
    ),
    Construct(
        "cluster", "any", "the group that a model put the person in",
        "cluster('customers') = 'big spenders'", "true",
    ),
    Construct(
        "segment", "boolean", "the condition of a segment, asked at the same instant",
        "in segment('buyers')", "true",
    ),
    Construct(
        "list", "list", "the lines of a file of `lists`",
        "traits.city in list('urban_cities')", "true",
    ),
)  # fmt: skip

OPERATORS = (
    Construct("=", "boolean", "equal; case counts", "traits.name = 'ann'", "false"),
    Construct(
        "!=", "boolean", "not equal; false where a value is missing", "traits.nickname != 'Al'",
        "false",
    ),
    Construct("<", "boolean", "less", "traits.visits < 7", "false"),
    Construct("<=", "boolean", "at most", "traits.visits <= 7", "true"),
    Construct(">", "boolean", "greater", "traits.visits > 7", "false"),
    Construct(">=", "boolean", "at least", "traits.visits >= 7", "true"),
    Construct("between", "boolean", "both ends included", "traits.visits between 7 and 9", "true"),
    Construct("in", "boolean", "one of these", "traits.city in ('Boston', 'New York')", "true"),
    Construct(
        "like", "boolean", "`%` stands for any text, `_` for one letter",
        "last(page_viewed.path) like '/sale/%'", "true",
    ),
    Construct(
        "contains", "boolean", "a text within a text, or an item of a list",
        "any(order_completed where products.category contains 'hats' within 30d)", "true",
    ),
    Construct("starts", "boolean", "how a text begins", "traits.city starts with 'New'", "true"),
    Construct("ends", "boolean", "how a text ends", "traits.city ends with 'York'", "true"),
    Construct(
        "is null", "boolean", "whether no value is there; also `is not null`",
        "traits.nickname is null", "true",
    ),
    Construct(
        "not", "boolean", "the opposite, also of what a missing value made false",
        "not traits.nickname = 'Al'", "true",
    ),
    Construct(
        "and", "boolean", "both; binds tighter than `or`",
        "traits.visits > 5 and traits.visits < 9", "true",
    ),
    Construct("or", "boolean", "one of them", "traits.visits > 9 or traits.name = 'Ann'", "true"),
    Construct("+", "number", "plus", "traits.visits + 0.5", "7.5"),
    Construct("-", "number", "minus, also in front", "-traits.visits - 1", "-8"),
    Construct("*", "number", "times", "traits.visits * 2", "14"),
    Construct(
        "/", "number", "divided by, half even to nine places; by zero it is missing",
        "traits.visits / 0", "null",
    ),
)  # fmt: skip

VALUES = (
    Construct("'", "string", "a text; a quote inside is doubled", "'rock ''n'' roll'",
              "'rock ''n'' roll'"),
    Construct("%", "number", "a hundredth", "50%", "0.5"),
    Construct("true", "boolean", "holds", "true", "true"),
    Construct("false", "boolean", "holds not", "false or traits.visits = 7", "true"),
    Construct("s", "duration", "seconds", "since(page_viewed) >= 7200s", "true"),
    Construct("m", "duration", "minutes", "since(page_viewed) > 120m", "false"),
    Construct("h", "duration", "hours", "since(page_viewed) = 2h", "true"),
    Construct("d", "duration", "days of 24 hours", "any(email_opened within 3d)", "false"),
    Construct("w", "duration", "weeks", "any(email_opened within 1w)", "true"),
    Construct("mo", "duration", "months of the calendar", "since(order_completed) > 1mo", "false"),
    Construct("y", "duration", "years of the calendar", "since(order_completed) < 1y", "true"),
    Construct(
        "timestamp", "timestamp", "an instant, UTC where no zone is given",
        "now < timestamp('2026-03-01T12:00:01Z')", "true",
    ),
    Construct("--", "", "a comment, after white space", "traits.visits -- since May", "7"),
)  # fmt: skip

SECTIONS: tuple[tuple[str, tuple[Construct, ...]], ...] = (
    ("Looking at the history", HISTORY),
    ("Functions", FUNCTIONS),
    ("What is known", NAMES),
    ("Conditions and arithmetic", OPERATORS),
    ("Constants", VALUES),
)


def constructs() -> list[Construct]:
    """Return all constructs in the order of the page."""
    return [one for _, section in SECTIONS for one in section]
