"""Joins the parts of an import, beside a server that runs or into the folder of one that rests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tailorbird.adapters.socket.client import SocketLogWriter
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.adapters.sqlite.import_store import SqliteImportStore
from tailorbird.bootstrap.stores import (
    is_writer_listening,
    open_clock,
    open_control,
    open_dead_letters,
    open_identity,
    open_log,
    open_places,
    open_seen_days,
    open_suppression,
    open_writer_client,
    own,
)
from tailorbird.delivery.suppression import changes_of
from tailorbird.ports.clock import ClockProblem
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import Answer, EventDraft, LogWriter
from tailorbird.services import erase
from tailorbird.services.append import Appender
from tailorbird.services.identity_rules import LiveRules, rules_of_version
from tailorbird.services.imports.run import Ways
from tailorbird.services.learned import Learned
from tailorbird.services.standardise import LiveStandardiser

IMPORTS = "imports.db"
# Commits between two moves of the log's write-ahead log into its file, as a server's writer has it.
_CHECKPOINT_COMMITS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What an import works with; `close` it, in the event loop that worked with it."""

    ways: Ways
    is_resting: bool  # no server runs: this process is the log's writer
    learned: Learned
    closing: Sequence[Callable[[], None]]

    async def close(self) -> None:
        """Close all files, and tell what was learned of the events' shapes."""
        writer = self.ways.writer
        if writer is not None:
            self.learned.flush()
        if isinstance(writer, SocketLogWriter):
            await writer.close()
        for close in self.closing:
            close()


def open_import(data: Path, clock_kind: str, *, is_dry: bool) -> Opened:
    """Open what an import works with. A dry run reads what is there and writes nothing.

    Raises:
        StorageProblem: another import runs, or a server that is just starting or stopping.
    """
    control, clock = open_control(data), open_clock(data, clock_kind)
    rules, learned = LiveRules(control), Learned(control)
    standardise = LiveStandardiser(control, rules, partial(open_places, control), learned)
    closing: list[Callable[[], None]] = [control.close]
    store: SqliteImportStore | None = None
    if is_dry:
        if (data / IMPORTS).exists():
            store = SqliteImportStore(data / IMPORTS)
            closing.append(store.close)
        ways = Ways(clock=clock, store=store, rules=rules, standardise=standardise)
        return Opened(ways=ways, is_resting=False, learned=learned, closing=closing)
    importing = own(data, "import")
    is_resting = not is_writer_listening(data)
    writer: LogWriter
    log: SqliteEventLog
    if is_resting:
        writer = resting = RestingWriter(data, clock_kind)
        log = resting.log
        closing.append(resting.close)
    else:
        writer, log = open_writer_client(data), open_log(data)
        closing.append(log.close)
    store, letters = SqliteImportStore(data / IMPORTS), open_dead_letters(data)
    closing += [store.close, letters.close, importing.close]
    ways = Ways(
        clock=clock,
        store=store,
        writer=writer,
        letters=letters,
        taken_since=log.dedups_since,
        rules=rules,
        standardise=standardise,
    )
    return Opened(ways=ways, is_resting=is_resting, learned=learned, closing=closing)


class RestingWriter:
    """The log's writer within this process, while no server runs; none can start meanwhile."""

    def __init__(self, data: Path, clock_kind: str) -> None:
        """Become the writer of a data folder.

        Raises:
            StorageProblem: somebody else is it.
        """
        self._ownership = own(data, "writer")
        self._clock = open_clock(data, clock_kind, is_writer=True)
        self.log = open_log(data, is_writer=True)
        self._identity = open_identity(data, is_writer=True)
        self._suppression = open_suppression(data, is_writer=True)
        self._control = control = open_control(data)
        self._commits = 0
        self._appender = Appender(
            self.log,
            self._identity,
            self._suppression,
            self._clock,
            changes_of,
            LiveRules(control)(),
            lambda version: rules_of_version(control, version),
            open_seen_days(data),
            lambda record: erase.note(control, record),
        )

    async def write(self, events: Sequence[EventDraft]) -> list[Answer]:
        """Append durably; see the port."""
        answers = self._appender.write(events)[0]
        self._commits += 1
        if self._commits % _CHECKPOINT_COMMITS == 0:
            self.log.checkpoint()
        return answers

    async def append(self, drafts: Sequence[Draft]) -> list[Answer]:
        """Append records of other kinds; see the port."""
        return self._appender.write((), drafts)[1]

    async def now(self) -> int:
        """Return the present instant of the log."""
        return self._appender.now()

    async def set_now(self, now: int) -> int:
        """Refuse: nobody moves the clock of a server that rests."""
        raise ClockProblem("no server runs; the clock stands")

    def close(self) -> None:
        """Leave the files as a writer that stops does."""
        if self._appender.is_untidy:
            self._appender.tidy()
        for one in (self.log, self._identity, self._suppression, self._control, self._ownership):
            one.close()
