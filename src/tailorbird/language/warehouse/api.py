"""Ask an expression of Parquet files, as `evaluate` asks it of a list of events."""

from __future__ import annotations

from collections.abc import Iterable
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
            event (snake case); and, where they are there, known_at, event_order, type, properties
            and context (JSON), and promoted properties such as category__text.
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
    for name in ("traits", "context", "predictions", "clusters"):
        if given.get(name):
            raise ValueError(f"{name} belong to a person: give them in profiles_parquet")
    node, person = read_question(text, given)
    try:
        # SQL and DuckDB are large, and only for those who ask: see `warehouse` in pyproject.toml.
        embedded = import_module("tailorbird.language.warehouse.embedded")
        query = import_module("tailorbird.language.warehouse.query")
    except ModuleNotFoundError as error:
        raise WarehouseError(
            f"{error.name} is not installed; run: pip install 'tailorbird[warehouse]'"
        ) from error
    frame = import_module("tailorbird.language.warehouse.frame")
    warehouse = embedded.Warehouse(events_parquet, profiles=profiles_parquet, merges=merges_parquet)
    try:
        at = None
        if isinstance(now, str) or not isinstance(now, Iterable):
            at = read_instant(now, "now")
            warehouse.ask_everybody()
        else:
            warehouse.ask_at((who, read_instant(when, "now")) for who, when in now)
        asked = frame.Frame(now=at, promoted=warehouse.promoted)
        values = warehouse.values(query.value_query(node, asked, person))
        return {key: plain(value) for key, value in values.items()}
    finally:
        warehouse.close()
