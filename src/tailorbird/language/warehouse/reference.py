"""The reference page of the warehouse: which constructs can be asked, and of what tables."""

from __future__ import annotations

from tailorbird.language import constructs
from tailorbird.language.warehouse.refusals import REFUSED

_HEAD = """\
# Asking a warehouse

Every expression also becomes one SQL query over events in Parquet files, answered by DuckDB for
everybody at once: at one instant, or at rows of people and instants. Property tests hold its
answers equal to those of the plain interpreter. It needs `pip install 'tailorbird[warehouse]'`.

    from tailorbird.language import evaluate_warehouse

    evaluate_warehouse("count(order_completed within 30d) > 5", "lake/*.parquet", "2026-03-01")
    evaluate_warehouse("since(order_completed)", "lake/*.parquet", [(17, "2026-01-01")])

The first gives a value for each profile; the second one for each row of (profile, instant), each
as known at its instant.

## Tables

Events, of which the first three columns are needed:

| column | type | meaning |
|---|---|---|
| `profile_id` | any | whose event |
| `timestamp` | TIMESTAMP | when it happened, UTC; not later than `known_at` |
| `event` | VARCHAR | name in snake case |
| `known_at` | TIMESTAMP | from when on it is known; else `timestamp` |
| `event_order` | BIGINT | breaks ties of `timestamp`; 0 or more |
| `type` | VARCHAR | `track`, `identify`, `group`, ... |
| `properties`, `context` | JSON | as collected; of `identify` and `group` the traits |
| `category__text`, `price__number`, `paid__truth` | VARCHAR, DECIMAL(22, 9), BOOLEAN | promoted |

A promoted property has a column for each type that occurs, in all files; dots of its name are
written `__`. It must hold no lists. Queries then read these columns instead of the JSON. Events are
in the files once each: removing repeated messages is the collector's work.

Profiles have `profile_id`, and `traits`, `context`, `predictions`, `clusters` (JSON) and
`timezone`, which all lose to any event. Merges have `profile_id` and `survivor_id`, the profile
that it is now part of; they count for all instants.

## Constructs

"""
_TAIL = """
Where an answer would leave the 29 digits that the engine has before the point, a text is a date of
the forms 20260131 or 2026-W05-1 where an instant is needed, or a path leads through lists nested
three deep, the query is refused as a whole.
"""


def warehouse_page() -> str:
    """Return `docs/reference/warehouse.md`."""
    refused = {"interest"}
    rows = [
        f"| {' '.join(f'`{word}`' for word in one.words.split())} | "
        f"{'no' if one.words in refused else 'yes'} |\n"
        for one in constructs.constructs()
    ]
    reasons = [f"| {what} | `{example}` | {why} |\n" for what, example, why in REFUSED]
    return "".join(
        [
            _HEAD,
            "| written | DuckDB |\n|---|---|\n",
            *rows,
            "\n## Refused\n\n| what | example | why |\n|---|---|---|\n",
            *reasons,
            _TAIL,
        ]
    )
