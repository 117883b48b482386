"""The reference page of the warehouse: which constructs can be asked, and of what tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tailorbird.language import constructs
from tailorbird.language.warehouse.api import warehouse_sql
from tailorbird.language.warehouse.engines import ENGINES, Columns
from tailorbird.language.warehouse.errors import WarehouseError
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
| `event`, else `name` | VARCHAR | its name, in any spelling |
| `known_at`, else `received_at` | TIMESTAMP | from when on it is known; else `timestamp` |
| `event_order` | BIGINT | breaks ties of `timestamp`; 0 or more; else the order of the rows |
| `type` | VARCHAR | `track`, `identify`, `group`, ... |
| `properties`, `context` | JSON | as collected; of `identify` and `group` the traits |
| `category__text`, `price__number`, `paid__truth` | VARCHAR, DECIMAL(22, 9), BOOLEAN | promoted |

A promoted property has a column for each type that occurs, in all files; dots of its name are
written `__`. It must hold no lists. Queries then read these columns instead of the JSON. Events are
in the files once each: removing repeated messages is the collector's work.

Files of other writers are read too. Instants may be stamps of any precision, with or without a
zone, texts such as `2026-01-31T10:00:00Z`, or integer microseconds; objects may be JSON texts,
bytes of these, structs or maps. Where there is no column `properties`, every other column is a
property of that name. What is of another type is refused by name.

Profiles have `profile_id`, and `traits`, `context`, `predictions`, `clusters` (JSON) and
`timezone`, which all lose to any event. Merges have `profile_id` and `survivor_id`, the profile
that it is now part of; they count for all instants.

## Other engines

The same expressions are written as SQL of Postgres, ClickHouse, Spark, BigQuery and Snowflake:

    from tailorbird.language import warehouse_prelude, warehouse_sql

    warehouse_prelude("postgres")  # once a session: the functions that queries call
    warehouse_sql("count(order_completed within 30d) > 5", "postgres", "2026-03-01")
    warehouse_sql("since(order_completed)", "postgres")  # at each row's `asked_at`

A query gives a row for each row of `asked`: its keys, then a column for each type that the value
may have (`number`, `text`, `truth`, `moment` and `lapse` in microseconds, `items`), of which at
most one is not null. It reads these relations, which may be views, and all of whose columns must
be there:

| relation | columns |
|---|---|
| `events` | as above, all of them |
| `asked` | `profile_id`, each once; or rows of `profile_id` and `asked_at` (microseconds UTC) |
| `profiles` | as above; it may be empty |
| `zones` | `name`: the time zones that there are, such as `Europe/Berlin` |

The functions are temporary and leave nothing behind, but in ClickHouse, which keeps them; those of
Spark are written out in each query. DuckDB, Postgres, ClickHouse (as chdb) and Spark (in local
mode) answer in tests what the plain interpreter answers. BigQuery and Snowflake cannot be had
there: their SQL is kept in files and read again by a parser, but no server of theirs has run it.

"""
_CONSTRUCTS = """
## Constructs

"""
_TAIL = """
Where an answer would leave the 29 digits that the engine has before the point, a text is a date of
the forms 20260131 or 2026-W05-1 where an instant is needed, or a path leads through lists nested
three deep, the query is refused as a whole.
"""


# Each person's own, which a query reads from `profiles`.
_PERSONAL = ("traits", "context", "predictions", "clusters")
_FADING = {"points": [{"event": "email_opened", "points": 5}], "half_life": "3d"}
_COLUMNS = Columns(
    stamp="`timestamp`, `known_at`",
    whole="`event_order`, `asked_at`",
    json="`properties`, `context`, `traits`, `predictions`, `clusters`",
    decimal="promoted, such as `price__number`",
    text="`event`, `type`, `timezone`, promoted, such as `category__text`",
    truth="promoted, such as `paid__truth`",
)


def warehouse_page() -> str:
    """Return `docs/reference/warehouse.md`."""
    engines = list(ENGINES.values())
    names = [one.name for one in engines]
    columns = zip(_COLUMNS, *(one.columns for one in engines), strict=True)
    kinds = [(what, *(f"`{kind}`" for kind in kinds)) for what, *kinds in columns]
    written = [
        (
            " ".join(f"`{word}`" for word in one.words.split()),
            *(_is_asked(one.example, d) for d in ENGINES),
        )
        for one in constructs.constructs()
    ]
    fading = "score('fading') >= 5"
    written.append(("a score that fades", *(_is_asked(fading, d) for d in ENGINES)))
    limits = [(one.name, limit) for one in engines for limit in one.limits]
    refused = [(what, f"`{example}`", why) for what, example, why in REFUSED]
    return "".join(
        [
            _HEAD,
            _table(("column", *names), kinds),
            "\nBesides:\n\n",
            _table(("engine", "what differs"), limits),
            _CONSTRUCTS,
            _table(("written", *names), written),
            "\n## Refused by all\n\n",
            _table(("what", "example", "why"), refused),
            _TAIL,
        ]
    )


def _is_asked(example: str, dialect: str) -> str:
    given = {name: what for name, what in constructs.GIVEN.items() if name not in _PERSONAL}
    given["scores"] = {**given["scores"], "fading": _FADING}
    try:
        warehouse_sql(example, dialect, constructs.NOW, **given)
    except WarehouseError:
        return "no"
    return "yes"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    first, *others = (f"| {' | '.join(line)} |\n" for line in (head, *rows))
    return "".join([first, "|---" * len(head), "|\n", *others])
