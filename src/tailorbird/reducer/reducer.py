"""reduce(definitions, state, record) -> (state, effects, deadline): all per-profile logic, pure.

No I/O, no clock, no random source. Hosts (`services.advance`) feed it records in log order and
carry out what it says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tailorbird.events.event import Event, Record
from tailorbird.profiles.state import ProfileState
from tailorbird.reducer.effects import Condition
from tailorbird.reducer.reduction import Reduction
from tailorbird.workspace.definitions import Workspace


class Reducer:
    """All definitions of one workspace version, compiled."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def reduce(self, state: ProfileState | None, record: Record) -> Reduction:
        """Reduce a record of a profile (event, merge_out, merge_in, absorb).

        The profile's deadlines earlier than the record's `now` fire first, each with its own now.
        `state` is None for a profile without records so far.
        """
        raise NotImplementedError

    def fire(self, state: ProfileState, until: int) -> Reduction:
        """Fire the profile's deadlines up to and including `until` (a tick's now)."""
        raise NotImplementedError

    def activate(self, state: ProfileState, now: int, cells: dict[int, Any]) -> Reduction:
        """Make this reducer's definitions live for a profile, quietly.

        `cells` holds the back-filled accumulators that the state did not have (`new_cells`).
        Memberships change with cause `definition`; no journey starts.
        """
        raise NotImplementedError

    def new_cells(self, previous: Reducer | None) -> frozenset[int]:
        """Return the ids of accumulators that `previous` did not keep (all, where None)."""
        raise NotImplementedError

    def fold(self, cells: dict[int, Any], event: Event, only: frozenset[int]) -> None:
        """Add an event to those accumulators, in place: the back-fill's inner loop."""
        raise NotImplementedError

    def merge_cells(self, left: dict[int, Any], right: dict[int, Any]) -> dict[int, Any]:
        """Merge two sets of accumulators: equal to folding the union of their events."""
        raise NotImplementedError

    def snapshot(self, state: ProfileState, now: int) -> dict[str, Any]:
        """Return the profile in plain JSON values as templates and the API see it.

        Keys: traits, context, segments (name -> since, microseconds), scores (name -> number or
        None), consents (topic -> bool), created_at, updated_at (microseconds).
        """
        raise NotImplementedError

    def why_not(self, state: ProfileState, journey: str, now: int) -> list[Condition]:
        """Return the conditions of a journey in the order they are asked, as they stand at `now`."""
        raise NotImplementedError

    def next_changes(self, state: ProfileState) -> Iterable[tuple[str, int]]:
        """Return (segment, instant at which its membership is next asked)."""
        raise NotImplementedError
