"""State as dictionaries."""

from __future__ import annotations

from collections.abc import Iterable

from tailorbird.events.event import partition_of
from tailorbird.ports.state_store import SEND, Commit, OutboxRow, ProfileRow, SweepRow


class MemoryStateStore:
    """What one engine derived, lost with the process."""

    def __init__(self) -> None:
        self._profiles: dict[int, ProfileRow] = {}
        self._members: dict[str, dict[int, int]] = {}
        self._outbox: dict[int, OutboxRow] = {}
        self._effects: set[str] = set()
        self._versions: dict[int, str] = {}
        self._offset = 0
        self._living = 0
        self._seq = 0
        self._poison: dict[int, str] = {}
        self._sweeps: dict[int, SweepRow] = {}
        self._swept: set[int] = set()

    def commit(self, commit: Commit) -> None:
        """Store a batch."""
        self._profiles.update({row.profile_id: row for row in commit.profiles})
        for change in commit.memberships:
            members = self._members.setdefault(change.segment, {})
            if change.is_member:
                members[change.profile_id] = change.since
            else:
                members.pop(change.profile_id, None)
        for row in commit.outbox:
            if row.effect_id not in self._effects:
                self._seq += 1
                self._effects.add(row.effect_id)
                self._outbox[self._seq] = OutboxRow(
                    self._seq,
                    row.effect_id,
                    row.kind,
                    row.partition,
                    row.offset,
                    row.profile_id,
                    row.body,
                )
        for kind, done in commit.outbox_done.items():
            for seq in [seq for seq, row in self._outbox.items() if seq <= done]:
                if self._outbox[seq].kind == kind:
                    self._effects.discard(self._outbox.pop(seq).effect_id)
        self._versions.update(commit.versions)
        self._poison.update(commit.poison)
        for partition in commit.sweeps_done:
            self._sweeps.pop(partition, None)
            self._swept = {one for one in self._swept if partition_of(one) != partition}
        self._sweeps.update({row.partition: row for row in commit.sweeps})
        self._swept.update(commit.swept)
        self._offset = commit.offset
        self._living += commit.growth

    def erase(self, profile_id: int) -> None:
        """Remove all of a profile."""
        row = self._profiles.pop(profile_id, None)
        self._living -= row is not None and not row.is_merged
        for members in self._members.values():
            members.pop(profile_id, None)
        for seq in [seq for seq, row in self._outbox.items() if row.profile_id == profile_id]:
            self._effects.discard(self._outbox.pop(seq).effect_id)
        self._poison = {
            at: error for at, error in self._poison.items() if f" of {profile_id}:" not in error
        }

    def offset(self) -> int:
        """Return the offset reached."""
        return self._offset

    def versions(self) -> dict[int, str]:
        """Return the live version of each partition."""
        return dict(self._versions)

    def profiles(self, profile_ids: Iterable[int]) -> dict[int, bytes]:
        """Return the encoded states of those that exist."""
        return {one: self._profiles[one].state for one in profile_ids if one in self._profiles}

    def sweeps(self) -> list[SweepRow]:
        """Return the activations that are on their way."""
        return [self._sweeps[partition] for partition in sorted(self._sweeps)]

    def swept(self) -> set[int]:
        """Return who was activated ahead of a sweep."""
        return set(self._swept)

    def due(self, partition: int, until: int) -> list[int]:
        """Return ids of profiles with a deadline <= `until`."""
        return sorted(
            row.profile_id
            for row in self._profiles.values()
            if row.partition == partition and row.deadline is not None and row.deadline <= until
        )

    def due_partitions(self, until: int) -> dict[int, int]:
        """Return the earliest due deadline of each partition that has one."""
        found: dict[int, int] = {}
        for row in self._profiles.values():
            if row.deadline is not None and row.deadline <= until:
                found[row.partition] = min(row.deadline, found.get(row.partition, row.deadline))
        return found

    def profile_ids(self, partition: int, after: int, limit: int) -> list[int]:
        """Page through the profile ids of a partition."""
        rows = (row for row in self._profiles.values() if row.partition == partition)
        return sorted(row.profile_id for row in rows if row.profile_id > after)[:limit]

    def outbox(self, after: int, limit: int, kind: str = SEND) -> list[OutboxRow]:
        """Return outbox rows of a kind after a sequence number."""
        rows = [row for seq, row in self._outbox.items() if seq > after and row.kind == kind]
        return rows[:limit]

    def number_outbox_after(self, seq: int) -> None:
        """Give outbox rows numbers above `seq`."""
        self._seq = max(self._seq, seq)

    def poisoned(self, limit: int) -> list[tuple[int, str]]:
        """Return what could not be reduced, newest first."""
        return sorted(self._poison.items(), reverse=True)[:limit]

    def poison_count(self) -> int:
        """Return how many records could not be reduced."""
        return len(self._poison)

    def segment_sizes(self) -> dict[str, int]:
        """Return the number of members of each segment."""
        return {name: len(members) for name, members in self._members.items()}

    def members(self, segment: str, after: int, limit: int) -> list[tuple[int, int]]:
        """Return (profile id, since) of members after an id."""
        members = sorted(self._members.get(segment, {}).items())
        return [pair for pair in members if pair[0] > after][:limit]

    def count(self) -> int:
        """Return the number of living profiles."""
        return self._living
