"""A journey's steps as a table: each step by its id, with the step that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tailorbird.language.calendar import instant_of, local_of, zone_of
from tailorbird.workspace.definitions import Branch, JourneyDefinition, Step, Wait

END = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """`following[id]` is the step after `id`; `otherwise[id]` the one after a branch not taken."""

    first: str
    steps: Mapping[str, Step]
    following: Mapping[str, str]
    otherwise: Mapping[str, str]


def flow_of(journey: JourneyDefinition) -> Flow:
    """Lay a journey's nested steps out as a table."""
    steps: dict[str, Step] = {}
    following: dict[str, str] = {}
    otherwise: dict[str, str] = {}

    def lay(sequence: tuple[Step, ...], after: str) -> str:
        first = after
        for step in reversed(sequence):
            # The loader refuses this with a place; here it would be an endless run.
            assert step.id not in steps, f"step id {step.id!r} is used twice in {journey.name!r}"
            steps[step.id] = step
            if isinstance(step, Branch):
                following[step.id] = lay(step.then, first)
                otherwise[step.id] = lay(step.otherwise, first)
            else:
                following[step.id] = first
            first = step.id
        return first

    first = lay(journey.steps, END)
    return Flow(first, steps, following, otherwise)


def end_of_wait(wait: Wait, started_at: int, timezone: str) -> int:
    """Return the instant at which a wait begun at `started_at` ends (microseconds UTC).

    A wait until a time of day ends at its next occurrence on the person's clock, at once where it
    is that minute already.
    """
    if wait.until_minute is None:
        assert wait.duration is not None
        return wait.duration.after(started_at)
    zone = zone_of(timezone)
    hour, minute = divmod(wait.until_minute, 60)
    local = local_of(started_at, timezone).replace(tzinfo=None, fold=0)
    target = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if (local.hour, local.minute) == (hour, minute):
        return started_at
    if target < local:
        target += timedelta(days=1)
    return max(instant_of(zone, target), started_at)
