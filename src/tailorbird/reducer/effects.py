"""What the reducer wants done in the world. Every effect has a name that survives rebuilds."""

from __future__ import annotations

from typing import Any

import msgspec

from tailorbird.base.hashing import hash_text


class Condition(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One condition as it was asked: where, its text, its truth, and the values of its parts.

    `values` pairs the text of each operand that is not a constant with its value in JSON form,
    e.g. [("count(order_completed within 30d)", 7)].
    """

    step: str  # "trigger", "exit" or a step id
    text: str
    holds: bool
    values: list[tuple[str, Any]]
    at: int  # microseconds UTC


class SendMessage(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """Send `template` to a profile. `effect_id` names it: see `effect_id_of`.

    `due_at`, `expires_at` and `triggered_at` are microseconds UTC. `trigger` is the event that
    began the run as {"name", "message_id", "timestamp", "properties"}, or
    {"segment", "timestamp"} for a run begun by entering a segment.
    """

    effect_id: str
    profile_id: int
    journey: str
    run_key: str
    step: str
    visit: int
    template: str
    kind: str
    topic: str
    due_at: int
    expires_at: int
    triggered_at: int
    trigger: dict[str, Any]
    conditions: list[Condition]
    version: str  # workspace version


class HandOver(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """The loser of a merge hands its state to the winner: append it as an `absorb` record."""

    effect_id: str
    winner_id: int
    loser_id: int
    merge_id: str
    loser_now: int
    state: bytes


class MembershipChange(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A profile entered or left a segment at `at`; cause is record, time, definition, merge, import."""

    segment: str
    is_member: bool
    at: int
    cause: str


Effect = SendMessage | HandOver


def effect_id_of(workspace: str, journey: str, run_key: str, step: str, visit: int) -> str:
    """Name an effect: never by profile (merges), version (edits) or counter (rebuilds)."""
    return hash_text("effect", workspace, journey, run_key, step, visit)
