"""Reckons live segments, scores and interests anew, for a sample of people, as a server goes on.

Of each engine a snapshot is taken: what its states say, and up to which record. The lake, brought
up to the log, is asked the same of the same people as known at that record's instant.
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
from tailorbird.language import tree
from tailorbird.language.oracle import Person
from tailorbird.language.values import Value
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.ports.control_store import LIVE_VERSION
from tailorbird.profiles.state import ProfileState, decode
from tailorbird.profiles.view import ProfileView
from tailorbird.reducer.compiling import score_key
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.backfill import events_of
from tailorbird.services.equality import (
    EQUALITY,
    ORACLE,
    WAREHOUSE,
    reckon,
    report_of,
    value_verdict,
    verdict,
)
from tailorbird.services.question import Question, given_by, question_of
from tailorbird.workspace.definitions import Workspace

PEOPLE = 1_000
_PAGE = 1_000


@dataclass(slots=True)
class _Sample:
    """Some people as they are live."""

    offset: int = 0  # of the last record that any of them may have in their state
    instants: dict[int, int] = field(default_factory=dict)
    members: dict[str, set[int]] = field(default_factory=dict)
    # By kind and name of a score or interest, then by profile id.
    values: dict[tuple[str, str], dict[int, Value]] = field(default_factory=dict)


def reckon_anew(data: Path, *, people: int = PEOPLE, turn: int = 0) -> dict[str, Any]:
    """Compare what is live with what the definitions say of about `people` people.

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
        judge = _Judge(asker, log, sample)
        segments = []
        for name, segment in workspace.segments.items():
            question = question_of(segment.text, workspace)
            who, found = judge.members(question)
            live = sample.members.get(name, set())
            segments.append(verdict(name, who, judge.asked(who), live, found))
        values, given = [], given_by(workspace)
        for kind, name in _named(workspace):
            who, reckoned = judge.values(tree.Named(kind=kind, name=name), given)
            of_all = sample.values.get((kind, name), {})
            known = {one: of_all[one] for one in judge.asked(who)}
            values.append(value_verdict(kind, name, who, known, reckoned))
        return report_of(segments, values, log.last_now(), time.monotonic() - begun)


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
                for named, value in _values(reducer, fired, now).items():
                    sample.values.setdefault(named, {})[fired.profile_id] = value
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


class _Judge:
    """Reckons a sample: by the lake, or by the plain interpreter where it cannot be asked."""

    def __init__(self, asker: LakeAsker, log: SqliteEventLog, sample: _Sample) -> None:
        self._asker, self._log, self._sample = asker, log, sample
        parted = _parted(log)
        self._in_lake = {one: at for one, at in sample.instants.items() if one not in parted}
        self._histories: dict[int, list[Event]] | None = None

    def asked(self, judge: str) -> dict[int, int]:
        """Return whom a judge is asked about, and when each."""
        return self._in_lake if judge == WAREHOUSE else self._sample.instants

    def members(self, question: Question) -> tuple[str, set[int]]:
        """Return who judged, and for whom a condition holds."""
        try:
            return WAREHOUSE, self._asker.holds_for(question, self._in_lake)
        except WarehouseError:
            values = self._interpreted(question.node, question.given)
            return ORACLE, {one for one, value in values.items() if value is True}

    def values(self, node: tree.Node, given: Person) -> tuple[str, dict[int, Value]]:
        """Return who judged, and what an expression comes to."""
        try:
            return WAREHOUSE, self._asker.values_of(node, given, self._in_lake)
        except WarehouseError:
            return ORACLE, self._interpreted(node, given)

    def _interpreted(self, node: tree.Node, given: Person) -> dict[int, Value]:
        if self._histories is None:
            self._histories = _histories(self._log, self._sample)
        return reckon(node, given, self._histories, self._sample.instants)


def _named(workspace: Workspace) -> list[tuple[str, str]]:
    scores = [("score", name) for name in workspace.scores]
    return [*scores, *(("interest", name) for name in workspace.interests)]


def _values(reducer: Reducer, state: ProfileState, now: int) -> dict[tuple[str, str], Value]:
    """Return somebody's scores, and the heaviest value of each interest."""
    workspace, program = reducer.workspace, reducer.program
    view = ProfileView(state, workspace.settings.timezone)
    found: dict[tuple[str, str], Value] = {}
    for kind, name in _named(workspace):
        if kind == "score":
            found[kind, name] = program.evaluate(score_key(name), view, now)[0]
        else:
            heaviest = program.interests(name, view, now, 1)
            found[kind, name] = heaviest[0][0] if heaviest else None
    return found


def _histories(log: SqliteEventLog, sample: _Sample) -> dict[int, list[Event]]:
    found: dict[int, list[Event]] = {}
    for profile_id, event in events_of(log, sample.offset + 1, sample.instants.__contains__):
        found.setdefault(profile_id, []).append(event)
    return found
