"""The result of reducing one record."""

from __future__ import annotations

from tailorbird.profiles.state import ProfileState
from tailorbird.reducer.effects import Effect, MembershipChange


class Reduction:
    """New state (owned by the caller; mutated inside one call only), what to do, when next.

    `deadline` is the first instant (microseconds UTC) at which something may change without a
    record, None for never.
    """

    __slots__ = ("deadline", "effects", "memberships", "state")

    def __init__(self, state: ProfileState) -> None:
        # By hand: one is made for each record, and a dataclass asks a factory for each list.
        self.state = state
        self.effects: list[Effect] = []
        self.memberships: list[MembershipChange] = []
        self.deadline: int | None = None
