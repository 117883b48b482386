"""Asks the conditions of journeys and keeps the answers, with the values that decided them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tailorbird.language import tree
from tailorbird.language.plain import to_plain
from tailorbird.language.program import Program
from tailorbird.profiles.state import Condition, ProfileState, Run
from tailorbird.profiles.view import ProfileView
from tailorbird.segments.membership import key_of
from tailorbird.workspace.definitions import Branch, JourneyDefinition, Step, Unless, Workspace


def conditions_of(journey: JourneyDefinition, version: str = "") -> Iterator[tuple[str, tree.Node]]:
    """Yield (program key, expression) of everything that a journey asks.

    Of a former `version` only what those ask who are inside.
    """
    prefix = _prefix(journey, version)
    if journey.trigger.event is not None and not version:
        seen = tree.Selector(event=journey.trigger.event)
        yield f"{prefix}:seen", tree.Aggregate(kind="any", selectors=(seen,))
    if journey.trigger.where is not None and not version:
        yield f"{prefix}:where", journey.trigger.where
    if journey.exit is not None:
        yield exit_key(journey, version), journey.exit
    for step in walk(journey.steps):
        if isinstance(step, (Unless, Branch)):
            yield step_key(journey, step, version), step.condition


def exit_key(journey: JourneyDefinition, version: str = "") -> str:
    """Return the program key of what ends a run, of a former `version` or the live one."""
    return f"{_prefix(journey, version)}:exit"


def step_key(journey: JourneyDefinition, step: Unless | Branch, version: str = "") -> str:
    """Return the program key of what a step asks."""
    return f"{_prefix(journey, version)}:step:{step.id}"


def _prefix(journey: JourneyDefinition, version: str) -> str:
    return f"journey:{journey.name}@{version}" if version else f"journey:{journey.name}"


def walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Yield all steps, nested ones after the branch that holds them."""
    for step in steps:
        yield step
        if isinstance(step, Branch):
            yield from walk(step.then)
            yield from walk(step.otherwise)


class Asking:
    """Evaluates journey conditions of one workspace version on a profile's state."""

    def __init__(self, workspace: Workspace, program: Program) -> None:
        self._workspace = workspace
        self._program = program

    def timezone(self, state: ProfileState) -> str:
        """Return the person's time zone: the trait, else the workspace's."""
        return ProfileView(state, self._workspace.settings.timezone).timezone

    def trigger(
        self, state: ProfileState, journey: JourneyDefinition, trigger: Mapping[str, Any], now: int
    ) -> Condition:
        """Ask whether a trigger counts; of a segment, note the condition that let them in."""
        definition = journey.trigger
        if definition.segment is not None:
            text = self._workspace.segments[definition.segment].text
            asked = self._ask("trigger", text, key_of(definition.segment), state, trigger, now)
            return Condition(
                step="trigger",
                text=f"in segment('{definition.segment}'): {text}",
                holds=definition.segment in state.segments,
                values=asked.values,
                at=now,
            )
        name = definition.event or ""
        if definition.where is None:
            return Condition(step="trigger", text=name, holds=True, values=[], at=now)
        key = f"journey:{journey.name}:where"
        asked = self._ask("trigger", definition.where_text, key, state, trigger, now)
        asked.text = f"{name} where {definition.where_text}"
        return asked

    def has_happened(self, state: ProfileState, journey: JourneyDefinition, now: int) -> bool:
        """Say whether the person ever did what starts an event journey."""
        view = ProfileView(state, self._workspace.settings.timezone)
        return self._program.evaluate(f"journey:{journey.name}:seen", view, now)[0] is True

    def step(
        self,
        state: ProfileState,
        journey: JourneyDefinition,
        step: Unless | Branch,
        run: Run | None,
        now: int,
    ) -> Condition:
        """Ask the condition of a step."""
        key = step_key(journey, step, run.version if run else "")
        return self._ask(step.id, step.text, key, state, run.trigger if run else None, now)

    def exits(self, state: ProfileState, journey: JourneyDefinition, run: Run, now: int) -> bool:
        """Say whether the exit condition holds for a run."""
        view = ProfileView(state, self._workspace.settings.timezone, run.trigger)
        return self._program.evaluate(exit_key(journey, run.version), view, now)[0] is True

    def exit(
        self,
        state: ProfileState,
        journey: JourneyDefinition,
        trigger: Mapping[str, Any] | None,
        now: int,
        version: str = "",
    ) -> Condition:
        """Ask the exit condition of the run that `trigger` began, and keep its values.

        `version` is that of the run, empty for what is live.
        """
        key = exit_key(journey, version)
        return self._ask("exit", journey.exit_text, key, state, trigger, now)

    def _ask(
        self,
        step: str,
        text: str,
        key: str,
        state: ProfileState,
        event: Mapping[str, Any] | None,
        now: int,
    ) -> Condition:
        view = ProfileView(state, self._workspace.settings.timezone, event)
        value, _ = self._program.evaluate(key, view, now)
        values = [
            (name, f"{to_plain(found)} or more" if is_capped else to_plain(found))
            for name, found, is_capped in self._program.explain(key, text, view, now)
        ]
        return Condition(step=step, text=text, holds=value is True, values=values, at=now)
