"""The lake of a data folder: brought up to the log's end, and asked about everybody."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Timer

from tailorbird.adapters.lake.parquet import write_survivors
from tailorbird.bootstrap.lake_keeper import bring_up_lake, mend_lake, open_lake
from tailorbird.bootstrap.stores import open_log
from tailorbird.language import tree
from tailorbird.language.oracle import Person
from tailorbird.language.plain import to_plain
from tailorbird.language.values import Value
from tailorbird.language.warehouse.columns import quoted
from tailorbird.language.warehouse.embedded import Warehouse
from tailorbird.language.warehouse.errors import FilesError
from tailorbird.language.warehouse.frame import Frame
from tailorbird.language.warehouse.query import Query, members_query, value_query
from tailorbird.services.backfill import survivors
from tailorbird.services.question import Nearness, Question

__all__ = ["LakeAsker", "bring_up_lake", "open_lake"]

# What DuckDB takes of the memory that is free, and at least in bytes.
_MEMORY_SHARE = 0.5
_MEMORY_MIN = 256 << 20
# Events that are read to learn which names they have.
_EXAMPLES = 500


class LakeAsker:
    """Asks conditions of everybody, as known at an instant. Close it when done."""

    def __init__(self, data: Path, now: int) -> None:
        """`now` is microseconds UTC."""
        self._data = data
        self.now = now
        self._things = ExitStack()
        self._warehouse: Warehouse | None = None
        self.mended: list[str] = []  # what was said of files that were found damaged
        try:
            self._open()
        except FilesError:
            self.mended = mend_lake(data)
            if not self.mended:
                raise
            self._open()

    def _open(self) -> None:
        lake = bring_up_lake(self._data)
        self.since = lake.manifest().since
        self._files = lake.event_files()
        if self._files:
            folder = Path(self._things.enter_context(tempfile.TemporaryDirectory()))
            self._warehouse = Warehouse(
                self._files,
                merges=self._write_merges(folder),
                only_promoted=lake.promoted(),
                storage=lake.place.filesystem(),
                memory=_memory(),
                spill=str(folder),
            )
            self._things.callback(self._warehouse.close)
            self._warehouse.ask_everybody(self.now)

    def close(self) -> None:
        """Close what was opened."""
        self._things.close()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Stop what is asked here when it has taken so long.

        Raises:
            TooMuchError: it has.
        """
        if self._warehouse is None:
            yield
            return
        timer = Timer(seconds, self._warehouse.connection.interrupt)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def sample(self, one_in: int) -> None:
        """Ask only one in so many people from here on; 1 is everybody."""
        if self._warehouse is not None:
            self._warehouse.sample(one_in)

    def members(self, node: tree.Node, question: Question) -> list[int]:
        """Return the profile ids of those for whom a condition holds.

        Raises:
            WarehouseError: a warehouse cannot be asked this.
        """
        if self._warehouse is None:
            return []
        rows = self._warehouse.rows(self._members_query(node, question).text())
        return sorted(row[0] for row in rows)

    def count(self, node: tree.Node, question: Question, at: int | None = None) -> int:
        """Return for how many of the people known then a condition holds.

        Raises:
            WarehouseError: as of `members`.
        """
        if self._warehouse is None:
            return 0
        if at is not None:
            self._warehouse.ask_everybody(at)
        try:
            return self._warehouse.count(self._members_query(node, question, at))
        finally:
            self._warehouse.ask_everybody(self.now)

    def holds_for(self, question: Question, instants: Mapping[int, int]) -> set[int]:
        """Return those for whom a condition holds, each asked as known at an instant of their own.

        Args:
            question: The condition.
            instants: By profile id, microseconds UTC.

        Raises:
            WarehouseError: a warehouse cannot be asked this.
        """
        if self._warehouse is None or not instants:
            return set()
        frame = self._warehouse.frame(None)
        query = members_query(question.node, frame, question.given)
        self._warehouse.ask_at(instants.items())
        return {row[0] for row in self._warehouse.rows(query.text())}

    def values_of(
        self, node: tree.Node, given: Person, instants: Mapping[int, int]
    ) -> dict[int, Value]:
        """Return what an expression comes to, each asked as known at an instant of their own.

        Args:
            node: The expression.
            given: What it may refer to.
            instants: By profile id, microseconds UTC.

        Raises:
            WarehouseError: a warehouse cannot be asked this.
        """
        if self._warehouse is None or not instants:
            return {}
        query = value_query(node, Frame(now=None, promoted=self._warehouse.promoted), given)
        self._warehouse.ask_at(instants.items())
        return {key[0]: value for key, value in self._warehouse.values(query).items()}

    def narrow(self, parts: Sequence[tree.Node], question: Question) -> list[int]:
        """Return how many are left after each condition of a list; keeps what `nearest` reads.

        Raises:
            WarehouseError: a warehouse cannot be asked this.
        """
        if self._warehouse is None:
            return [0] * len(parts)
        sizes = []
        joined = "asked"
        for at, part in enumerate(parts):
            text = self._members_query(part, question).text()
            self._warehouse.rows(f"CREATE OR REPLACE TEMP TABLE part_{at} AS {text}")
            joined += f" SEMI JOIN part_{at} USING (profile_id)"
            sizes.append(int(self._warehouse.rows(f"SELECT count(*) FROM {joined}")[0][0]))
        return sizes

    def nearest(
        self, failing: int, parts: int, order: Nearness | None, question: Question, limit: int
    ) -> list[int]:
        """Return people for whom one condition alone fails, the nearest to it first.

        Args:
            failing: Which of the conditions that `narrow` was asked.
            parts: How many there were.
            order: What tells how near somebody is; None takes anybody.
            question: Whose conditions they are.
            limit: Most people.
        """
        if self._warehouse is None:
            return []
        others = [f"SEMI JOIN part_{at} USING (profile_id)" for at in range(parts) if at != failing]
        almost = (
            f"SELECT profile_id FROM asked {' '.join(others)}"
            f" ANTI JOIN part_{failing} USING (profile_id)"
        )
        sort = ""
        joined = ""
        if order is not None:
            query = value_query(order.node, self._frame(), question.given)
            column = next(iter(query.facets), None)
            if column is not None:
                joined = f" JOIN ({query.text()}) AS v USING (profile_id)"
                sort = order.sql(f"v.{column}") + ", "
        rows = self._warehouse.rows(
            f"SELECT a.profile_id FROM ({almost}) AS a{joined}"
            f" ORDER BY {sort}a.profile_id LIMIT {limit}"
        )
        return [row[0] for row in rows]

    def looked_at(
        self, people: Collection[int], parts: Sequence[tree.Node], question: Question
    ) -> dict[int, list[dict[str, object]]]:
        """Return each condition with its values for some people: text, holds, values.

        Raises:
            WarehouseError: a warehouse cannot be asked this.
        """
        if self._warehouse is None:
            return {}
        self._warehouse.ask_only(people)
        found: dict[int, list[dict[str, object]]] = {one: [] for one in people}
        for part in parts:
            holding = set(self.members(part, question))
            values = {
                text: self._warehouse.values(value_query(node, self._frame(), question.given))
                for text, node in question.values_in(part)
            }
            for one in people:
                told = [
                    {"text": text, "value": to_plain(of_all.get(one))}
                    for text, of_all in values.items()
                ]
                text = question.text_of(part)
                found[one].append({"text": text, "holds": one in holding, "values": told})
        self._warehouse.ask_everybody(self.now)
        return found

    def people(self) -> int:
        """Return how many people there are."""
        if self._warehouse is None:
            return 0
        return int(self._warehouse.rows("SELECT count(*) FROM asked")[0][0])

    def events(self) -> set[str]:
        """Return the names of all events that ever came."""
        if self._warehouse is None:
            return set()
        return {row[0] for row in self._warehouse.rows("SELECT DISTINCT event FROM events")}

    def examples(self, column: str, event: str | None = None) -> list[str | None]:
        """Return `properties` or `context` (JSON) of some events, of a name or of any."""
        if self._warehouse is None:
            return []
        named = f" WHERE event = {quoted(event)}" if event is not None else ""
        rows = self._warehouse.rows(f"SELECT {column} FROM events{named} LIMIT {_EXAMPLES}")
        return [row[0] for row in rows]

    def _frame(self, at: int | None = None) -> Frame:
        assert self._warehouse is not None
        return self._warehouse.frame(self.now if at is None else at)

    def _members_query(self, node: tree.Node, question: Question, at: int | None = None) -> Query:
        return members_query(node, self._frame(at), question.given)

    def _write_merges(self, folder: Path) -> str | None:
        with closing(open_log(self._data)) as log:
            found = survivors(log, log.end())
        if not found:
            return None
        write_survivors(found, folder / "merges.parquet")
        return str(folder / "merges.parquet")


def _memory() -> int:
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(_MEMORY_MIN, int(free * _MEMORY_SHARE))
