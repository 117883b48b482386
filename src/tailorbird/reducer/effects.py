"""What the reducer wants done in the world. Every effect has a name that survives rebuilds."""

from __future__ import annotations

import msgspec

from tailorbird.journeys.effects import SendMessage, effect_id_of
from tailorbird.profiles.state import Condition

__all__ = ["Condition", "Effect", "HandOver", "MembershipChange", "SendMessage", "effect_id_of"]


class HandOver(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """The loser of a merge hands its state to the winner: append it as an `absorb` record."""

    effect_id: str
    winner_id: int
    loser_id: int
    merge_id: str
    loser_now: int
    state: bytes


class MembershipChange(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A profile entered or left a segment; cause: record, time, definition,
    backfill (of a segment that is new), merge or import."""

    segment: str
    is_member: bool
    at: int
    cause: str


Effect = SendMessage | HandOver
