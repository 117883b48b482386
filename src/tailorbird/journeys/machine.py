"""The step machine: starts runs, moves them to their next wait, ends them.

Pure: what a run wants done is returned as `SendMessage` effects, when it wants to go on is its
`resume_at`. The reducer calls `start`, `resume` and `leave`; hosts never do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailorbird.base.time import Duration
from tailorbird.journeys.asking import Asking
from tailorbird.journeys.effects import SendMessage, effect_id_of
from tailorbird.journeys.flow import END, Flow, end_of_wait, flow_of
from tailorbird.language.runtime import event_path
from tailorbird.profiles.state import ProfileState, Run, Started
from tailorbird.workspace.definitions import (
    Branch,
    JourneyDefinition,
    Send,
    Unless,
    Wait,
    Workspace,
)

# A person is in at most this many runs at once, and a run keeps this many answers.
RUNS_MAX = 100
TRACE_MAX = 50
KEYS_MAX = 100


class Machine:
    """All journeys of one workspace version."""

    def __init__(self, workspace: Workspace, asking: Asking) -> None:
        self._workspace = workspace
        self._asking = asking
        self.flows: Mapping[str, Flow] = {
            name: flow_of(journey) for name, journey in workspace.journeys.items()
        }
        self._former: Mapping[tuple[str, str], Flow] = {
            place: flow_of(journey) for place, journey in workspace.former.items()
        }

        journeys = [*workspace.journeys.values(), *workspace.former.values()]
        self.has_exits = any(journey.exit is not None for journey in journeys)

    def is_open(self, state: ProfileState, journey: JourneyDefinition) -> bool:
        """Say whether a run could begin, as far as the trigger does not matter: asked first."""
        if journey.reentry == "once" and journey.name in state.started:
            return False
        if not journey.key:
            for run in state.runs:
                if run.journey == journey.name:
                    return False
        return True

    def start(
        self, state: ProfileState, journey: JourneyDefinition, trigger: dict[str, Any], now: int
    ) -> list[SendMessage]:
        """Begin a run if the trigger's condition and the re-entry rule allow it."""
        key = run_key_of(journey, trigger)
        if key is None or not self._may_enter(state, journey, key, now):
            return []
        asked = self._asking.trigger(state, journey, trigger, now)
        if not asked.holds:
            return []
        run = Run(
            journey=journey.name,
            key=key,
            origin=state.origin,
            started_at=now,
            position=self.flows[journey.name].first,
            resume_at=now,
            wait_started_at=now,
            trigger=trigger,
            trace=[asked],
            visits={},
        )
        started = state.started.get(journey.name)
        if started is None:
            state.started[journey.name] = Started(now, [key])
        else:
            started.last_at = now
            started.keys.append(key)
            del started.keys[:-KEYS_MAX]
        state.runs.append(run)
        return self._go_on(state, run, run.position, now)

    def resume(self, state: ProfileState, run: Run, now: int) -> list[SendMessage]:
        """Go on after a wait that ends at `now`."""
        following = self._flow(run).following[run.position]
        return self._go_on(state, run, following, now)

    def leave(self, state: ProfileState, now: int) -> None:
        """End the runs whose exit condition holds."""
        if not self.has_exits:
            return
        for run in list(state.runs):
            if self._has_to_leave(state, run, now):
                state.runs.remove(run)

    def adopt(
        self, state: ProfileState, now: int, timezone: str, previous: Machine
    ) -> list[SendMessage]:
        """Fit the runs to this version, as their journey's `when_edited` says.

        Those who move keep their place: a wait follows its definition (a shortened one ends at its
        new instant, never before `now`), and where it is gone they go on at the next of the old
        steps that is still there.
        """
        effects: list[SendMessage] = []
        for run in list(state.runs):
            journey = self._workspace.journeys.get(run.journey)
            before = previous.definition(run)
            if journey is None or before is None:
                state.runs.remove(run)
            elif run.version and (run.journey, run.version) in self._workspace.former:
                continue
            elif journey.leads_like(before):
                run.version = ""
            elif journey.when_edited == "leave":
                state.runs.remove(run)
            elif not run.version and self._may_finish(journey, previous):
                run.version = previous._workspace.version
            else:
                old = previous._flow(run)
                run.version = ""
                effects += self._move(state, run, old, now, timezone)
        return effects

    def _may_finish(self, journey: JourneyDefinition, previous: Machine) -> bool:
        place = (journey.name, previous._workspace.version)
        return journey.when_edited == "finish" and place in self._workspace.former

    def _move(
        self, state: ProfileState, run: Run, old: Flow, now: int, timezone: str
    ) -> list[SendMessage]:
        steps = self.flows[run.journey].steps
        position = run.position
        step = steps.get(position)
        if isinstance(step, Wait):
            run.resume_at = max(end_of_wait(step, run.wait_started_at, timezone), now)
            return []
        while position != END and position not in steps:
            position = old.following[position]
        return self._go_on(state, run, position, now)

    def definition(self, run: Run) -> JourneyDefinition | None:
        """Return the journey as a run passes through it, None where there is none."""
        if run.version:
            return self._workspace.former.get((run.journey, run.version))
        return self._workspace.journeys.get(run.journey)

    def _flow(self, run: Run) -> Flow:
        return self._former[run.journey, run.version] if run.version else self.flows[run.journey]

    def _may_enter(
        self, state: ProfileState, journey: JourneyDefinition, key: str, now: int
    ) -> bool:
        if len(state.runs) >= RUNS_MAX:
            return False
        for run in state.runs:
            if run.journey == journey.name and (not journey.key or run.key == key):
                return False
        started = state.started.get(journey.name)
        if started is not None and key in started.keys:
            return False
        return self.may_enter_again(state, journey, now)

    def may_enter_again(self, state: ProfileState, journey: JourneyDefinition, now: int) -> bool:
        """Say whether the re-entry rule allows a run to begin at `now`."""
        started = state.started.get(journey.name)
        if started is None:
            return True
        if journey.reentry == "once":
            return False
        if isinstance(journey.reentry, Duration):
            return journey.reentry.after(started.last_at) <= now
        return True

    def _go_on(self, state: ProfileState, run: Run, position: str, now: int) -> list[SendMessage]:
        journey = self.definition(run)
        assert journey is not None
        flow = self._flow(run)
        effects: list[SendMessage] = []
        while position != END:
            if journey.exit is not None and self._asking.exits(state, journey, run, now):
                break
            step = flow.steps[position]
            run.visits[position] = run.visits.get(position, 0) + 1
            if isinstance(step, Wait):
                run.position, run.wait_started_at = position, now
                zone = "" if step.until_minute is None else self._asking.timezone(state)
                run.resume_at = end_of_wait(step, now, zone)
                return effects
            position = self._step(state, run, journey, flow, step, now, effects)
        state.runs.remove(run)
        return effects

    def _step(
        self,
        state: ProfileState,
        run: Run,
        journey: JourneyDefinition,
        flow: Flow,
        step: Unless | Branch | Send,
        now: int,
        effects: list[SendMessage],
    ) -> str:
        following = flow.following[step.id]
        if isinstance(step, Send):
            effects.append(self._send(state, run, step, now))
            return following
        asked = self._asking.step(state, journey, step, run, now)
        run.trace = [*run.trace, asked][-TRACE_MAX:]
        if isinstance(step, Unless):
            return END if asked.holds else following
        return following if asked.holds else flow.otherwise[step.id]

    def _has_to_leave(self, state: ProfileState, run: Run, now: int) -> bool:
        journey = self.definition(run)
        if journey is None or journey.exit is None:
            return False
        return self._asking.exits(state, journey, run, now)

    def _send(self, state: ProfileState, run: Run, step: Send, now: int) -> SendMessage:
        visit = run.visits[step.id]
        return SendMessage(
            effect_id=effect_id_of(
                self._workspace.settings.name, run.origin, run.journey, run.key, step.id, visit
            ),
            profile_id=state.profile_id,
            journey=run.journey,
            run_key=run.key,
            step=step.id,
            visit=visit,
            template=step.template,
            kind=step.kind,
            topic=step.topic,
            due_at=now,
            expires_at=step.expires_after.after(now),
            triggered_at=run.started_at,
            trigger=run.trigger,
            conditions=list(run.trace),
            version=self._version_of(run, step.template),
        )

    def _version_of(self, run: Run, template: str) -> str:
        # Who finishes an old journey gets the template of today, as long as there is one.
        if run.version and template not in self._workspace.templates:
            return run.version
        return self._workspace.version


def run_key_of(journey: JourneyDefinition, trigger: Mapping[str, Any]) -> str | None:
    """Name a run: by the declared key, else by the trigger. None where the key is missing."""
    if "segment" in trigger:
        return f"{trigger['segment']}@{trigger['timestamp']}"
    if not journey.key:
        return str(trigger["message_id"])
    value = event_path(trigger, journey.key)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value)
