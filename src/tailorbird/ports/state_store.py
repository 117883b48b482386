"""Where an engine keeps what it derived: profiles, memberships, deadlines, outbox, offset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

# Kinds of outbox rows: for `deliver`, and for the log.
SEND, HAND_OVER = "send", "hand_over"


class OutboxRow(msgspec.Struct, array_like=True, gc=False):
    """An effect waiting for `deliver` or the forwarder. `kind` is send or hand_over.

    `seq` rises with each row; `offset` is the record whose reduction made the effect: who reads
    the profile for it waits until the state has reached it.
    """

    seq: int
    effect_id: str
    kind: str
    partition: int
    offset: int
    profile_id: int
    body: bytes


class ProfileRow(msgspec.Struct, array_like=True, gc=False):
    """One profile as stored: state as encoded by `profiles.encode`, `deadline` or None."""

    profile_id: int
    partition: int
    state: bytes
    deadline: int | None
    is_merged: bool = False  # a tombstone: counts no more


class MembershipRow(msgspec.Struct, array_like=True, gc=False):
    """A change of membership to be stored; `since` in microseconds UTC."""

    segment: str
    profile_id: int
    is_member: bool
    since: int
    cause: str


class SweepRow(msgspec.Struct, array_like=True, frozen=True):
    """An activation on its way through a partition's profiles.

    Those with an id up to `after` have been activated, and those told ahead (`Commit.swept`).
    """

    partition: int
    offset: int  # of the `activate` record
    before: str  # the version that was live until then
    after: int = -1
    tick: int = 0  # stamp of the partition's last tick since


class Commit(msgspec.Struct):
    """All that one batch of records changed; stored in one transaction or not at all."""

    offset: int
    profiles: Sequence[ProfileRow]
    memberships: Sequence[MembershipRow]
    outbox: Sequence[OutboxRow]  # seq is ignored, the store numbers them
    growth: int = 0  # by how many more profiles are alive: new ones, less those merged away
    outbox_done: Mapping[str, int] = {}  # kind -> rows up to this seq are taken over: delete
    versions: Mapping[int, str] = {}  # partition -> workspace version that is live from here on
    poison: Sequence[tuple[int, str]] = ()  # (offset, error) of records that could not be reduced
    sweeps: Sequence[SweepRow] = ()  # begun, or come further
    swept: Sequence[int] = ()  # profiles that were activated ahead of the sweep
    # Partitions whose sweep has come to its end; one in `sweeps` as well has begun another.
    sweeps_done: Sequence[int] = ()


class StateStore(Protocol):
    """One per engine process; owned by it, read by `web` and `deliver`."""

    def commit(self, commit: Commit) -> None:
        """Store a batch atomically. Rows whose effect id lies in the outbox already are ignored."""
        ...

    def erase(self, profile_id: int) -> None:
        """Remove all of a profile: state, memberships, what waits in the outbox, its poison."""
        ...

    def offset(self) -> int:
        """Return the offset of the last record in the state, 0 when new."""
        ...

    def profiles(self, profile_ids: Iterable[int]) -> dict[int, bytes]:
        """Return the encoded states of those of these profiles that exist."""
        ...

    def versions(self) -> dict[int, str]:
        """Return the live workspace version of each partition that has one."""
        ...

    def sweeps(self) -> list[SweepRow]:
        """Return the activations that are on their way, by partition."""
        ...

    def swept(self) -> set[int]:
        """Return the profiles that were activated ahead of a sweep that is on its way."""
        ...

    def due(self, partition: int, until: int) -> list[int]:
        """Return ids of profiles of a partition with a deadline <= `until`, in rising order."""
        ...

    def due_partitions(self, until: int) -> dict[int, int]:
        """Return, for each partition with a deadline <= `until`, the earliest one."""
        ...

    def profile_ids(self, partition: int, after: int, limit: int) -> list[int]:
        """Page through the profile ids of a partition in rising order (sweeps, exports)."""
        ...

    def outbox(self, after: int, limit: int, kind: str = SEND) -> list[OutboxRow]:
        """Return outbox rows of a kind with seq > `after`, in order."""
        ...

    def number_outbox_after(self, seq: int) -> None:
        """Give outbox rows numbers above `seq` from here on.

        A state that fell back (power loss, a rebuild) would give numbers again that readers of
        the outbox have passed already.
        """
        ...

    def poisoned(self, limit: int) -> list[tuple[int, str]]:
        """Return (offset, error) of records that could not be reduced, newest first."""
        ...

    def poison_count(self) -> int:
        """Return how many records could not be reduced."""
        ...

    def segment_sizes(self) -> dict[str, int]:
        """Return the number of members of each segment that ever had any."""
        ...

    def members(self, segment: str, after: int, limit: int) -> list[tuple[int, int]]:
        """Return (profile id, since) of members in rising order of id, after an id."""
        ...

    def count(self) -> int:
        """Return the number of profiles, those merged away not counted."""
        ...
