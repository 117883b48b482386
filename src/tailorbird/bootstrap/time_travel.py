"""One person as they were known at an instant: their records reduced again, up to it.

Only the records of their family are read out of the log, with the versions and ticks of then: the
state is the one that lived, as a replay would give it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from tailorbird.adapters.memory.control_store import MemoryControlStore
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.adapters.sqlite.identity_store import SqliteIdentityStore
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.bootstrap.stores import open_control, open_identity, open_ledger, open_log
from tailorbird.events.event import PARTITIONS, TICK, Record
from tailorbird.ports.control_store import LIVE_VERSION
from tailorbird.ports.event_log import EventLog
from tailorbird.services.advance import Engine
from tailorbird.services.lives import Families
from tailorbird.services.query import Query


class _Then:
    """A clock that stands at an instant."""

    def __init__(self, at: int) -> None:
        self._at = at

    def now(self) -> int:
        return self._at


class _FamilyLog:
    """A log with the records of one family alone, up to an instant; then a tick in each part."""

    def __init__(self, log: EventLog, families: Families, family: int, at: int) -> None:
        self._log = log
        self._families = families
        self._family = family
        self._at = at
        self._last = 0
        after = 0
        while records := log.read(after, 5_000):
            for record in records:
                if record.now <= at:
                    self._last = record.offset
            after = records[-1].offset

    def read(
        self, after: int, limit: int, partitions: Collection[int] | None = None
    ) -> list[Record]:
        found: list[Record] = []
        while len(found) < limit:
            batch = self._log.read(after, limit, partitions)
            found += [one for one in batch if self._is_lived(one)]
            if len(batch) < limit:
                break
            after = batch[-1].offset
        if len(found) < limit and after <= self._last:
            ticks = range(PARTITIONS)
            found += [Record(self._last + 1 + n, n, self._at, TICK, 0, b"") for n in ticks]
        return found

    def end(self) -> int:
        return self._last + PARTITIONS

    def merges(self, before: int) -> Iterator[Record]:
        return filter(self._is_lived, self._log.merges(before))

    def offset_before(self, now: int) -> int:
        return min(self._log.offset_before(now), self._last)

    def last_now(self) -> int:
        return self._at

    def _is_lived(self, record: Record) -> bool:
        if record.offset > self._last or record.now > self._at:
            return False
        return not record.profile_id or self._families.of(record.profile_id) == self._family


class _IdentityThen:
    """Who an identifier was linked to first; merges are followed in the states of then."""

    def __init__(self, identity: SqliteIdentityStore) -> None:
        self._identity = identity

    def find(self, kind: str, value: str) -> int | None:
        return self._identity.linked(kind, value)

    def resolve(self, profile_id: int) -> int:
        return profile_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._identity, name)


@contextmanager
def open_query_at(data: Path, reference: str, at: int) -> Iterator[Query]:
    """Open a data folder as it was for one person at an instant.

    Args:
        data: Read only; a server may run on it.
        reference: The person, as `Query.profile_id` takes it.
        at: Microseconds UTC.
    """
    with ExitStack() as things:
        log = things.enter_context(closing(open_log(data)))
        control = things.enter_context(closing(open_control(data)))
        identity = things.enter_context(closing(open_identity(data)))
        load = workspace_loader(control)
        state, then = MemoryStateStore(), MemoryControlStore()
        query = Query(
            log=log,
            states=[state],
            identity=_IdentityThen(identity),
            ledger=things.enter_context(closing(open_ledger(data))),
            control=then,
            clock=_Then(at),
            load_workspace=load,
        )
        profile_id = query.profile_id(reference)
        if profile_id is not None:
            families = Families(log, log.end())
            past = _FamilyLog(log, families, families.of(profile_id), at)
            engine = Engine(past, state, load, is_strict=True)
            while engine.step():
                pass
            for version in state.versions().values():
                then.set(LIVE_VERSION, version)
        yield query
