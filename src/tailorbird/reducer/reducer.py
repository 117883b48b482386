"""reduce(definitions, state, record) -> (state, effects, deadline): all per-profile logic, pure.

No I/O, no clock, no random source. Hosts (`services.advance`) feed it records in log order and
carry out what it says. A record goes through four steps: facts (traits, context, consent), cells,
segments, journeys. `merging` has the rules for two profiles that turn out to be one person.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from itertools import chain
from typing import Any

import msgspec

from tailorbird.base.hashing import hash64
from tailorbird.events.event import (
    ABSORB,
    EVENT,
    MERGE_IN,
    MERGE_OUT,
    Absorb,
    Event,
    Merge,
    Record,
    Unmerge,
    decode_event,
)
from tailorbird.language.accumulators import Cells
from tailorbird.profiles.fold import fold_event
from tailorbird.profiles.state import ProfileState, decode
from tailorbird.profiles.view import ProfileView
from tailorbird.reducer import merging
from tailorbird.reducer.effects import HandOver, MembershipChange
from tailorbird.reducer.reading import StateReader
from tailorbird.reducer.reduction import Reduction
from tailorbird.segments.membership import key_of
from tailorbird.workspace.definitions import JourneyDefinition, Workspace

# Deadlines fired for one profile in one call; more than any sound definition asks for.
FIRINGS_MAX = 10_000

# Traits, context and accumulators alone matter in it.
Facts = ProfileState

_decode_merge = msgspec.msgpack.Decoder(Merge).decode
_decode_absorb = msgspec.msgpack.Decoder(Absorb).decode


class Reducer(StateReader):
    """All definitions of one workspace version, compiled."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._segments = tuple(workspace.segments)
        self._rank = {name: rank for rank, name in enumerate(self._segments)}
        self._takers = self.program.takers
        self._born = _segment_names(self.program.born(self._timezone))
        self._of_trait = _segments_by(self.program.keys_of_trait)
        self._of_context = _segment_names(self.program.keys_of_context)
        # With the microseconds after which a trigger starts nothing any more.
        self._by_event: dict[str, list[tuple[JourneyDefinition, int]]] = {}
        self._by_segment: dict[str, list[JourneyDefinition]] = {}
        for journey in workspace.journeys.values():
            if journey.trigger.segment is not None:
                self._by_segment.setdefault(journey.trigger.segment, []).append(journey)
            elif journey.trigger.event is not None:
                fresh = (journey, journey.freshness.after(0))
                self._by_event.setdefault(journey.trigger.event, []).append(fresh)
        self._folds: dict[frozenset[int], Any] = {}

    # -- records ---------------------------------------------------------------------------------

    def reduce(
        self, state: ProfileState | None, record: Record, event: Event | None = None
    ) -> Reduction:
        """Reduce a record of a profile (event, merge_out, merge_in, absorb).

        The profile's deadlines earlier than the record's `now` fire first, each with its own now.
        `state` is None for a profile without records so far. `event` is the record's, where the
        caller has decoded it already.
        """
        is_new = state is None
        if state is None:
            state = self._newborn(record)
        out = Reduction(state)
        if record.kind == EVENT and not state.waiting_for:  # nearly all are
            self._take_event(out, event or decode_event(record), record.now, is_new=is_new)
            return self._close(out)
        if record.kind == MERGE_IN:
            merging.expect(state, _decode_merge(record.body).merge_id)
        if record.kind == ABSORB:
            self._absorb(out, record)
        elif state.waiting_for and merging.must_park(state, record):
            state.parked.append(record)
        else:
            if state.waiting_for:
                self._stop_waiting(out)
            self._take(out, record, event, is_new=is_new)
        return self._close(out)

    def fire(self, state: ProfileState, until: int) -> Reduction:
        """Fire the profile's deadlines up to and including `until` (a tick's now)."""
        out = Reduction(state)
        self._fire(out, until + 1)
        return self._close(out)

    def _take(
        self, out: Reduction, record: Record, event: Event | None = None, *, is_new: bool = False
    ) -> None:
        if record.kind == EVENT:
            self._take_event(out, event or decode_event(record), record.now, is_new=is_new)
            return
        deadline = out.state.deadline
        if deadline is not None and deadline < record.now:
            self._fire(out, record.now)
        if record.kind == MERGE_IN:
            merge = _decode_merge(record.body)
            if merge.merge_id not in out.state.absorbed:
                out.state.waiting_for[merge.merge_id] = record.now
        elif record.kind == MERGE_OUT:
            self._merge_out(out, _decode_merge(record.body), record.now)
        out.state.updated_at = record.now

    def _take_event(self, out: Reduction, event: Event, now: int, *, is_new: bool) -> None:
        state = out.state
        if state.deadline is not None and state.deadline < now:
            self._fire(out, now)
            state = out.state
        state.updated_at = now
        if state.merged_into:
            return
        traits, has_context = fold_event(state, event)
        view = ProfileView(state, self._timezone)
        changes: list[tuple[str, bool]] = []
        take = self._takers.get(event.name)
        if take is not None:
            take(state.cells, event, now, view, state.segments, state.deadlines, changes)
        if traits or is_new or (has_context and self._of_context) or state.deadline == now:
            more = self._touched(state, traits, has_context, now, is_new=is_new)
            changes += self.program.settle(view, more, now, state.segments, state.deadlines)
        entered: list[str] = []
        if changes:
            entered = self._note(out, changes, now, "import" if event.is_historical else "record")
        if state.runs:
            for run in state.runs:
                if run.resume_at <= now:
                    self._resume(out, now)
                    break
            if self._machine.has_exits:
                self._machine.leave(state, now)
        if event.is_historical:
            return
        age = now - event.timestamp
        for journey, freshness in self._by_event.get(event.name, ()):
            if age <= freshness and self._machine.is_open(state, journey):
                out.effects += self._machine.start(state, journey, _trigger_of(event), now)
        if entered:
            self._start_entered(out, entered, now, age)

    def _touched(
        self,
        state: ProfileState,
        traits: tuple[str, ...],
        has_context: bool,
        now: int,
        *,
        is_new: bool,
    ) -> list[str]:
        """Return the segments that traits, context, birth or a deadline at `now` can change."""
        more: set[str] = set()
        if is_new:
            more.update(self._born)
        for trait in traits:
            more.update(self._of_trait.get(trait, ()))
        if has_context:
            more.update(self._of_context)
        if state.deadline == now:
            more.update(name for name, at in state.deadlines.items() if at == now)
        return sorted(more, key=self._rank.__getitem__)

    # -- segments and journeys -------------------------------------------------------------------

    def _settle(self, out: Reduction, segments: Iterable[str], now: int, cause: str) -> list[str]:
        """Ask segments; note the changes; return those that were entered."""
        state = out.state
        view = ProfileView(state, self._timezone)
        changes = self.program.settle(view, segments, now, state.segments, state.deadlines)
        return self._note(out, changes, now, cause) if changes else []

    def _note(
        self, out: Reduction, changes: list[tuple[str, bool]], now: int, cause: str
    ) -> list[str]:
        entered: list[str] = []
        for segment, is_member in changes:
            out.memberships.append(
                MembershipChange(segment=segment, is_member=is_member, at=now, cause=cause)
            )
            if is_member:
                entered.append(segment)
        return entered

    def _start_entered(self, out: Reduction, entered: list[str], now: int, age: int = 0) -> None:
        for segment in entered:
            for journey in self._by_segment.get(segment, ()):
                if age <= journey.freshness.after(0):
                    trigger = {"segment": segment, "timestamp": now}
                    out.effects += self._machine.start(out.state, journey, trigger, now)

    def _resume(self, out: Reduction, now: int) -> None:
        due = [run for run in out.state.runs if run.resume_at <= now]
        if not due:
            return
        if len(due) > 1:
            due.sort(key=lambda run: (run.resume_at, run.started_at))
        for run in due:
            out.effects += self._machine.resume(out.state, run, now)

    # -- time ------------------------------------------------------------------------------------

    def _fire(self, out: Reduction, before: int) -> None:
        """Fire the deadlines earlier than `before`, in order, each with its own now."""
        state = out.state
        if state.waiting_for:
            if merging.waits_until(state) >= before:
                return
            self._stop_waiting(out)
            state = out.state
        deadlines, runs = state.deadlines, state.runs
        due = [(at, self._rank[name], name) for name, at in deadlines.items() if at < before]
        if len(due) > 1:
            heapify(due)
        view = ProfileView(state, self._timezone)
        for _ in range(FIRINGS_MAX):
            at = due[0][0] if due else before
            for run in runs:
                if run.resume_at < at:
                    at = run.resume_at
            if at >= before:
                return
            names: list[str] = []
            while due and due[0][0] <= at:
                names.append(heappop(due)[2])
            entered: list[str] = []
            if names:
                self.program.prune_for(state.cells, at, names)
                changes = self.program.settle(view, names, at, state.segments, deadlines)
                if changes:
                    entered = self._note(out, changes, at, "time")
                for name in names:
                    flip = deadlines.get(name, before)
                    if flip < before:
                        heappush(due, (flip, self._rank[name], name))
            if runs:
                self._resume(out, at)
            if entered:
                self._machine.leave(state, at)
                self._start_entered(out, entered, at)
        raise AssertionError(f"more than {FIRINGS_MAX} deadlines fired for one profile in one call")

    def _close(self, out: Reduction) -> Reduction:
        state = out.state
        first: int | None = None
        if state.waiting_for:
            first = merging.waits_until(state)
        else:
            if state.deadlines:
                first = min(state.deadlines.values())
            for run in state.runs:
                if first is None or run.resume_at < first:
                    first = run.resume_at
        out.deadline = state.deadline = first
        return out

    # -- merges ----------------------------------------------------------------------------------

    def _merge_out(self, out: Reduction, merge: Merge, now: int) -> None:
        state = out.state
        if state.merged_into:
            return
        if state.waiting_for:
            self._stop_waiting(out)
        out.effects.append(merging.hand_over(state, merge, now))
        for segment in state.segments:
            out.memberships.append(
                MembershipChange(segment=segment, is_member=False, at=now, cause="merge")
            )
        out.state = merging.tombstone(state, merge, now)

    def _absorb(self, out: Reduction, record: Record) -> None:
        absorbed = _decode_absorb(record.body)
        state = out.state
        if absorbed.merge_id in state.absorbed:
            return
        if state.merged_into:
            # This winner has itself been merged meanwhile: pass the state on.
            out.effects.append(
                HandOver(
                    effect_id=f"{absorbed.merge_id}:{state.merged_into}",
                    winner_id=state.merged_into,
                    loser_id=absorbed.loser_id,
                    merge_id=absorbed.merge_id,
                    loser_now=absorbed.loser_now,
                    state=absorbed.state,
                )
            )
            state.absorbed = [*state.absorbed, absorbed.merge_id]
            return
        waited_since = state.waiting_for.pop(absorbed.merge_id, None)
        if waited_since is None:
            self._fire(out, record.now)
        at = max(waited_since if waited_since is not None else record.now, absorbed.loser_now)
        loser = decode(absorbed.state)
        merging.drop_filled(state, loser, absorbed.merge_id)
        was_member = dict(state.segments)
        merging.absorb(self.program, state, loser, absorbed.merge_id, at)
        for segment, since in loser.segments.items():
            state.segments[segment] = min(since, state.segments.get(segment, since))
        for segment, since in state.segments.items():
            if was_member.get(segment) != since:
                out.memberships.append(
                    MembershipChange(segment=segment, is_member=True, at=since, cause="merge")
                )
        self._settle(out, self._segments, at, "merge")
        if not state.waiting_for:
            self._unpark(out, at)
            self._fire(out, record.now)
        state.updated_at = record.now

    def _stop_waiting(self, out: Reduction) -> None:
        """Go on without a loser's state that has not come; it is merged when it does."""
        out.state.waiting_for.clear()
        self._unpark(out, 0)

    def _unpark(self, out: Reduction, not_before: int) -> None:
        parked, out.state.parked = out.state.parked, []
        for record in parked:
            self._take(out, msgspec.structs.replace(record, now=max(record.now, not_before)))

    # -- publishing ------------------------------------------------------------------------------

    def activate(
        self,
        state: ProfileState,
        now: int,
        cells: Cells,
        previous: Reducer,
        cause: str = "definition",
    ) -> Reduction:
        """Make this reducer's definitions live for a profile, in the place of `previous`.

        `cells` holds the back-filled accumulators that the state did not have (`new_cells`).
        Memberships change with that cause, those of segments that are new by `backfill`; no journey
        starts. What becomes of runs says `journeys.machine.Machine.adopt`.
        """
        out = Reduction(state)
        known = {*previous.workspace.segments, *state.segments}
        if not state.merged_into:
            state.cells = dict(sorted({**state.cells, **cells}.items()))
            for merge_id, filled in state.expected.items():
                state.expected[merge_id] = sorted({*filled, *cells})
            self.program.prune(state.cells, now)
            for segment in [name for name in state.segments if name not in self.workspace.segments]:
                del state.segments[segment]
                out.memberships.append(
                    MembershipChange(segment=segment, is_member=False, at=now, cause=cause)
                )
            state.deadlines = {}
            self._settle(out, self._segments, now, cause)
            if cause == "definition":
                out.memberships = [
                    change
                    if change.segment in known
                    else msgspec.structs.replace(change, cause="backfill")
                    for change in out.memberships
                ]
            timezone = ProfileView(state, self._timezone).timezone
            out.effects += self._machine.adopt(state, now, timezone, previous._machine)
        return self._close(out)

    def unmerge(
        self, state: ProfileState, now: int, undone: Unmerge, facts: Facts | None
    ) -> Reduction:
        """Make a profile anew after a merge that was none: the winner, or the loser back again."""
        if state.profile_id == undone.loser_id:
            if state.merged_into:
                state.merged_into = 0
                state.consents = facts.consents if facts else {}
        else:
            state.waiting_for.pop(undone.merge_id, None)
            state.expected.pop(undone.merge_id, None)
            if undone.merge_id not in state.absorbed:
                state.absorbed = [*state.absorbed, undone.merge_id]
        out = self.refold(state, now, facts, "merge")
        if not state.waiting_for and state.parked:
            self._unpark(out, now)
        return self._close(out)

    def refold(
        self, state: ProfileState, now: int, facts: Facts | None, cause: str = "definition"
    ) -> Reduction:
        """Put what all its events come to in the place of what a profile has come to, quietly.

        Runs go on; consents stay, since a merge has the stricter one win.
        """
        facts = facts or self.no_facts()
        state.traits, state.cells = facts.traits, {}
        state.context, state.context_at = facts.context, facts.context_at
        state.unfit = facts.unfit
        return self.activate(state, now, facts.cells, self, cause)

    def no_facts(self) -> Facts:
        """Return the facts of somebody who did nothing."""
        return ProfileState(profile_id=0, created_at=0, updated_at=0, origin=0)

    def fold_facts(self, facts: Facts, event: Event) -> None:
        """Add an event to facts, in place."""
        fold_event(facts, event)
        self.program.add(facts.cells, event, event.timestamp)

    def new_cells(self, previous: Reducer | None) -> frozenset[int]:
        """Return the ids of accumulators that `previous` did not keep, or not for long enough."""
        known = {} if previous is None else previous.program.specs
        return frozenset(
            one
            for one, spec in self.program.specs.items()
            if one not in known or not known[one].covers(spec)
        )

    def only_adds(self, previous: Reducer) -> bool:
        """Say whether going live after `previous` can only touch people with new accumulators.

        So it is where segments and journeys came to be added, each segment of them asks new
        accumulators alone, and nobody is a member by having done nothing.
        """
        was, is_now = previous.workspace, self.workspace
        if any(
            before[name] != after.get(name)
            for before, after in ((was.segments, is_now.segments), (was.journeys, is_now.journeys))
            for name in before
        ):
            return False
        same = ("scores", "interests", "lists", "former")
        if any(getattr(was, name) != getattr(is_now, name) for name in same):
            return False
        known = previous.program.specs
        if self._timezone != previous._timezone or any(
            self.program.specs.get(one) != spec for one, spec in known.items()
        ):
            return False
        by_nothing = {*self._born, *self._of_context, *chain(*self._of_trait.values())}
        added = is_now.segments.keys() - was.segments.keys()
        asked = chain(*(self.program.cells_of_key[key_of(name)] for name in added))
        return by_nothing.isdisjoint(added) and known.keys().isdisjoint(asked)

    def fold(self, cells: Cells, event: Event, only: frozenset[int]) -> None:
        """Add an event to those accumulators, in place: the back-fill's inner loop."""
        adders = self._folds.get(only)
        if adders is None:
            adders = self._folds[only] = self.program.adders_for(sorted(only))
        add = adders.get(event.name)
        if add is not None:
            add(cells, event, event.timestamp)

    def merge_cells(self, left: Cells, right: Cells) -> Cells:
        """Merge two sets of accumulators: equal to folding the union of their events."""
        return self.program.merge(left, right, 0)

    def _newborn(self, record: Record) -> ProfileState:
        return ProfileState(
            profile_id=record.profile_id,
            created_at=record.now,
            updated_at=record.now,
            origin=hash64("origin", record.partition, record.now),
        )


def _segments_by(keys: Any) -> dict[str, tuple[str, ...]]:
    return {name: _segment_names(found) for name, found in keys.items()}


def _segment_names(keys: Iterable[str]) -> tuple[str, ...]:
    prefix = key_of("")
    return tuple(key.removeprefix(prefix) for key in keys if key.startswith(prefix))


def _trigger_of(event: Event) -> dict[str, Any]:
    return {
        "name": event.name,
        "message_id": event.message_id,
        "timestamp": event.timestamp,
        "properties": event.properties,
    }
