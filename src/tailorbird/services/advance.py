"""The engine: a host that owns partitions, reads their records in order and calls the reducer.

Everything that a batch of records changed (states, memberships, deadlines, outbox, offset) is
committed in one transaction. Hot profiles stay decoded between batches. If a commit fails the
decoded profiles are dropped and read again, so that memory never runs ahead of the store.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

import msgspec
import structlog

from tailorbird.events.event import (
    ACTIVATE,
    LINK,
    PARTITIONS,
    TICK,
    Activate,
    Record,
    partition_of,
)
from tailorbird.ports.event_log import EventLog
from tailorbird.ports.state_store import (
    Commit,
    MembershipRow,
    OutboxRow,
    ProfileRow,
    StateStore,
)
from tailorbird.profiles.state import ProfileState, decode, encode
from tailorbird.reducer.effects import HandOver
from tailorbird.reducer.reducer import Reducer
from tailorbird.reducer.reduction import Reduction
from tailorbird.services.backfill import backfill
from tailorbird.workspace.definitions import Workspace

LoadWorkspace = Callable[[str], Workspace]

HOT_PROFILES_MAX = 100_000
RECORDS_PER_COMMIT = 2_000
_SWEEP_PAGE = 1_000
_EMPTY = Workspace(version="")

_log = structlog.get_logger("engine")
_decode_activate = msgspec.msgpack.Decoder(Activate).decode


@dataclass(slots=True)
class _Pending:
    """What the next commit will store."""

    states: dict[int, ProfileState] = field(default_factory=dict)
    deadlines: dict[int, int | None] = field(default_factory=dict)
    memberships: list[MembershipRow] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    versions: dict[int, str] = field(default_factory=dict)
    poison: list[tuple[int, str]] = field(default_factory=list)


class Engine:
    """Owns the partitions p with p % engines == index."""

    def __init__(
        self,
        log: EventLog,
        state: StateStore,
        load_workspace: LoadWorkspace,
        *,
        index: int = 0,
        engines: int = 1,
        is_strict: bool = False,
    ) -> None:
        """`is_strict` lets a record that cannot be reduced stop the engine: for tests."""
        self.partitions = frozenset(range(index, PARTITIONS, engines))
        self._owned: Collection[int] | None = None if engines == 1 else sorted(self.partitions)
        self._log = log
        self._state = state
        self._load_workspace = load_workspace
        self._is_strict = is_strict
        self._reducers: dict[str, Reducer] = {"": Reducer(_EMPTY)}
        self._backfills: dict[tuple[str, str], dict[int, dict[int, object]]] = {}
        self._outbox_done: dict[str, int] = {}
        self._pending = _Pending()
        self._reset()

    def step(self, limit: int = RECORDS_PER_COMMIT) -> int:
        """Reduce up to `limit` records and commit; return how many were read."""
        records = self._log.read(self.offset, limit, self._owned)
        if not records:
            if self._outbox_done:
                self._commit(self.offset)
            return 0
        try:
            for record in records:
                self._take(record)
            self._commit(records[-1].offset)
        except BaseException:
            self._reset()
            raise
        return len(records)

    def forget_outbox(self, kind: str, seq: int) -> None:
        """Note that outbox rows of a kind up to `seq` are safe elsewhere and may go."""
        if seq > self._outbox_done.get(kind, 0):
            self._outbox_done[kind] = seq

    def reducer_of(self, partition: int) -> Reducer:
        """Return the reducer of the version that is live in a partition."""
        version = self._versions.get(partition, "")
        reducer = self._reducers.get(version)
        if reducer is None:
            reducer = self._reducers[version] = Reducer(self._load_workspace(version))
        return reducer

    # -- records ---------------------------------------------------------------------------------

    def _take(self, record: Record) -> None:
        if record.kind == LINK:
            return
        try:
            if record.kind == TICK:
                self._tick(record)
            elif record.kind == ACTIVATE:
                self._activate(record)
            else:
                state = self._load([record.profile_id]).get(record.profile_id)
                out = self.reducer_of(record.partition).reduce(state, record)
                self._keep(out, record.partition, record.offset)
        except Exception as problem:
            # The outermost loop of the engine: one bad record is recorded and must not stop
            # the others. Its profile is read again, as it was before.
            if self._is_strict or record.kind in (TICK, ACTIVATE):
                raise
            self._hot.pop(record.profile_id, None)
            self._pending.poison.append((record.offset, repr(problem)[:2_000]))
            _log.error("record_poisoned", offset=record.offset, error=type(problem).__name__)

    def _tick(self, record: Record) -> None:
        reducer = self.reducer_of(record.partition)
        pending = self._pending.deadlines
        due = [one for one in self._state.due(record.partition, record.now) if one not in pending]
        due += [
            one
            for one, at in pending.items()
            if at is not None and at <= record.now and partition_of(one) == record.partition
        ]
        for page in _pages(sorted(due)):
            for state in self._load(page).values():
                self._keep(reducer.fire(state, record.now), record.partition, record.offset)

    def _activate(self, record: Record) -> None:
        """Make a version live in a partition: back-fill what is new, then sweep its profiles."""
        version = _decode_activate(record.body).version
        old = self.reducer_of(record.partition)
        before = self._versions.get(record.partition, "")
        self._versions[record.partition] = version
        self._pending.versions[record.partition] = version
        new = self.reducer_of(record.partition)
        filled = self._backfilled(before, version, old, new, record.offset)
        for page in self._profiles_of(record.partition):
            for profile_id, state in self._load(page).items():
                if state.merged_into:
                    continue
                fired = old.fire(state, record.now - 1)
                self._keep(fired, record.partition, record.offset)
                cells = filled.get(profile_id, {})
                self._keep(
                    new.activate(fired.state, record.now, cells), record.partition, record.offset
                )

    def _backfilled(
        self, before: str, version: str, old: Reducer, new: Reducer, offset: int
    ) -> dict[int, dict[int, object]]:
        # The activate records of one version lie side by side: one pass serves all partitions.
        key = (before, version)
        if key not in self._backfills:
            self._backfills.clear()
            only = new.new_cells(None if before == "" else old)
            self._backfills[key] = (
                backfill(self._log, new, only, offset, self.partitions) if only else {}
            )
        return self._backfills[key]

    def _profiles_of(self, partition: int) -> Iterable[list[int]]:
        fresh = sorted(one for one in self._pending.states if partition_of(one) == partition)
        yield from _pages(fresh)
        after = -1
        while ids := self._state.profile_ids(partition, after, _SWEEP_PAGE):
            after = ids[-1]
            known = set(fresh)
            yield [one for one in ids if one not in known]

    # -- states ----------------------------------------------------------------------------------

    def _load(self, profile_ids: list[int]) -> dict[int, ProfileState]:
        found: dict[int, ProfileState] = {}
        missing: list[int] = []
        for one in profile_ids:
            state = self._hot.get(one)
            if state is None:
                missing.append(one)
            else:
                self._hot.move_to_end(one)
                found[one] = state
        if missing:
            for one, data in self._state.profiles(missing).items():
                found[one] = self._hot[one] = decode(data)
        return found

    def _keep(self, out: Reduction, partition: int, offset: int) -> None:
        state, pending = out.state, self._pending
        profile_id = state.profile_id
        self._hot[profile_id] = pending.states[profile_id] = state
        pending.deadlines[profile_id] = out.deadline
        for change in out.memberships:
            pending.memberships.append(
                MembershipRow(change.segment, profile_id, change.is_member, change.at, change.cause)
            )
        for effect in out.effects:
            kind = "hand_over" if isinstance(effect, HandOver) else "send"
            pending.outbox.append(
                OutboxRow(
                    0,
                    effect.effect_id,
                    kind,
                    partition,
                    offset,
                    profile_id,
                    msgspec.msgpack.encode(effect),
                )
            )

    def _commit(self, offset: int) -> None:
        pending = self._pending
        self._state.commit(
            Commit(
                offset=offset,
                profiles=[
                    ProfileRow(
                        one,
                        partition_of(one),
                        encode(state),
                        pending.deadlines[one],
                        bool(state.merged_into),
                    )
                    for one, state in pending.states.items()
                ],
                memberships=pending.memberships,
                outbox=pending.outbox,
                outbox_done=self._outbox_done,
                versions=pending.versions,
                poison=pending.poison,
            )
        )
        self.offset = offset
        self._pending = _Pending()
        self._outbox_done = {}
        while len(self._hot) > HOT_PROFILES_MAX:
            self._hot.popitem(last=False)

    def _reset(self) -> None:
        self.offset = self._state.offset()
        self._versions = dict(self._state.versions())
        self._hot: OrderedDict[int, ProfileState] = OrderedDict()
        self._pending = _Pending()


def _pages(ids: list[int]) -> Iterable[list[int]]:
    for start in range(0, len(ids), _SWEEP_PAGE):
        yield ids[start : start + _SWEEP_PAGE]
