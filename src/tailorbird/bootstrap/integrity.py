"""What the doctor asks of a data folder, joined."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from tailorbird.adapters.sqlite import integrity
from tailorbird.adapters.sqlite.connection import copy_database
from tailorbird.adapters.sqlite.identity_store import SqliteIdentityStore
from tailorbird.adapters.sqlite.suppression_store import SqliteSuppressionStore
from tailorbird.bootstrap.stores import (
    open_clock,
    open_control,
    open_ledger,
    open_log,
    open_state,
)
from tailorbird.delivery.suppression import changes_of
from tailorbird.events.event import Record
from tailorbird.ports.event_log import Draft
from tailorbird.services.append import Appender
from tailorbird.services.replay import Past


class FolderContents:
    """`services.integrity.Contents` of a data folder, whose server may run."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def log_end(self) -> int:
        """Return the last offset."""
        with closing(open_log(self._data)) as log:
            return log.end()

    def log_gaps(self) -> list[str]:
        """Return places where offsets or stamps do not follow on."""
        return integrity.log_gaps(self._data / "log")

    def engines(self) -> int:
        """Return how many states there are."""
        with closing(open_control(self._data)) as control:
            known = int(control.get("engines") or 0)
        return sum((self._data / "state" / f"{index}.db").is_file() for index in range(known))

    def state_offset(self, index: int) -> int:
        """Return how far a state has come."""
        with closing(open_state(self._data, index)) as state:
            return state.offset()

    def miscounted(self, index: int) -> list[str]:
        """Return what a state counts otherwise than its rows are."""
        return integrity.miscounted(self._data / "state" / f"{index}.db")

    def outbox_numbers(self, index: int) -> tuple[int, int]:
        """Return the largest number given, and the largest taken over."""
        taken = 0
        if (self._data / "ledger.db").is_file():
            with closing(open_ledger(self._data)) as ledger:
                taken = ledger.cursor(index)
        return integrity.outbox_number(self._data / "state" / f"{index}.db"), taken

    def identity_differences(self) -> list[str]:
        """Return how the identity store differs from what the log gives."""
        return self._differences("identity.db", ("identifier", "profile", "redirect", "apart"))

    def suppression_differences(self) -> list[str]:
        """Return how the suppression store differs from what the log gives."""
        return self._differences("suppression.db", ("suppression",))

    def on_hold(self) -> int:
        """Return how many messages wait to be released."""
        if not (self._data / "ledger.db").is_file():
            return 0
        with closing(open_ledger(self._data)) as ledger:
            return ledger.count_on_hold()

    def _differences(self, name: str, tables: tuple[str, ...]) -> list[str]:
        if not (self._data / name).is_file():
            return [f"{name} is missing"]
        with tempfile.TemporaryDirectory(prefix="tailorbird-doctor-") as place:
            lived, folder = Path(place, "lived.db"), Path(place)
            copy_database(self._data / name, lived)
            store = (SqliteIdentityStore if name == "identity.db" else SqliteSuppressionStore)(
                lived
            )
            with closing(store):
                until = store.offset()
            again = folder / name
            with (
                closing(SqliteIdentityStore(folder / "identity.db", is_writer=True)) as identity,
                closing(
                    SqliteSuppressionStore(folder / "suppression.db", is_writer=True)
                ) as suppression,
                closing(open_log(self._data)) as log,
            ):
                if until > log.end():
                    return [f"it has come to record {until:,}, the log ends at {log.end():,}"]
                clock = open_clock(self._data, "system")
                Appender(_UpTo(log, until), identity, suppression, clock, changes_of)
            return integrity.differing_tables(lived, again, tables)


class _UpTo(Past):
    """The log up to an offset, for an appender that shall only catch up with it."""

    def append(self, drafts: Sequence[Draft], now: int) -> list[Record]:
        """Refuse: the past does not change."""
        raise AssertionError("nothing is appended to the past")

    def dedups_since(self, now: int) -> Iterator[tuple[int, int]]:
        """Return nothing: nothing will be appended."""
        return iter(())
