"""Who is asked, and when: everybody at one instant, or each row of a table of people and instants.

The relations that a query reads:

- `events`: profile_id, timestamp and known_at (TIMESTAMP, UTC), event_order, event (snake case),
  type, properties and context (JSON); and columns of promoted properties, named after property and
  facet, such as `category__text` and `price__number` (DECIMAL(22, 9));
- `asked`: profile_id, each once; or profile_id and asked_at (BIGINT microseconds);
- `profiles`: profile_id, traits, context, timezone, predictions, clusters;
- `zones`: the names of time zones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from tailorbird.base.time import DAY, EARLIEST, Duration, format_micros
from tailorbird.language.warehouse import sql
from tailorbird.language.warehouse.facets import Facets
from tailorbird.language.warehouse.sql import Sql


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The instant of asking (microseconds UTC), or None for the column `asked_at`.

    `promoted` gives, by name of a property, the facets that have a column of their own. A
    promoted property is promoted in all rows, holds no list, and has no other facets. With
    `has_items` there are columns `rest` and `items`, of which `properties` would be put together.
    """

    now: int | None
    promoted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    has_items: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that tell one row of the result from another."""
        return ("profile_id",) if self.now is not None else ("profile_id", "asked_at")

    def key_columns(self, table: str) -> list[Sql]:
        """Return the keys as columns of a table."""
        return [sql.column(key, table) for key in self.keys]

    def asked_now(self) -> Sql:
        """Return the instant of asking where the people are listed."""
        return sql.column("asked_at", "q") if self.now is None else sql.integer(self.now)

    def events(self) -> exp.Select:
        """Return `select KEYS from events as e` of what was known."""
        if self.now is not None:
            found = sql.select(sql.column("profile_id", "e")).from_(
                sql.table("events", "e"), copy=False
            )
            is_known = sql.compare("<=", sql.column("known_at", "e"), _stamp(self.now))
            return found.where(is_known, copy=False)
        asked_at = sql.column("asked_at", "a")
        is_known = sql.compare("<=", sql.column("known_at", "k"), sql.call("instant", asked_at))
        is_mine = sql.compare("=", sql.column("profile_id", "a"), sql.column("profile_id", "k"))
        known = sql.select(asked_at, exp.Column(this=exp.Star(), table=exp.to_identifier("k")))
        known = known.from_(sql.table("events", "k"))
        known = known.join(sql.table("asked", "a"), on=is_mine).where(is_known)
        return sql.select(*self.key_columns("e")).from_(known.subquery("e", copy=False), copy=False)

    def is_inside(self, window: Duration | None) -> Sql:
        """Ask whether an event's window reaches beyond the instant of asking."""
        if window is None:
            return sql.own(sql.TRUE)
        at = sql.column("timestamp", "e")
        if self.now is not None:
            # A bound on the column itself: whole files and row groups are passed over.
            return sql.compare(">=", at, _stamp(earliest_inside(window, self.now)))
        asked_at = sql.column("asked_at", "e")
        if window.months:
            end = sql.call("after_months", sql.call("micros", at), sql.integer(window.months))
            return sql.compare("<", asked_at, end)
        begin = sql.call("instant", sql.minus(asked_at, sql.integer(window.micros)))
        return sql.compare(">", at, begin)

    def has_come(self, window: Duration, at: Sql) -> Sql:
        """Ask whether the instant of asking is a span or more after another (microseconds)."""
        now = sql.integer(self.now) if self.now is not None else sql.column("asked_at", "f")
        return sql.compare(">=", now, after(at, window))

    def property_of(self, parts: tuple[str, ...]) -> Facets | None:
        """Return a promoted property of the event, or None."""
        names = self.promoted.get(".".join(parts))
        if names is None:
            return None
        stem = "__".join(parts)
        return Facets(**{name: sql.column(f"{stem}__{name}", "e") for name in names})


def after(at: Sql, window: Duration) -> Sql:
    """Return the instant a span after another, in microseconds."""
    if window.months:
        return sql.call("after_months", at, sql.integer(window.months))
    return sql.call("after", at, sql.integer(window.micros))


def earliest_inside(window: Duration, now: int) -> int:
    """Return the first instant whose window reaches beyond `now`.

    `Duration.after` never falls while its start rises: the first is found by halving.
    """
    if not window.months:
        return max(now - window.micros + 1, EARLIEST)
    low, high = max(now - (window.months * 31 + 1) * DAY, EARLIEST), now
    while low < high:
        middle = (low + high) // 2
        if window.after(middle) > now:
            high = middle
        else:
            low = middle + 1
    return low


def _stamp(micros: int) -> Sql:
    written = format_micros(micros).removesuffix("Z").replace("T", " ")
    return exp.Cast(this=sql.text(written), to=sql.STAMP.copy())
