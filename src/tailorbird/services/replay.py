"""Replay: reduce the log anew, as lived, and compare what comes out byte by byte.

Everything that decided the outcome is in the log (events, ticks, activations, hand-overs), so the
states must be the same at any batch size and any number of engines. Outbox rows that come out of a
replay go nowhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from tailorbird.events.event import PARTITIONS, Record
from tailorbird.ports.event_log import LogReader
from tailorbird.ports.state_store import StateStore
from tailorbird.services.advance import RECORDS_PER_COMMIT, Engine, LoadWorkspace

_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What two sets of states disagree about: a profile's bytes, or a segment's members."""

    what: str  # "profile" or "segment"
    name: str
    says: str


def replay(
    log: LogReader,
    stores: Sequence[StateStore],
    load_workspace: LoadWorkspace,
    *,
    until: int | None = None,
    batch: int = RECORDS_PER_COMMIT,
) -> None:
    """Reduce the log into empty stores, one engine each.

    Args:
        log: Read only.
        stores: Empty; the number of engines is theirs.
        load_workspace: As for engines; all published versions must still be there.
        until: Last offset to be reduced, the log's end where None.
        batch: Records that each engine reads at a time.

    Raises:
        Exception: what the reducer raised; a replay goes over no record.
    """
    for index, store in enumerate(stores):
        replay_engine(log, store, load_workspace, index, len(stores), until=until, batch=batch)


def replay_engine(
    log: LogReader,
    store: StateStore,
    load_workspace: LoadWorkspace,
    index: int,
    engines: int,
    *,
    until: int | None = None,
    batch: int = RECORDS_PER_COMMIT,
) -> None:
    """Reduce what one of `engines` owns into an empty store; see `replay`."""
    past = log if until is None else Past(log, until)
    engine = Engine(past, store, load_workspace, index=index, engines=engines, is_strict=True)
    while engine.step(batch):
        pass


def differences(left: Sequence[StateStore], right: Sequence[StateStore]) -> Iterator[Difference]:
    """Compare two sets of states that have come to the same offset."""
    for partition in range(PARTITIONS):
        ours, theirs = _profiles(left, partition), _profiles(right, partition)
        for profile_id in sorted(ours.keys() | theirs.keys()):
            mine, other = ours.get(profile_id), theirs.get(profile_id)
            if mine is None or other is None:
                side = "second" if mine is None else "first"
                yield Difference(
                    what="profile", name=str(profile_id), says=f"is only in the {side}"
                )
            elif mine != other:
                yield Difference(
                    what="profile",
                    name=str(profile_id),
                    says=f"{len(mine)} and {len(other)} bytes that are not the same",
                )
    names = {name for stores in (left, right) for one in stores for name in one.segment_sizes()}
    for name in sorted(names):
        members, others = _members(left, name), _members(right, name)
        if members != others:
            apart = len(members ^ others)
            yield Difference(what="segment", name=name, says=f"{apart} memberships differ")


class Past:
    """A log as it was when it ended at an offset. Reading only."""

    def __init__(self, log: LogReader, until: int) -> None:
        self._log = log
        self._until = until

    def read(
        self, after: int, limit: int, partitions: Collection[int] | None = None
    ) -> list[Record]:
        """Read no further than that offset."""
        found = self._log.read(after, limit, partitions)
        return [record for record in found if record.offset <= self._until]

    def end(self) -> int:
        """Return that offset."""
        return min(self._until, self._log.end())

    def merges(self, before: int) -> Iterator[Record]:
        """Yield those up to that offset."""
        return self._log.merges(min(before, self._until + 1))

    def offset_before(self, now: int) -> int:
        """Return the last offset stamped before `now`, at most that offset."""
        return min(self._log.offset_before(now), self._until)

    def last_now(self) -> int:
        """Return the stamp of the last record."""
        found = self.read(self.end() - 1, 1)
        return found[0].now if found else 0


def _profiles(stores: Sequence[StateStore], partition: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for store in stores:
        after = -1
        while ids := store.profile_ids(partition, after, _PAGE):
            found.update(store.profiles(ids))
            after = ids[-1]
    return found


def _members(stores: Sequence[StateStore], segment: str) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for store in stores:
        after = -1
        while page := store.members(segment, after, _PAGE):
            found.update(page)
            after = page[-1][0]
    return found
