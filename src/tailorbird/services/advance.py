"""The engine: a host that owns partitions, reads their records in order and calls the reducer.

Everything that a batch of records changed (states, memberships, deadlines, outbox, offset) is
committed in one transaction, at least every 20 ms (100 while the engine is behind) or 5,000
profiles; `working_set` holds it until then. How records are cut into batches, and how many engines
share the partitions, changes nothing in the states.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import msgspec
import structlog

from tailorbird.events.event import (
    ACTIVATE,
    ERASE,
    EVENT,
    LINK,
    NOISY_EVENT,
    PARTITIONS,
    REFOLD,
    TICK,
    UNMERGE,
    Activate,
    Record,
    Unmerge,
    partition_of,
)
from tailorbird.ports.event_log import LogReader
from tailorbird.ports.filled import OpenFilled, open_nothing
from tailorbird.ports.state_store import StateStore, SweepRow
from tailorbird.profiles.state import ProfileState
from tailorbird.reducer.reducer import Facts, Reducer
from tailorbird.reducer.reduction import Reduction
from tailorbird.services.backfill import refold
from tailorbird.services.filling import Filling
from tailorbird.services.sweep import Sweep
from tailorbird.services.working_set import PAGE, WorkingSet, pages
from tailorbird.workspace.definitions import Workspace

LoadWorkspace = Callable[[str], Workspace]

RECORDS_PER_COMMIT = 2_000
PROFILES_PER_COMMIT = 5_000
COMMIT_SECONDS = 0.02
# While more records wait than one batch holds nothing that is stored is fresh yet: fewer and larger
# commits bring the engine there sooner, by a seventh.
BEHIND_SECONDS = 0.1
# Records of other engines' partitions that are passed over before the offset is stored.
_OFFSETS_PER_COMMIT = 10_000
# Profiles that a version going live is brought to between two batches of records.
SWEPT_PER_STEP = 300
_EMPTY = Workspace(version="")

_log = structlog.get_logger("engine")
_decode_unmerge = msgspec.msgpack.Decoder(Unmerge).decode
_decode_activate = msgspec.msgpack.Decoder(Activate).decode


class _ReductionFailed(Exception):
    """The reducer failed on a record: the batch is done again, carefully."""


class Engine:
    """Owns the partitions p with p % engines == index.

    A record that cannot be reduced (a fault of ours, or bytes that are no event) does not stop the
    others: it is kept in the state's `poison` table with its error, the profile stays as it was
    before it, and the engine goes on. A deadline that fails to fire is taken away from its
    profile, else it would come again at each tick.
    """

    def __init__(
        self,
        log: LogReader,
        state: StateStore,
        load_workspace: LoadWorkspace,
        *,
        index: int = 0,
        engines: int = 1,
        open_filled: OpenFilled = open_nothing,
        is_strict: bool = False,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_strict` lets a record that cannot be reduced stop the engine: for tests.

        `open_filled` opens what was folded before a version went live. `seconds` is what a batch's
        time is measured by.
        """
        self.partitions = frozenset(range(index, PARTITIONS, engines))
        self._owned: Collection[int] | None = None if engines == 1 else sorted(self.partitions)
        self._log = log
        self._load_workspace = load_workspace
        self._is_strict = is_strict
        self._seconds = seconds
        self._is_careful = False
        self._commit_seconds = COMMIT_SECONDS
        self._reducers: dict[str, Reducer] = {"": Reducer(_EMPTY)}
        self._open_filled = open_filled
        self._sweeps: dict[int, Sweep] = {}
        self._filling: tuple[tuple[str, str], Filling] | None = None
        self._refolded: tuple[int, dict[int, Facts]] | None = None
        self._outbox_done: dict[str, int] = {}
        self._work = WorkingSet(state)
        self._seen = self._work.offset

    @property
    def offset(self) -> int:
        """The offset up to which the stored state has come."""
        return self._work.offset

    @property
    def outbox_rows(self) -> int:
        """The number of rows that this engine has put into the outbox since its start."""
        return self._work.outbox_rows

    @property
    def is_filling(self) -> bool:
        """Whether a version is still on its way to some profiles."""
        return bool(self._work.sweeps)

    def step(self, limit: int = RECORDS_PER_COMMIT) -> int:
        """Reduce up to `limit` records, go on with a sweep, and commit; return how many were done.

        0 says that there is nothing to do until the log has more.
        """
        records, seen = self._read(limit)
        swept = 0
        try:
            if records:
                self._commit_seconds = COMMIT_SECONDS if len(records) < limit else BEHIND_SECONDS
                self._advance(records, seen)
            if self._work.sweeps:
                swept = self._sweep(SWEPT_PER_STEP if records else PAGE)
            elif not records and (self._outbox_done or seen - self.offset >= _OFFSETS_PER_COMMIT):
                self._commit(seen)
        except BaseException:
            self._reset()
            raise
        self._seen = seen
        return len(records) + swept

    def forget_outbox(self, kind: str, seq: int) -> None:
        """Note that outbox rows of a kind up to `seq` are safe elsewhere and may go."""
        if seq > self._outbox_done.get(kind, 0):
            self._outbox_done[kind] = seq

    def reducer_of(self, partition: int) -> Reducer:
        """Return the reducer of the version that is live in a partition."""
        version = self._work.versions.get(partition, "")
        return self._reducers.get(version) or self._reducer(version)

    def _reducer(self, version: str) -> Reducer:
        if version not in self._reducers:
            self._reducers[version] = Reducer(self._load_workspace(version))
        return self._reducers[version]

    # -- batches ---------------------------------------------------------------------------------

    def _read(self, limit: int) -> tuple[list[Record], int]:
        """Return the next own records, and the offset up to which the log has been seen."""
        end = 0 if self._owned is None else self._log.end()
        records = self._log.read(self._seen, limit, self._owned)
        if len(records) < limit:
            # Up to that end nothing of ours was left: other engines' records need no second look.
            return records, max(self._seen, end, records[-1].offset if records else 0)
        return records, records[-1].offset

    def _advance(self, records: list[Record], seen: int) -> None:
        try:
            self._take_all(records)
        except _ReductionFailed:
            self._reset()
            self._is_careful = True
            try:
                self._take_all(records)
            finally:
                self._is_careful = False
        self._commit(seen)

    def _take_all(self, records: list[Record]) -> None:
        work, seconds, until = self._work, self._seconds, self._commit_seconds
        last = {one.profile_id: one.offset for one in records}
        work.load(last.keys() - {0})
        begun = seconds()
        for record in records:
            if record.offset <= work.offset:
                continue  # committed before the batch had to be done again
            if record.kind != ACTIVATE:
                self._refolded = None
            if record.body or record.kind == TICK:  # else a stub of somebody who was erased
                self._take(record)
            if last[record.profile_id] == record.offset:
                work.rest(record.profile_id)
            now = seconds()
            if now - begun >= until or len(work) >= PROFILES_PER_COMMIT:
                self._commit(record.offset)
                begun = now

    def _take(self, record: Record) -> None:
        kind = record.kind
        if kind == EVENT:
            self._apply(record, record.profile_id, self._reduce)
        elif kind == TICK:
            self._tick(record)
        elif kind == ACTIVATE:
            self._activate(record)
        elif kind == ERASE:
            self._erase(record)
        elif kind == REFOLD:
            self._refold(record)
        elif kind == UNMERGE:
            self._unmerge(record)
        elif kind not in (LINK, NOISY_EVENT):
            self._apply(record, record.profile_id, self._reduce)

    def _commit(self, offset: int) -> None:
        self._work.commit(offset, self._outbox_done)
        self._outbox_done = {}

    def _reset(self) -> None:
        self._work.reset()
        self._seen = self._work.offset
        # Cells were handed out and may have been changed.
        self._sweeps.clear()
        self._filling = None
        self._refolded = None

    # -- records ---------------------------------------------------------------------------------

    def _apply(
        self,
        record: Record,
        profile_id: int,
        act: Callable[[ProfileState | None, Record], Reduction],
    ) -> None:
        if self._work.sweeps:
            self._catch_up(profile_id)
        self._try(record, profile_id, act)

    def _try(
        self,
        record: Record,
        profile_id: int,
        act: Callable[[ProfileState | None, Record], Reduction],
    ) -> None:
        mark = self._work.mark(profile_id) if self._is_careful else None
        try:
            out = act(self._work.get(profile_id), record)
            self._work.keep(out, record.partition, record.offset)
        except Exception as problem:
            if self._is_strict:
                raise
            if mark is None:
                raise _ReductionFailed from problem
            # The outermost loop of the engine: what failed is recorded and must not stop the rest.
            self._work.go_back(mark)
            self._work.poison(record.offset, f"{record.kind} of {profile_id}: {problem!r}"[:2_000])
            if record.kind == TICK:
                self._work.silence(profile_id)
            _log.error(
                "record_poisoned",
                offset=record.offset,
                kind=record.kind,
                profile_id=profile_id,
                error=type(problem).__name__,
            )

    def _reduce(self, state: ProfileState | None, record: Record) -> Reduction:
        return self.reducer_of(record.partition).reduce(state, record)

    def _tick(self, record: Record) -> None:
        reducer = self.reducer_of(record.partition)
        if (row := self._work.sweeps.get(record.partition)) is not None:
            self._work.sweep(msgspec.structs.replace(row, tick=record.now))

        def fire(state: ProfileState | None, record: Record) -> Reduction:
            return reducer.fire(_existing(state), record.now)

        for page in pages(self._work.due(record.partition, record.now)):
            for profile_id in self._work.load(page):
                self._apply(record, profile_id, fire)
                self._work.rest(profile_id)

    def _activate(self, record: Record) -> None:
        """Make a version live in a partition; its profiles follow in a sweep."""
        partition = record.partition
        body = _decode_activate(record.body)
        if partition in self._work.sweeps or body.is_recompute:
            self._commit(record.offset - 1)  # a sweep reads from the store
        while partition in self._work.sweeps:
            # One activation at a time.
            self._sweep_page(partition, PAGE)
            self._commit(record.offset - 1)
        before = self._work.versions.get(partition, "")
        self._work.set_version(partition, body.version)
        self._work.sweep(SweepRow(partition, record.offset, before, tick=record.now))
        if body.is_recompute:
            while partition in self._work.sweeps:
                self._sweep_page(partition, PAGE)
            self._recompute(record)

    def _sweep(self, limit: int) -> int:
        """Activate a page of profiles and commit; return how many were looked at, at least 1."""
        partition = min(self._work.sweeps)
        try:
            count = self._sweep_page(partition, limit)
        except _ReductionFailed:
            self._reset()
            self._is_careful = True
            try:
                count = self._sweep_page(partition, limit)
            finally:
                self._is_careful = False
        self._commit(self.offset)
        return count

    def _sweep_page(self, partition: int, limit: int) -> int:
        row, sweep = self._work.sweeps[partition], self._sweep_of(partition)
        page = sweep.page(self._work, row.after, limit)
        self._work.load(page)
        for profile_id in page:
            if not self._work.is_swept(profile_id):
                self._activate_profile(sweep, profile_id)
                self._work.rest(profile_id)
        if len(page) == limit:
            self._work.sweep(msgspec.structs.replace(row, after=page[-1]))
        else:
            self._work.end_sweep(partition)
            del self._sweeps[partition]
            self._forget()
        return len(page) or 1

    def _catch_up(self, profile_id: int) -> None:
        """Activate a profile that the sweep on its way has not come to."""
        if self._work.is_swept(profile_id):
            return
        sweep = self._sweep_of(partition_of(profile_id))
        if sweep.concerns(profile_id):
            self._activate_profile(sweep, profile_id)
            self._work.sweep_ahead(profile_id)

    def _activate_profile(self, sweep: Sweep, profile_id: int) -> None:
        record = sweep.record
        tick = self._work.sweeps[record.partition].tick

        def act(state: ProfileState | None, record: Record) -> Reduction:
            steps = sweep.activate(_existing(state), tick)
            out = next(steps)
            for more in steps:
                self._work.keep(out, record.partition, record.offset)
                out = more
            return out

        state = self._work.get(profile_id)
        if state is not None and not state.merged_into:
            self._try(record, profile_id, act)

    def _sweep_of(self, partition: int) -> Sweep:
        sweep = self._sweeps.get(partition)
        if sweep is None:
            row = self._work.sweeps[partition]
            (record,) = self._log.read(row.offset - 1, 1)
            old, new = self._reducer(row.before), self.reducer_of(partition)
            filling = self._filling_of(record, row.before, old, new)
            sweep = self._sweeps[partition] = Sweep(record, old, new, filling)
        return sweep

    def _filling_of(self, record: Record, before: str, old: Reducer, new: Reducer) -> Filling:
        # The activate records of one version lie side by side: one pass serves all partitions.
        body = _decode_activate(record.body)
        versions = (before, body.version)
        if self._filling is None or self._filling[0] != versions:
            self._filling = None
        if self._filling is None or not self._filling[1].serves(record.offset):
            only = new.new_cells(None if before == "" else old)
            prepared = None
            if body.filling and only:
                prepared = self._open_filled(
                    body.filling, {one: new.program.specs[one] for one in only}
                )
            filling = Filling(self._log, new, only, record.offset, self._owns, prepared)
            self._filling = (versions, filling)
        return self._filling[1]

    def _refold(self, record: Record) -> None:
        reducer = self.reducer_of(record.partition)
        facts = refold(self._log, reducer, record.offset, record.profile_id.__eq__)
        self._make_anew(record, reducer, record.profile_id, facts)

    def _unmerge(self, record: Record) -> None:
        reducer = self.reducer_of(record.partition)
        undone = _decode_unmerge(record.body)

        def act(state: ProfileState | None, record: Record) -> Reduction:
            fired = reducer.fire(_existing(state), record.now - 1)
            self._work.keep(fired, record.partition, record.offset)
            skip = frozenset(waiting.offset for waiting in fired.state.parked)
            facts = refold(
                # The record itself says who is who from here on.
                self._log,
                reducer,
                record.offset + 1,
                record.profile_id.__eq__,
                skip=skip,
            )
            mine = facts.get(record.profile_id)
            return reducer.unmerge(fired.state, record.now, undone, mine)

        if self._work.get(record.profile_id) is not None:
            self._apply(record, record.profile_id, act)

    def _erase(self, record: Record) -> None:
        self._commit(record.offset - 1)
        self._work.erase(record.profile_id)

    def _recompute(self, record: Record) -> None:
        reducer = self.reducer_of(record.partition)
        # The records of one recomputation lie side by side: one pass serves all partitions.
        if self._refolded is None or record.offset - self._refolded[0] > PARTITIONS:
            facts = refold(self._log, reducer, record.offset, self._owns)
            self._refolded = (record.offset, facts)
        for page in self._work.pages(record.partition):
            for profile_id in page:
                self._make_anew(record, reducer, profile_id, self._refolded[1])

    def _make_anew(
        self, record: Record, reducer: Reducer, profile_id: int, facts: dict[int, Facts]
    ) -> None:
        def act(state: ProfileState | None, record: Record) -> Reduction:
            fired = reducer.fire(_existing(state), record.now - 1)
            self._work.keep(fired, record.partition, record.offset)
            one, mine = fired.state, facts.get(profile_id)
            if one.parked:
                # What waits in the profile for a merge is reduced later.
                skip = frozenset(waiting.offset for waiting in one.parked)
                mine = refold(self._log, reducer, record.offset, profile_id.__eq__, skip=skip).get(
                    profile_id
                )
            return reducer.refold(one, record.now, mine)

        state = self._work.get(profile_id)
        if state is not None and not state.merged_into:
            self._apply(record, profile_id, act)

    def _owns(self, profile_id: int) -> bool:
        return partition_of(profile_id) in self.partitions

    def _forget(self) -> None:
        """Let go of what only the versions before needed."""
        if not self._work.sweeps:
            self._filling = None
            live = {"", *(self._work.versions.get(one, "") for one in self.partitions)}
            self._reducers = {one: kept for one, kept in self._reducers.items() if one in live}


def _existing(state: ProfileState | None) -> ProfileState:
    assert state is not None
    return state
