"""Reckons the members of live segments anew, for a sample of people, while a server goes on.

Of each engine a snapshot is taken: what its states say, and up to which record. The lake, brought
up to the log, is asked the same conditions of the same people as known at that record's instant.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.adapters.sqlite.state_store import SqliteStateStore
from tailorbird.base.hashing import hash64
from tailorbird.base.problems import OperationalError
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.bootstrap.lake import LakeAsker
from tailorbird.bootstrap.stores import open_control, open_log, open_state
from tailorbird.events.event import PARTITIONS, UNMERGE, Event
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.ports.control_store import LIVE_VERSION
from tailorbird.profiles.state import ProfileState, decode
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.backfill import events_of
from tailorbird.services.equality import (
    EQUALITY,
    ORACLE,
    WAREHOUSE,
    Verdict,
    reckon,
    report_of,
    verdict,
)
from tailorbird.services.question import question_of

PEOPLE = 1_000
_PAGE = 1_000


@dataclass(slots=True)
class _Sample:
    """Some people as they are live."""

    offset: int = 0  # of the last record that any of them may have in their state
    instants: dict[int, int] = field(default_factory=dict)
    members: dict[str, set[int]] = field(default_factory=dict)


def reckon_anew(data: Path, *, people: int = PEOPLE, turn: int = 0) -> dict[str, Any]:
    """Compare segments with what their conditions say of about `people` people.

    Args:
        data: A server may run on it.
        people: About how many; 0 is everybody.
        turn: Another number takes other people.

    Returns:
        A report, see `services.equality.report_of`.

    Raises:
        OperationalError: nothing is live, or a version is on its way to people: ask again.
    """
    begun = time.monotonic()
    with ExitStack() as things:
        control = things.enter_context(closing(open_control(data)))
        version = control.get(LIVE_VERSION)
        if version is None:
            raise OperationalError("nothing has been published yet", is_retry_safe=True)
        workspace = workspace_loader(control)(version)
        reducer = Reducer(workspace)
        log = things.enter_context(closing(open_log(data)))
        sample = _sample(data, log, reducer, people, turn)
        asker = things.enter_context(closing(LakeAsker(data, log.last_now())))
        _leave_out_late(sample, log)
        parted = _parted(log)
        judged: list[Verdict] = []
        histories: dict[int, list[Event]] | None = None
        for name, segment in workspace.segments.items():
            question = question_of(segment.text, workspace)
            live = sample.members.get(name, set())
            try:
                asked = {one: at for one, at in sample.instants.items() if one not in parted}
                judge, found = WAREHOUSE, asker.holds_for(question, asked)
            except WarehouseError:
                if histories is None:
                    histories = _histories(log, sample)
                asked = sample.instants
                judge, found = ORACLE, reckon(question.node, question.given, histories, asked)
            judged.append(verdict(name, judge, asked, live, found))
        return report_of(judged, log.last_now(), time.monotonic() - begun)


def verify(data: Path, *, people: int = PEOPLE) -> dict[str, Any]:
    """Compare as `reckon_anew` does, other people each time, and keep the report for all roles."""
    with closing(open_control(data)) as control:
        turn = int(json.loads(control.get(EQUALITY) or "{}").get("turn", 0)) + 1
        report = {**reckon_anew(data, people=people, turn=turn), "turn": turn}
        control.set(EQUALITY, json.dumps(report))
    return report


def _sample(data: Path, log: SqliteEventLog, reducer: Reducer, people: int, turn: int) -> _Sample:
    sample = _Sample()
    paths = sorted((data / "state").glob("*.db"), key=lambda one: int(one.stem))
    for index, path in enumerate(paths):
        with closing(open_state(data, int(path.stem))) as state, state.snapshot():
            versions = set(state.versions().values())
            if state.sweeps() or versions - {reducer.workspace.version}:
                raise OperationalError(
                    "a version is on its way to people; ask again when it has come to all",
                    is_retry_safe=True,
                )
            offset = state.offset()
            found = log.read(offset - 1, 1)
            now = found[0].now if found else 0
            share = max(state.count() * len(paths) // people, 1) if people else 1
            for one in _states(state, range(index, PARTITIONS, len(paths)), share, turn):
                if one.merged_into or one.waiting_for or one.parked:
                    continue
                fired = reducer.fire(one, now).state
                sample.instants[fired.profile_id] = now
                for name in fired.segments:
                    sample.members.setdefault(name, set()).add(fired.profile_id)
            sample.offset = max(sample.offset, offset)
    return sample


def _states(
    state: SqliteStateStore, partitions: range, share: int, turn: int
) -> Iterator[ProfileState]:
    for partition in partitions:
        after = -1
        while ids := state.profile_ids(partition, after, _PAGE):
            after = ids[-1]
            chosen = [one for one in ids if hash64("equality", turn, one) % share == 0]
            yield from map(decode, state.profiles(chosen).values())


def _leave_out_late(sample: _Sample, log: SqliteEventLog) -> None:
    """Leave out whom a record came of that an engine had not seen: it may tell of earlier days."""
    after = log.offset_before(min(sample.instants.values(), default=0))
    while records := log.read(after, 5_000):
        for record in records:
            at = sample.instants.get(record.profile_id)
            if at is not None and record.now > at:
                del sample.instants[record.profile_id]
        after = records[-1].offset


def _parted(log: SqliteEventLog) -> set[int]:
    """Return who was merged and parted again: the lake keeps them as one."""
    return {one.profile_id for one in log.merges(log.end() + 1) if one.kind == UNMERGE}


def _histories(log: SqliteEventLog, sample: _Sample) -> dict[int, list[Event]]:
    found: dict[int, list[Event]] = {}
    for profile_id, event in events_of(log, sample.offset + 1, sample.instants.__contains__):
        found.setdefault(profile_id, []).append(event)
    return found
