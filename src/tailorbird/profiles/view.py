"""A profile's state as expressions see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailorbird.language.accumulators import Cells
from tailorbird.language.calendar import is_zone
from tailorbird.profiles.state import ProfileState


class ProfileView:
    """Reads a state without copying it; `event` is the triggering event, where there is one."""

    __slots__ = ("_state", "_workspace_timezone", "event")

    def __init__(
        self,
        state: ProfileState,
        workspace_timezone: str,
        event: Mapping[str, Any] | None = None,
    ) -> None:
        # One is made for each record, and few conditions look at more than cells.
        self._state = state
        self._workspace_timezone = workspace_timezone
        self.event = event

    @property
    def cells(self) -> Cells:
        """The accumulators by id."""
        return self._state.cells

    @property
    def context(self) -> Mapping[str, Any]:
        """The latest context."""
        return self._state.context

    @property
    def timezone(self) -> str:
        """The person's time zone: the trait where it names one, else the workspace's."""
        own = self.trait("timezone")
        return own if isinstance(own, str) and is_zone(own) else self._workspace_timezone

    def trait(self, name: str) -> Any:
        """Return a trait's raw value or None."""
        found = self._state.traits.get(name)
        return None if found is None else found.value

    def named(self, kind: str, name: str) -> Any:
        """Return a prediction or cluster: none before models exist."""
        return None
