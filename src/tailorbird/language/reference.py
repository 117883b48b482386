"""The reference page of the language: `constructs` with the state that each example costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from tailorbird.base.time import parse_micros
from tailorbird.events.event import Event, order_of
from tailorbird.language import constructs, tree
from tailorbird.language.accumulators import LATEST_CAP, Cells
from tailorbird.language.api import interest_of
from tailorbird.language.grammar import AGGREGATES
from tailorbird.language.needs import PointsScore
from tailorbird.language.parser import parse
from tailorbird.language.program import Program

TYPICAL_COUNT = 20  # events of each name that a typical profile holds inside the window
CAPPED_COUNT = 2 * LATEST_CAP  # more than a series keeps

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
- Where amounts come in several [currencies](settings.md), `sum avg min max` of them name one:
  `sum(order_completed.revenue where currency = 'EUR')`.
- Numbers are exact decimals with nine places. Text compares by letter, case included.
- A comment begins with `--` after white space.
- `event.*` is the event that started a journey, and is there only in journeys. `hour weekday date`
  are not for segments and scores: everybody would change in one second.
"""

_HISTORY = """
## The person of the examples

Each example below is run by the tests, at {now} (UTC), on this person:

{events}

- Traits: {traits}.
- Context: {context}.
- The segment `buyers` is {buyers}; the score `engagement` gives 5 points per opened mail; the list
  `urban_cities` holds Boston and New York; a model says 0.75 for `churn` and "big spenders" of
  `customers`; the journey was started by an order with a `total` of 60.

*State* is what one profile stores for the example: bytes in the state's own encoding, measured
with {typical} matching events of each name inside the window, and with {capped:,}, more than is
ever kept. Expressions that ask the same of the history share it. Where a dash stands, nothing is
stored beyond the traits and the context that each profile has.
"""


def expressions_page() -> str:
    """Return `docs/reference/expressions.md`."""
    events = "\n".join(
        f"    {at}  {name}  {json.dumps(properties) if properties else ''}".rstrip()
        for at, name, properties in constructs.EVENTS
    )
    given = constructs.GIVEN
    parts = [
        _HEAD,
        _HISTORY.format(
            now=constructs.NOW,
            events=events,
            traits=_shown(given["traits"]),
            context=_shown(given["context"]),
            buyers=f"`{given['segments']['buyers']}`",
            typical=TYPICAL_COUNT,
            capped=CAPPED_COUNT,
        ),
    ]
    for title, section in constructs.SECTIONS:
        parts.append(
            f"\n## {title}\n\n| written | type | meaning | example | answer | state, bytes |\n"
            "|---|---|---|---|---|---|\n"
        )
        parts += [_row(one) for one in section]
    parts.append("\n## Modifiers\n\n| call | takes |\n|---|---|\n")
    for name, form in AGGREGATES.items():
        taken = " ".join(f"`{one}`" for one in form.modifiers)
        parts.append(f"| `{name}` | {taken} |\n")
    return "".join(parts)


def state_bytes(expression: str, count: int) -> int:
    """Return the bytes that a profile stores for an expression after `count` events of each name.

    The events are a second apart, up to `constructs.NOW`, and match the filters of the examples.
    Zero where the expression looks at no event.
    """
    given = constructs.GIVEN
    program = Program(
        {"example": parse(expression)},
        segments={name: parse(text) for name, text in given["segments"].items()},
        scores={name: _points(score) for name, score in given["scores"].items()},
        interests={name: interest_of(name, one) for name, one in given["interests"].items()},
        lists={name: tuple(lines) for name, lines in given["lists"].items()},
    )
    if not program.specs:
        return 0
    cells: Cells = {}
    now = parse_micros(constructs.NOW)
    samples = {name: properties for _, name, properties in reversed(constructs.EVENTS)}
    for name in sorted({spec.event for spec in program.specs.values()}):
        for age in range(count, 0, -1):
            at = now - age * 1_000_000
            program.add(cells, _event(name, at, samples.get(name, {})), at)
    program.prune(cells, now)
    return len(msgspec.msgpack.encode(cells))


def _row(one: constructs.Construct) -> str:
    words = " ".join(f"`{word}`" for word in one.words.split())
    typical = state_bytes(one.example, TYPICAL_COUNT)
    capped = state_bytes(one.example, CAPPED_COUNT)
    state = "–" if not typical else f"{typical:,}" + f" to {capped:,}" * (capped != typical)
    cells = (words, one.gives, one.meaning, f"`{one.example}`", f"`{one.answer}`", state)
    return f"| {' | '.join(cells)} |\n"


def _shown(values: Mapping[str, Any], prefix: str = "") -> str:
    parts = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            parts.append(_shown(value, f"{prefix}{name}."))
        else:
            parts.append(f"`{prefix}{name}` {value}")
    return ", ".join(parts)


def _points(score: Mapping[str, Any]) -> PointsScore | tree.Node:
    rows = tuple((row["event"], row["points"] * 10**9, None) for row in score["points"])
    return PointsScore(points=rows, half_life=None)


def _event(name: str, at: int, properties: Mapping[str, Any]) -> Event:
    message_id = f"{name}-{at}"
    return Event(
        type="track",
        name=name,
        message_id=message_id,
        timestamp=at,
        order=order_of(message_id),
        properties=dict(properties),
    )
