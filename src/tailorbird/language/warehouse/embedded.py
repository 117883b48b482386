"""DuckDB as the embedded warehouse: opens what lies in Parquet, asks, and reads the answers."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from decimal import Context, Decimal
from functools import cache
from typing import Any
from zoneinfo import available_timezones

import duckdb

from tailorbird.base.names import snake_case
from tailorbird.base.numbers import PLACES
from tailorbird.language import decay
from tailorbird.language.calendar import is_zone
from tailorbird.language.values import Lapse, Moment, Value, from_json
from tailorbird.language.warehouse import columns
from tailorbird.language.warehouse.engines import DUCKDB
from tailorbird.language.warehouse.errors import FilesError, TooMuchError, WarehouseError
from tailorbird.language.warehouse.frame import Frame
from tailorbird.language.warehouse.query import Query

_PROFILES = {
    "traits": "JSON",
    "context": "JSON",
    "timezone": "VARCHAR",
    "predictions": "JSON",
    "clusters": "JSON",
}
_NO_PROFILES = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in _PROFILES.items())

_EXACT = Context(prec=60)
# Profile ids are hashes below this.
_IDS_END = 1 << 63

# The key of an answer: a profile, or a profile with the instant that was asked for.
Answers = dict[Any, Value]


class Warehouse:
    """Tables opened for asking. One connection, for one thread; close it when done.

    Args:
        events: Path, glob or list of Parquet files; `frame` tells the columns.
        profiles: The same of what is given beside the events, or None.
        merges: Parquet with profile_id and survivor_id: whose events are whose today, or None.
        only_promoted: Names whose columns stand for them; None for all that have columns.
        threads: Threads that DuckDB may use; None leaves it the machine's.
        storage: A filesystem of fsspec that opens `events` where they lie elsewhere, or None.
        memory: Bytes that DuckDB may use; None leaves it four fifths of the machine's.
        spill: Folder for what does not fit into them; None is one in the working folder.
    """

    def __init__(
        self,
        events: str | Sequence[str],
        *,
        profiles: str | None = None,
        merges: str | None = None,
        only_promoted: Collection[str] | None = None,
        threads: int | None = None,
        storage: Any = None,
        memory: int | None = None,
        spill: str | None = None,
    ) -> None:
        wanted = {
            "threads": threads,
            "memory_limit": memory and f"{memory}B",
            "temp_directory": spill,
        }
        self.connection = duckdb.connect(config={k: v for k, v in wanted.items() if v})
        if storage is not None:
            self.connection.register_filesystem(storage)
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute(_prelude())
        for name, powers in zip(("coarse", "fine"), decay.tables(), strict=True):
            self.connection.execute(f"SET VARIABLE tb_{name} = ?", [powers])
        self.promoted = self._open_events(events, merges, only_promoted)
        self._open_profiles(profiles, merges)
        self._open_zones()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def frame(self, now: int | None) -> Frame:
        """Return the frame in which these events are asked at an instant, or at rows of some."""
        return Frame(now=now, promoted=self.promoted, has_items=self.has_items)

    def ask_everybody(self, known_by: int | None = None) -> None:
        """Let those who are asked be all who have events or a profile.

        With an instant (microseconds UTC) only those of whom an event was known then.
        """
        known = f" WHERE known_at <= make_timestamp({known_by})" if known_by is not None else ""
        self.connection.execute(
            "CREATE OR REPLACE TEMP VIEW asked AS"
            f" SELECT profile_id FROM (SELECT profile_id FROM events{known}"
            " UNION SELECT profile_id FROM profiles) WHERE profile_id IS NOT NULL"
        )

    def ask_only(self, profile_ids: Iterable[int]) -> None:
        """Let those who are asked be these."""
        self.connection.execute("CREATE OR REPLACE TEMP TABLE asked_ids (profile_id BIGINT)")
        self.connection.execute("INSERT INTO asked_ids SELECT unnest(?)", [sorted(profile_ids)])
        self.connection.execute("CREATE OR REPLACE TEMP VIEW asked AS FROM asked_ids")

    def sample(self, one_in: int) -> None:
        """Let there be only one in so many people, with all their events; 1 is everybody.

        Profile ids have to be the product's, which are hashes. Files are sorted by time, so that
        everybody lies in all of them; but of rows outside a range no other column is unpacked.
        """
        first = _IDS_END // 2
        last = first + _IDS_END // one_in - 1
        chosen = f" WHERE profile_id BETWEEN {first} AND {last}" if one_in > 1 else ""
        self.connection.execute(
            f"CREATE OR REPLACE TEMP VIEW events AS FROM ({self._events}){chosen}"
        )

    def ask_at(self, pairs: Iterable[tuple[Any, int]]) -> None:
        """Let those who are asked be rows of (profile, instant in microseconds)."""
        kind = self._kind_of("SELECT profile_id FROM events")
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE asked_rows (profile_id {kind}, asked_at BIGINT)"
        )
        rows = sorted(set(pairs))
        columns = [[row[0] for row in rows], [row[1] for row in rows]]
        self.connection.execute("INSERT INTO asked_rows SELECT unnest(?), unnest(?)", columns)
        self.connection.execute("CREATE OR REPLACE TEMP VIEW asked AS FROM asked_rows")

    def values(self, query: Query) -> Answers:
        """Return the answers by key: the profile, or (profile, instant).

        Raises:
            WarehouseError: a number leaves the 29 digits that the engine has for it, or data lie
                in a form that is not read.
        """
        return answers_of(query, self.rows(query.text()))

    def count(self, query: Query) -> int:
        """Return how many rows a query has: of `members_query`, how many members there are."""
        return int(self.rows(f"SELECT count(*) FROM ({query.text()})")[0][0])

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        """Return the rows that a text of SQL gives.

        Raises:
            TooMuchError: it takes more memory than was allowed, or the connection was interrupted
                for taking too long.
            WarehouseError: as of `values`.
        """
        try:
            return self.connection.execute(text).fetchall()
        except duckdb.InterruptException as error:
            raise TooMuchError("the answer takes longer than was allowed") from error
        except duckdb.OutOfMemoryException as error:
            raise TooMuchError("the answer takes more memory than was allowed") from error
        except (duckdb.OutOfRangeException, duckdb.ConversionException) as error:
            raise _unreadable(error) from error
        except duckdb.InvalidInputException as error:
            if "JSON" in str(error):
                raise _unreadable(error) from error
            if "tailorbird: " in str(error):
                raise WarehouseError(str(error).split("tailorbird: ")[-1]) from error
            raise FilesError(f"cannot read the files: {_first_line(error)}") from error
        except (duckdb.IOException, duckdb.SerializationException) as error:
            raise FilesError(f"cannot read the files: {_first_line(error)}") from error
        except duckdb.Error as error:
            # What Parquet's own reader finds has no class of its own.
            if type(error) is not duckdb.Error:
                raise
            raise FilesError(f"cannot read the files: {_first_line(error)}") from error

    def _open_events(
        self, path: str | Sequence[str], merges: str | None, only: Collection[str] | None
    ) -> dict[str, tuple[str, ...]]:
        # A list is of the lake's own files, in which names are in snake case.
        is_own = not isinstance(path, str)
        files = columns.quoted(path) if isinstance(path, str) else _list_of(path)
        place = path if isinstance(path, str) else "the lake"
        kinds = self._columns_of(columns.source_of(files, {}, is_own=True), place)
        source = columns.source_of(files, kinds, is_own=is_own)
        names = {} if is_own else self._names_as_sent(source, columns.event_name(kinds, place))
        parts = columns.event_columns(kinds, place, names, is_own=is_own)
        promoted: dict[str, tuple[str, ...]] = {}
        for name, (path_of, facet) in columns.promoted_columns(kinds).items():
            parts[name] = columns.promoted_column(name, facet, kinds[name])
            if only is None or path_of in only:
                promoted[path_of] = (*promoted.get(path_of, ()), facet)
        if merges is None:
            profile, join = "e.profile_id", ""
        else:
            profile = "coalesce(m.survivor_id, e.profile_id)"
            joined = f"read_parquet({columns.quoted(merges)})"
            join = f" LEFT JOIN {joined} AS m ON m.profile_id = e.profile_id"
        self.has_items = columns.has_items(kinds)
        written = ", ".join(f"{part} AS {columns.identifier(name)}" for name, part in parts.items())
        self._events = f"SELECT {profile} AS profile_id, {written} FROM {source} AS e{join}"
        self.connection.execute(f"CREATE TEMP VIEW events AS {self._events}")
        if not is_own:
            self._assert_dated(place)
        return promoted

    def _assert_dated(self, place: str) -> None:
        # Statistics of the files answer this, mostly without reading a row.
        missing = self.rows("SELECT count(*) FROM events WHERE timestamp IS NULL")[0][0]
        if missing:
            raise WarehouseError(
                f"{place}: {missing:,} of its rows lack a timestamp; give it or leave them out"
            )

    def _open_profiles(self, path: str | None, merges: str | None) -> None:
        if path is None:
            self.connection.execute(
                "CREATE TEMP VIEW profiles AS"
                f" SELECT profile_id, {_NO_PROFILES} FROM events LIMIT 0"
            )
            return
        source = f"read_parquet({columns.quoted(path)})"
        kinds = self._columns_of(source, path)
        if "profile_id" not in kinds:
            raise WarehouseError(f"{path} has no column profile_id; it has {', '.join(kinds)}")
        parts = [
            f"CAST({columns.profile_column(kinds, name, path)} AS {kind}) AS {name}"
            for name, kind in _PROFILES.items()
        ]
        # Who was merged away is asked no more.
        merged = (
            " WHERE profile_id NOT IN"
            f" (SELECT profile_id FROM read_parquet({columns.quoted(merges)}))"
            if merges
            else ""
        )
        self.connection.execute(
            f"CREATE TEMP VIEW profiles AS SELECT profile_id, {', '.join(parts)}"
            f" FROM {source} AS e{merged}"
        )

    def _open_zones(self) -> None:
        self.connection.execute(
            "CREATE TEMP TABLE zones AS SELECT unnest(?) AS name", [zone_names()]
        )

    def _columns_of(self, source: str, place: str) -> dict[str, str]:
        try:
            described = self.connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        except duckdb.Error as error:
            raise FilesError(f"cannot read {place}: {_first_line(error)}") from error
        return {row[0]: row[1] for row in described}

    def _names_as_sent(self, source: str, name: str) -> dict[str, str]:
        """Return how names of events are compared that were written in another way."""
        found = self.rows(f"SELECT DISTINCT {name} FROM {source} AS e WHERE {name} IS NOT NULL")
        names = {sent: snake_case(sent) for (sent,) in found}
        return {sent: compared for sent, compared in names.items() if sent != compared}

    def _kind_of(self, select: str) -> str:
        return str(self.connection.execute(f"DESCRIBE {select}").fetchall()[0][1])


def answers_of(query: Query, rows: Sequence[Sequence[Any]]) -> Answers:
    """Read the rows that an engine answers a query with.

    Args:
        query: What was asked.
        rows: Its keys (profile; or profile and instant), then a column for each of its facets.
    """
    first = len(rows[0]) - len(query.facets) if rows else 0
    return {
        row[0] if first == 1 else tuple(row[:first]): _value_of(query.facets, row[first:])
        for row in rows
    }


@cache
def _prelude() -> str:
    return DUCKDB.prelude()


@cache
def zone_names() -> list[str]:
    """Return the names of time zones, as the rows of `zones`."""
    return sorted(name for name in available_timezones() if is_zone(name))


def _list_of(paths: Sequence[str]) -> str:
    return f"[{', '.join(map(columns.quoted, paths))}]"


def _unreadable(error: Exception) -> WarehouseError:
    what = _first_line(error).partition("  Input:")[0]
    if "timestamp field" in what:
        return WarehouseError(f"{what}; write instants like 2026-01-31T10:00:00Z")
    if "JSON" in what:
        return WarehouseError(f"{what}; write each of properties and context as a JSON object")
    return WarehouseError(
        "a number is too large for the warehouse, which counts to 1e29; divide it first"
    )


def _first_line(error: Exception) -> str:
    said = str(error).partition("\n")[0]
    return said.partition("Error: ")[2] or said


def _value_of(names: Sequence[str], columns: Sequence[Any]) -> Value:
    for name, found in zip(names, columns, strict=True):
        if found is None:
            continue
        match name:
            case "number":
                return int(Decimal(found).scaleb(PLACES, _EXACT))
            case "moment":
                return Moment(found)
            case "lapse":
                return Lapse(found)
            case "items":
                # Drivers of some engines read JSON themselves.
                read = json.loads(found, parse_float=Decimal) if isinstance(found, str) else found
                return from_json(read)
        return found  # type: ignore[no-any-return]
    return None
