"""The reference page of the language, written from the tables of the grammar."""

from __future__ import annotations

from tailorbird.language.grammar import AGGREGATES, FUNCTIONS, NAMED, OTHER_CALLS

_HEAD = """\
# Expressions

Segments, scores, journeys and their conditions are written in one small language. It reads like a
sentence, always ends, never fails while running, and knows its own future: each answer comes with
the instant until which it holds. This page is written from the code's own tables.

    count(product_viewed where category = 'shoes' within 24h) > 3
    count(order_completed within 30d) > 5 and rate(email_opened, email_sent within 90d) > 50%
    traits.city in ('New York', 'Boston') and context.device.type = 'mobile'
    any(order_completed.products where category = 'shoes' and price > 100)
    in segment('vip') and not in segment('dormant')

## Rules

- Event names are compared in snake case: `'Order Completed'` and `order_completed` are the same.
- `where` belongs to its argument and sees that event (or, after a path to a list, one item);
  `within`, `over`, `after`, `by` belong to the call and stand last.
- `within 24h`: from the event until 24 hours later, that instant not included. Durations are lower
  case: `30s 15m 24h 7d 2w 6mo 1y`; `mo` and `y` are calendar units.
- A missing value makes every comparison false, also `!=` and `not in`; only a `not` in front of a
  condition negates. `is null` asks. Nothing is converted: '5' is not 5.
- Empty history: `count sum distinct most` are 0, the others are missing. `x / 0` is missing.
- An aggregate looks at the latest 1,000 matching events, or more where it is compared with more;
  `count sum avg rate min max first last` without a window at all of them.
- Numbers are exact decimals with nine places. Text compares by letter, case included.
- A comment begins with `--` after white space.
- `event.*` is the event that started a journey, and is there only in journeys. `hour weekday date`
  are not for segments and scores: everybody would change in one second.
"""

_VALUES = """
## Values and comparisons

| written | meaning |
|---|---|
| `'text'`, `2.5`, `50%`, `true`, `24h`, `timestamp('2026-01-31')` | constants; `''` is a quote |
| `traits.city`, `context.device.type`, `geo.region`, `event.properties.total` | what is known |
| `= != < <= > >=` | of two values of one type |
| `between 9 and 17`, `in ('a', 'b')`, `in list('cities')` | each also with `not` |
| `like '/sale/%'`, `contains`, `starts with`, `ends with` | of texts; `contains` also of lists |
| `is null`, `is not null` | whether a value is there |
| `and or not`, `+ - * /`, brackets | as usual; `not` binds tightest |
"""


def expressions_page() -> str:
    """Return `docs/reference/expressions.md`."""
    table = "\n\n| call | gives | example |\n|---|---|---|\n"
    parts = [_HEAD, _VALUES, f"\n## Looking at the history{table}"]
    for name, form in AGGREGATES.items():
        modifiers = " ".join(f"`{one}`" for one in form.modifiers)
        parts.append(f"| `{name}` ({modifiers}) | {form.result} | `{form.example}` |\n")
    parts.append(f"\n## Functions{table}")
    for name, function in FUNCTIONS.items():
        parts.append(f"| `{name}` | {function.result} | `{function.example}` |\n")
    parts.append("\n## Names\n\n| call | example |\n|---|---|\n")
    parts += [f"| `{name}` | `{example}` |\n" for name, (_, example) in NAMED.items()]
    parts += [f"| `{name}` | `{example}` |\n" for name, example in OTHER_CALLS.items()]
    return "".join(parts)
