"""Ask an expression of Parquet files, as `evaluate` asks it of a list, or write it as SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, Unpack

from tailorbird.language.api import Given, Instant, plain, read_question
from tailorbird.language.history import read_instant
from tailorbird.language.warehouse.errors import WarehouseError


def evaluate_warehouse(
    text: str,
    events_parquet: str,
    now: Instant | Iterable[tuple[Any, Instant]],
    *,
    profiles_parquet: str | None = None,
    merges_parquet: str | None = None,
    **given: Unpack[Given],
) -> dict[Any, Any]:
    """Evaluate an expression of everybody by one query of DuckDB, as known at `now`.

    Args:
        text: The expression.
        events_parquet: Path or glob of Parquet files with the columns profile_id, timestamp (UTC),
            event; and, where they are there, known_at, event_order, type, properties and context
            (JSON or structs), and promoted properties such as category__text. Without properties
            every other column is one.
        now: One instant, as `evaluate` takes it; or rows of (profile, instant).
        profiles_parquet: The same with profile_id, traits, context, predictions, clusters (JSON)
            and timezone, all of which lose to any event; or None.
        merges_parquet: The same with profile_id and survivor_id, the profile that it is now part
            of; or None.
        **given: As of `evaluate`, but traits, context, predictions and clusters, which are each
            person's own.

    Returns:
        A value for each profile; for rows of (profile, instant) one for each of these, the instant
        in microseconds UTC.

    Raises:
        ExpressionError: the expression is wrong; `line` and `column` tell where.
        WarehouseError: a warehouse cannot be asked this, or the files cannot be read.
        ValueError: an argument cannot be read.
    """
    _assert_nobodys_own(given, "profiles_parquet")
    node, person = read_question(text, given)
    embedded, query = map(_module, ("embedded", "query"))
    warehouse = embedded.Warehouse(events_parquet, profiles=profiles_parquet, merges=merges_parquet)
    try:
        at = None
        if isinstance(now, str) or not isinstance(now, Iterable):
            at = read_instant(now, "now")
            warehouse.ask_everybody()
        else:
            warehouse.ask_at((who, read_instant(when, "now")) for who, when in now)
        asked = warehouse.frame(at)
        values = warehouse.values(query.value_query(node, asked, person))
        return {key: plain(value) for key, value in values.items()}
    finally:
        warehouse.close()


def warehouse_sql(
    text: str,
    dialect: str,
    now: Instant | None = None,
    *,
    promoted: Mapping[str, Sequence[str]] | None = None,
    **given: Unpack[Given],
) -> str:
    """Write an expression as one SELECT of an engine, to be run after its `warehouse_prelude`.

    It reads the relations `events`, `asked`, `profiles` and `zones`, which the reference page of
    the warehouse describes, and gives a row for each row of `asked`: its keys, then a column for
    each type that the value may have, of which at most one is not null.

    Args:
        text: The expression.
        dialect: bigquery, clickhouse, duckdb, postgres, snowflake or spark.
        now: One instant, as `evaluate` takes it; None for the column `asked_at` of `asked`.
        promoted: By name of a property, the facets (text, number, truth) that have columns of
            their own in `events`.
        **given: As of `evaluate_warehouse`.

    Raises:
        ExpressionError: the expression is wrong; `line` and `column` tell where.
        WarehouseError: the engine cannot be asked this, or is not known.
        ValueError: an argument cannot be read.
    """
    _assert_nobodys_own(given, "the relation `profiles`")
    node, person = read_question(text, given)
    query, frame = map(_module, ("query", "frame"))
    at = None if now is None else read_instant(now, "now")
    names = {name: tuple(facets) for name, facets in (promoted or {}).items()}
    asked = frame.Frame(now=at, promoted=names)
    return str(query.value_query(node, asked, person).text(_engine(dialect)))


def warehouse_prelude(dialect: str) -> str:
    """Return the statements that an engine runs, once a session, before queries of `warehouse_sql`.

    Args:
        dialect: As of `warehouse_sql`.

    Raises:
        WarehouseError: the engine is not known.
    """
    return str(_engine(dialect).prelude())


def _engine(dialect: str) -> Any:  # sqlglot is imported by those who ask only
    engines = _module("engines").ENGINES
    if dialect not in engines:
        raise WarehouseError(f"no engine is called {dialect}; write one of {', '.join(engines)}")
    return engines[dialect]


def _module(name: str) -> Any:  # a module, with what it has
    # SQL and DuckDB are large, and only for those who ask: see `warehouse` in pyproject.toml.
    try:
        return import_module(f"tailorbird.language.warehouse.{name}")
    except ModuleNotFoundError as error:
        raise WarehouseError(
            f"{error.name} is not installed; run: pip install 'tailorbird[warehouse]'"
        ) from error


def _assert_nobodys_own(given: Mapping[str, Any], where: str) -> None:
    for name in ("traits", "context", "predictions", "clusters"):
        if given.get(name):
            raise ValueError(f"{name} belong to a person: give them in {where}")
