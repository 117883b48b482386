"""What an engine holds in memory: decoded profiles, and all that its next commit will store.

Hot profiles stay decoded between commits (the codec costs more than the reducer). If a commit or a
reduction fails, `reset` drops everything and the store is read again, so that memory never runs
ahead of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

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

# About 5 KB of memory each.
HOT_PROFILES_MAX = 20_000
PAGE = 1_000
_POISON_LINES_MAX = 20

_encode_effect = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class _Pending:
    states: dict[int, ProfileState] = field(default_factory=dict)
    deadlines: dict[int, int | None] = field(default_factory=dict)
    memberships: list[MembershipRow] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    versions: dict[int, str] = field(default_factory=dict)
    poison: dict[int, list[str]] = field(default_factory=dict)
    sweeps: dict[int, SweepRow] = field(default_factory=dict)
    swept: set[int] = field(default_factory=set)
    sweeps_done: set[int] = field(default_factory=set)


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
        self._hot: OrderedDict[int, ProfileState] = OrderedDict()
        self._pending = _Pending()

    def __len__(self) -> int:
        """Return the number of profiles that the next commit will store."""
        return len(self._pending.states)

    # -- reading ---------------------------------------------------------------------------------

    def load(self, profile_ids: Iterable[int]) -> dict[int, ProfileState]:
        """Return those of these profiles that exist, in the order asked for."""
        hot = self._hot
        wanted = list(profile_ids)
        missing = [one for one in wanted if one not in hot]
        if missing:
            for one, data in self._store.profiles(missing).items():
                hot[one] = decode(data)
        found: dict[int, ProfileState] = {}
        for one in wanted:
            state = hot.get(one)
            if state is not None:
                hot.move_to_end(one)
                found[one] = state
        return found

    def get(self, profile_id: int) -> ProfileState | None:
        """Return one profile."""
        # A batch's profiles were loaded before: they are the newest already.
        state = self._hot.get(profile_id)
        return self.load((profile_id,)).get(profile_id) if state is None else state

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
        fresh = sorted(one for one in self._pending.states if partition_of(one) == partition)
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
        self._hot[profile_id] = pending.states[profile_id] = state
        pending.deadlines[profile_id] = out.deadline
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
            profile_id in pending.states,
            pending.deadlines.get(profile_id),
            len(pending.memberships),
            len(pending.outbox),
        )

    def go_back(self, mark: Mark) -> None:
        """Undo what happened to a profile since the mark."""
        one, pending = mark.profile_id, self._pending
        self._hot.pop(one, None)
        pending.states.pop(one, None)
        pending.deadlines.pop(one, None)
        if mark.state is not None:
            self._hot[one] = decode(mark.state)
        if mark.is_pending:
            pending.states[one] = self._hot[one]
            pending.deadlines[one] = mark.deadline
        del pending.memberships[mark.memberships :]
        del pending.outbox[mark.outbox :]

    def erase(self, profile_id: int) -> None:
        """Forget a profile and remove it from the store; nothing may be pending."""
        self._hot.pop(profile_id, None)
        self._store.erase(profile_id)

    def silence(self, profile_id: int) -> None:
        """Take a profile's deadline away: its next record sets one again."""
        state = self.get(profile_id)
        if state is not None:
            self._pending.states[profile_id] = state
            self._pending.deadlines[profile_id] = None

    def poison(self, offset: int, line: str) -> None:
        """Keep aside what could not be reduced."""
        lines = self._pending.poison.setdefault(offset, [])
        if len(lines) < _POISON_LINES_MAX:
            lines.append(line)

    def commit(self, offset: int, outbox_done: Mapping[str, int]) -> None:
        """Store all that is pending; the state has reached `offset`."""
        pending = self._pending
        self._store.commit(
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
        while len(self._hot) > self._hot_max:
            self._hot.popitem(last=False)


def pages(ids: list[int]) -> Iterator[list[int]]:
    """Cut a list of ids into pages."""
    for start in range(0, len(ids), PAGE):
        yield ids[start : start + PAGE]
