"""What an engine holds in memory: profiles, and all that its next commit will store.

A profile's state is some hundred objects, and memory is slow: it is decoded when its first record
comes and encoded after its last one of a batch, while all of it lies in the processor's cache. With
a million people that saves a quarter of the engine's time. Only who comes again stays decoded.

If a commit or a reduction fails, `reset` drops everything and the store is read again, so that
memory never runs ahead of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec

from tailorbird.events.event import partition_of
from tailorbird.ports.state_store import (
    HAND_OVER,
    SEND,
    Commit,
    MembershipRow,
    OutboxRow,
    ProfileRow,
    StateStore,
    SweepRow,
)
from tailorbird.profiles.state import ProfileState, decode, encode
from tailorbird.reducer.effects import HandOver
from tailorbird.reducer.reduction import Reduction

# About 5 KB of memory each where decoded, less than 1 KB where not.
HOT_PROFILES_MAX = 20_000
PAGE = 1_000
_POISON_LINES_MAX = 20

_encode_effect = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class _Pending:
    deadlines: dict[int, int | None] = field(default_factory=dict)  # of each profile to be stored
    rows: dict[int, ProfileRow] = field(default_factory=dict)  # of those encoded already
    uncounted: set[int] = field(default_factory=set)  # who is not alive in the store
    memberships: list[MembershipRow] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    versions: dict[int, str] = field(default_factory=dict)
    poison: dict[int, list[str]] = field(default_factory=dict)
    sweeps: dict[int, SweepRow] = field(default_factory=dict)
    swept: set[int] = field(default_factory=set)
    sweeps_done: set[int] = field(default_factory=set)

    def growth(self) -> int:
        """Return by how many more profiles are alive than in the store."""
        merged = {one for one, row in self.rows.items() if row.is_merged}
        born = (self.uncounted & self.rows.keys()) - merged
        return len(born) - len(merged - self.uncounted)


@dataclass(frozen=True, slots=True)
class Mark:
    """A profile as it was, to go back to if its next reduction fails."""

    profile_id: int
    state: bytes | None
    is_pending: bool
    deadline: int | None
    memberships: int
    outbox: int


class WorkingSet:
    """The working memory of one engine over its state store."""

    def __init__(self, store: StateStore, *, hot_max: int = HOT_PROFILES_MAX) -> None:
        self._store = store
        self._hot_max = hot_max
        self.outbox_rows = 0  # committed since the start
        self.reset()

    def reset(self) -> None:
        """Forget everything that is not in the store."""
        self.offset = self._store.offset()
        self.versions = self._store.versions()
        self.sweeps = {row.partition: row for row in self._store.sweeps()}
        self._swept = self._store.swept() if self.sweeps else set()
        # Those longest not asked for come first in both.
        self._decoded: dict[int, ProfileState] = {}
        self._encoded: dict[int, bytes] = {}
        self._new: set[int] = set()  # those of them that have not come before
        self._pending = _Pending()

    def __len__(self) -> int:
        """Return the number of profiles that the next commit will store."""
        return len(self._pending.deadlines)

    # -- reading ---------------------------------------------------------------------------------

    def load(self, profile_ids: Collection[int]) -> list[int]:
        """Read what is not in memory; return those that exist, in the order asked for."""
        decoded, encoded = self._decoded, self._encoded
        missing = [one for one in profile_ids if one not in decoded and one not in encoded]
        if missing:
            found = self._store.profiles(missing)
            encoded.update(found)
            self._new.update(found)
        for one in decoded.keys() & profile_ids:
            decoded[one] = decoded.pop(one)
        return [one for one in profile_ids if one in encoded or one in decoded]

    def get(self, profile_id: int) -> ProfileState | None:
        """Return one profile."""
        # A batch's profiles were loaded before: they are the newest already.
        state = self._decoded.get(profile_id)
        if state is None:
            data = self._encoded.pop(profile_id, None)
            if data is None and self.load((profile_id,)):
                data = self._encoded.pop(profile_id)
            if data is not None:
                state = self._decoded[profile_id] = decode(data)
        if (state is None or state.merged_into) and profile_id not in self._pending.deadlines:
            self._pending.uncounted.add(profile_id)
        return state

    def due(self, partition: int, until: int) -> list[int]:
        """Return the profiles of a partition with a deadline <= `until`, in rising order."""
        pending = self._pending.deadlines
        found = [one for one in self._store.due(partition, until) if one not in pending]
        found += [
            one
            for one, at in pending.items()
            if at is not None and at <= until and partition_of(one) == partition
        ]
        return sorted(found)

    def stored_ids(self, partition: int, after: int, limit: int) -> list[int]:
        """Return the next profiles of a partition in rising order, those without a commit not."""
        return self._store.profile_ids(partition, after, limit)

    def pages(self, partition: int) -> Iterator[list[int]]:
        """Page through all profiles of a partition."""
        fresh = sorted(one for one in self._pending.deadlines if partition_of(one) == partition)
        known = set(fresh)
        yield from pages(fresh)
        after = -1
        while ids := self._store.profile_ids(partition, after, PAGE):
            after = ids[-1]
            yield [one for one in ids if one not in known]

    # -- changing --------------------------------------------------------------------------------

    def keep(self, out: Reduction, partition: int, offset: int) -> None:
        """Take over the result of a reduction, made by the record at `offset`."""
        state, pending = out.state, self._pending
        profile_id = state.profile_id
        if profile_id not in self._decoded:
            self._new.add(profile_id)
        self._decoded[profile_id] = state
        pending.deadlines[profile_id] = out.deadline
        pending.rows.pop(profile_id, None)
        for change in out.memberships:
            pending.memberships.append(
                MembershipRow(change.segment, profile_id, change.is_member, change.at, change.cause)
            )
        for effect in out.effects:
            kind = HAND_OVER if isinstance(effect, HandOver) else SEND
            body = _encode_effect(effect)
            pending.outbox.append(
                OutboxRow(0, effect.effect_id, kind, partition, offset, profile_id, body)
            )

    def rest(self, profile_id: int) -> None:
        """Encode what has changed: the records at hand tell no more of this profile."""
        pending = self._pending
        if profile_id not in pending.deadlines or profile_id in pending.rows:
            return
        is_new = profile_id in self._new
        state = self._decoded.pop(profile_id) if is_new else self._decoded[profile_id]
        data = encode(state)
        pending.rows[profile_id] = ProfileRow(
            profile_id,
            partition_of(profile_id),
            data,
            pending.deadlines[profile_id],
            bool(state.merged_into),
        )
        if is_new:
            self._new.remove(profile_id)
            self._encoded[profile_id] = data

    def set_version(self, partition: int, version: str) -> None:
        """Make a version live in a partition."""
        self.versions[partition] = self._pending.versions[partition] = version

    def sweep(self, row: SweepRow) -> None:
        """Note that a sweep has begun or come further."""
        self.sweeps[row.partition] = self._pending.sweeps[row.partition] = row

    def end_sweep(self, partition: int) -> None:
        """Note that all profiles of a partition have been activated."""
        self._pending.sweeps_done.add(partition)
        self._pending.sweeps.pop(partition, None)
        del self.sweeps[partition]
        self._swept = {one for one in self._swept if partition_of(one) != partition}
        self._pending.swept &= self._swept

    def is_swept(self, profile_id: int) -> bool:
        """Say whether the activation on its way, if any, has come to a profile."""
        row = self.sweeps.get(partition_of(profile_id))
        return row is None or profile_id <= row.after or profile_id in self._swept

    def sweep_ahead(self, profile_id: int) -> None:
        """Note that a profile is activated before the sweep comes to it."""
        self._swept.add(profile_id)
        self._pending.swept.add(profile_id)

    def mark(self, profile_id: int) -> Mark:
        """Remember a profile as it is."""
        state, pending = self.get(profile_id), self._pending
        return Mark(
            profile_id,
            None if state is None else encode(state),
            profile_id in pending.deadlines,
            pending.deadlines.get(profile_id),
            len(pending.memberships),
            len(pending.outbox),
        )

    def go_back(self, mark: Mark) -> None:
        """Undo what happened to a profile since the mark."""
        one, pending = mark.profile_id, self._pending
        self._decoded.pop(one, None)
        pending.rows.pop(one, None)
        pending.deadlines.pop(one, None)
        if mark.state is not None:
            self._decoded[one] = decode(mark.state)
        if mark.is_pending:
            pending.deadlines[one] = mark.deadline
        del pending.memberships[mark.memberships :]
        del pending.outbox[mark.outbox :]

    def erase(self, profile_id: int) -> None:
        """Forget a profile and remove it from the store; nothing may be pending."""
        self._decoded.pop(profile_id, None)
        self._encoded.pop(profile_id, None)
        self._store.erase(profile_id)

    def silence(self, profile_id: int) -> None:
        """Take a profile's deadline away: its next record sets one again."""
        if self.get(profile_id) is not None:
            self._pending.deadlines[profile_id] = None
            self._pending.rows.pop(profile_id, None)

    def poison(self, offset: int, line: str) -> None:
        """Keep aside what could not be reduced."""
        lines = self._pending.poison.setdefault(offset, [])
        if len(lines) < _POISON_LINES_MAX:
            lines.append(line)

    def commit(self, offset: int, outbox_done: Mapping[str, int]) -> None:
        """Store all that is pending; the state has reached `offset`."""
        pending = self._pending
        for one in pending.deadlines.keys() - pending.rows.keys():
            self.rest(one)
        self._store.commit(
            Commit(
                offset=offset,
                profiles=list(pending.rows.values()),
                growth=pending.growth(),
                memberships=pending.memberships,
                outbox=pending.outbox,
                outbox_done=outbox_done,
                versions=pending.versions,
                poison=[(at, "\n".join(lines)) for at, lines in pending.poison.items()],
                sweeps=list(pending.sweeps.values()),
                swept=sorted(pending.swept),
                sweeps_done=sorted(pending.sweeps_done),
            )
        )
        self.offset = offset
        self.outbox_rows += len(pending.outbox)
        self._pending = _Pending()
        self._shrink(self._decoded)
        self._shrink(self._encoded)

    def _shrink(self, profiles: dict[int, Any]) -> None:
        for one in list(islice(profiles, max(len(profiles) - self._hot_max, 0))):
            del profiles[one]
            self._new.discard(one)


def pages(ids: list[int]) -> Iterator[list[int]]:
    """Cut a list of ids into pages."""
    for start in range(0, len(ids), PAGE):
        yield ids[start : start + PAGE]
