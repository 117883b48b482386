"""The result of reducing one record."""

from __future__ import annotations

from dataclasses import dataclass, field

from tailorbird.profiles.state import ProfileState
from tailorbird.reducer.effects import Effect, MembershipChange


@dataclass(slots=True)
class Reduction:
    """New state (owned by the caller; mutated inside one call only), what to do, when next.

    `deadline` is the first instant (microseconds UTC) at which something may change without a
    record, None for never.
    """

    state: ProfileState
    effects: list[Effect] = field(default_factory=list)
    memberships: list[MembershipChange] = field(default_factory=list)
    deadline: int | None = None
