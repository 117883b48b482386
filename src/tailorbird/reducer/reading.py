"""What people and templates see of a profile's state: values, reasons, what comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tailorbird.base.time import DAY, Duration, format_micros
from tailorbird.journeys.asking import Asking, exit_key, step_key, walk
from tailorbird.journeys.effects import SendMessage
from tailorbird.journeys.machine import Machine
from tailorbird.language import tree
from tailorbird.language.flipping import smallest_change
from tailorbird.language.moves import Asked, Change, Move, lived, waiting
from tailorbird.language.needs import PointsScore
from tailorbird.language.plain import to_plain
from tailorbird.language.program import Program, ViewLike
from tailorbird.language.values import Value
from tailorbird.profiles.fold import fold_event
from tailorbird.profiles.state import Condition, ProfileState, decode, encode
from tailorbird.profiles.view import ProfileView
from tailorbird.reducer.compiling import program_of, score_key, scores_of
from tailorbird.segments.membership import key_of
from tailorbird.workspace.definitions import Branch, JourneyDefinition, Unless, Workspace

# Of each interest, the values that a snapshot tells.
INTERESTS_SHOWN = 10
# How far ahead is looked whether a condition comes true by itself.
_FLIPS_MAX = 200
_WAIT_MAX = 3 * 365 * DAY


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

    def why_not(
        self, state: ProfileState, journey: str, now: int
    ) -> list[tuple[Condition, Change | None]]:
        """Return the conditions of a journey in the order they are asked, as they stand at `now`.

        With each that fails comes the smallest change after which it would hold, None where there
        is none.

        Raises:
            KeyError: no such journey.
        """
        definition = self.workspace.journeys[journey]
        run = next((run for run in state.runs if run.journey == journey), None)
        if run is not None:
            definition = self._machine.definition(run) or definition
        conditions = [self._trigger_condition(state, definition, now)]
        if run is None and (started := state.started.get(journey)) is not None:
            asked = Condition(
                step="re-entry",
                text=f"re-entry: {_describe_reentry(definition)}",
                holds=self._machine.may_enter_again(state, definition, now),
                values=[("last started", format_micros(started.last_at))],
                at=now,
            )
            again = None
            if isinstance(definition.reentry, Duration) and not asked.holds:
                # The pause is over then whatever else happens.
                again = waiting(definition.reentry.after(started.last_at))
                again = replace(again, is_verified=True)
            conditions.append((asked, again))
        trigger = run.trigger if run else None
        version = run.version if run else ""
        if definition.exit is not None:
            asked = _negated(self._asking.exit(state, definition, trigger, now, version), "unless")
            key = exit_key(definition, version)
            conditions.append((asked, self._change(asked, key, state, trigger, now, wanted=False)))
        for step in walk(definition.steps):
            if not isinstance(step, (Unless, Branch)):
                continue
            asked = self._asking.step(state, definition, step, run, now)
            is_unless = isinstance(step, Unless)
            if is_unless:
                asked = _negated(asked, "unless")
            key = step_key(definition, step, version)
            change = self._change(asked, key, state, trigger, now, wanted=not is_unless)
            conditions.append((asked, change))
        return conditions

    def _change(
        self,
        asked: Condition,
        key: str,
        state: ProfileState,
        trigger: Mapping[str, Any] | None,
        now: int,
        *,
        wanted: bool,
    ) -> Change | None:
        """Return the smallest change after which a condition that fails holds."""
        if asked.holds:
            return None
        person = _OfPerson(self, key, state, trigger, now)
        return smallest_change(self.program.node(key), person, wanted=wanted)

    def _trigger_condition(
        self, state: ProfileState, journey: JourneyDefinition, now: int
    ) -> tuple[Condition, Change | None]:
        if journey.trigger.segment is not None:
            trigger = {"segment": journey.trigger.segment, "timestamp": now}
            asked = self._asking.trigger(state, journey, trigger, now)
            key = key_of(journey.trigger.segment)
            return asked, self._change(asked, key, state, trigger, now, wanted=True)
        text = f"{journey.trigger.event} happened"
        if journey.trigger.where is not None:
            text += f" with {journey.trigger.where_text}"
        holds = journey.name in state.started or (
            journey.trigger.where is None and self._asking.has_happened(state, journey, now)
        )
        asked = Condition(step="trigger", text=text, holds=holds, values=[], at=now)
        event = journey.trigger.event or ""
        missing = text.replace(" happened", "", 1)
        change = Change(text=f"1 more `{missing}`", cost=1, events=((event, 1),))
        return asked, None if holds else change

    def next_changes(self, state: ProfileState) -> Iterable[tuple[str, int]]:
        """Return (segment, instant at which its membership is next asked)."""
        return sorted(state.deadlines.items(), key=lambda item: item[1])


class _OfPerson(Asked):
    """A person at an instant, as `flipping` asks them about the condition of a key."""

    def __init__(
        self,
        reader: StateReader,
        key: str,
        state: ProfileState,
        trigger: Mapping[str, Any] | None,
        now: int,
        readings: dict[tree.Node, Callable[[ViewLike, int], Value]] | None = None,
    ) -> None:
        self._reader, self._key, self._state, self._trigger = reader, key, state, trigger
        self._view = ProfileView(state, reader.workspace.settings.timezone, trigger)
        self._readings = {} if readings is None else readings
        self.now = now

    def value(self, node: tree.Node) -> Value:
        if node not in self._readings:
            self._readings[node] = self._reader.program.reading(node)
        return self._readings[node](self._view, self.now)

    def flips_at(self, *, wanted: bool) -> int | None:
        at: int | None = self.now
        for _ in range(_FLIPS_MAX):
            if at is None or at > self.now + _WAIT_MAX:
                break
            asked_at = at
            value, at = self._reader.program.evaluate(self._key, self._view, asked_at)
            if (value is True) == wanted:
                return asked_at
        return None

    def after(self, moves: Sequence[Move]) -> Asked:
        state = decode(encode(self._state))
        events, now = lived(moves, self.now)
        for event in events:
            fold_event(state, event)
            self._reader.program.add(state.cells, event, event.timestamp)
        return _OfPerson(self._reader, self._key, state, self._trigger, now, self._readings)

    def segment(self, name: str) -> tree.Node | None:
        found = self._reader.workspace.segments.get(name)
        return None if found is None else found.when

    def score(self, name: str) -> tree.Node | PointsScore | None:
        return scores_of(self._reader.workspace.scores).get(name)


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
