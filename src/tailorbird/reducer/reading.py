"""What people and templates see of a profile's state: values, reasons, what comes next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tailorbird.base.time import format_micros
from tailorbird.journeys.asking import Asking, walk
from tailorbird.journeys.effects import SendMessage
from tailorbird.journeys.machine import Machine
from tailorbird.language.plain import to_plain
from tailorbird.language.program import Program
from tailorbird.profiles.state import Condition, ProfileState
from tailorbird.profiles.view import ProfileView
from tailorbird.reducer.compiling import program_of, score_key
from tailorbird.workspace.definitions import Branch, JourneyDefinition, Unless, Workspace

# Of each interest, the values that a snapshot tells.
INTERESTS_SHOWN = 10


class StateReader:
    """All definitions of one workspace version, compiled, for reading states."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.program: Program = program_of(workspace)
        self._asking = Asking(workspace, self.program)
        self._machine = Machine(workspace, self._asking)
        self._timezone = workspace.settings.timezone

    def snapshot(self, state: ProfileState, now: int) -> dict[str, Any]:
        """Return the profile in plain JSON values as templates and the API see it.

        Keys: traits, unfit (trait -> why its value has no standard form), context, segments
        (name -> since, microseconds), scores (name -> number or None), interests (name ->
        [{value, weight}], heaviest first), consents (topic -> bool), created_at, updated_at
        (microseconds).
        """
        view = ProfileView(state, self._timezone)
        return {
            "traits": {name: trait.value for name, trait in state.traits.items()},
            "unfit": dict(state.unfit),
            "context": state.context,
            "segments": dict(state.segments),
            "scores": {
                name: to_plain(self.program.evaluate(score_key(name), view, now)[0])
                for name in self.workspace.scores
            },
            "interests": {
                name: [
                    {"value": value, "weight": weight}
                    for value, weight in self.program.interests(name, view, now, INTERESTS_SHOWN)
                ]
                for name in self.workspace.interests
            },
            "consents": {topic: consent.is_given for topic, consent in state.consents.items()},
            "created_at": state.created_at,
            "updated_at": state.updated_at,
        }

    def exit_of(self, state: ProfileState, effect: SendMessage, now: int) -> Condition | None:
        """Ask the exit condition of an effect's journey; None where it has none.

        A run that finishes a former version of its journey is asked that version's.
        """
        name = effect.journey
        runs = (run for run in state.runs if (run.journey, run.key) == (name, effect.run_key))
        version = next((run.version for run in runs), "")
        definition = (
            self.workspace.former.get((name, version))
            if version
            else self.workspace.journeys.get(name)
        )
        if definition is None or definition.exit is None:
            return None
        return self._asking.exit(state, definition, effect.trigger, now, version)

    def why_not(self, state: ProfileState, journey: str, now: int) -> list[Condition]:
        """Return the conditions of a journey in the order they are asked, as they stand at `now`.

        Raises:
            KeyError: no such journey.
        """
        definition = self.workspace.journeys[journey]
        run = next((run for run in state.runs if run.journey == journey), None)
        if run is not None:
            definition = self._machine.definition(run) or definition
        conditions = [self._trigger_condition(state, definition, now)]
        if run is None and (started := state.started.get(journey)) is not None:
            conditions.append(
                Condition(
                    step="re-entry",
                    text=f"re-entry: {_describe_reentry(definition)}",
                    holds=self._machine.may_enter_again(state, definition, now),
                    values=[("last started", format_micros(started.last_at))],
                    at=now,
                )
            )
        if definition.exit is not None:
            trigger, version = (run.trigger, run.version) if run else (None, "")
            asked = self._asking.exit(state, definition, trigger, now, version)
            conditions.append(_negated(asked, "unless"))
        for step in walk(definition.steps):
            if isinstance(step, Unless):
                conditions.append(
                    _negated(self._asking.step(state, definition, step, run, now), "unless")
                )
            elif isinstance(step, Branch):
                conditions.append(self._asking.step(state, definition, step, run, now))
        return conditions

    def _trigger_condition(
        self, state: ProfileState, journey: JourneyDefinition, now: int
    ) -> Condition:
        if journey.trigger.segment is not None:
            trigger = {"segment": journey.trigger.segment, "timestamp": now}
            return self._asking.trigger(state, journey, trigger, now)
        text = f"{journey.trigger.event} happened"
        if journey.trigger.where is not None:
            text += f" with {journey.trigger.where_text}"
        holds = journey.name in state.started or (
            journey.trigger.where is None and self._asking.has_happened(state, journey, now)
        )
        return Condition(step="trigger", text=text, holds=holds, values=[], at=now)

    def next_changes(self, state: ProfileState) -> Iterable[tuple[str, int]]:
        """Return (segment, instant at which its membership is next asked)."""
        return sorted(state.deadlines.items(), key=lambda item: item[1])


def _negated(asked: Condition, word: str) -> Condition:
    """Turn a condition that stops a run into one that lets it pass."""
    return Condition(
        step=asked.step,
        text=f"{word} {asked.text}",
        holds=not asked.holds,
        values=asked.values,
        at=asked.at,
    )


def _describe_reentry(journey: JourneyDefinition) -> str:
    if journey.reentry == "once":
        return "once per person"
    if journey.reentry == "always":
        return "whenever it is triggered, one run at a time"
    return "after a pause since the last start"
