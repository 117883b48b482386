"""What a journey wants done in the world, under a name that survives rebuilds."""

from __future__ import annotations

from typing import Any

import msgspec

from tailorbird.base.hashing import hash_text
from tailorbird.profiles.state import Condition


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


def effect_id_of(
    workspace: str, origin: int, journey: str, run_key: str, step: str, visit: int
) -> str:
    """Name an effect: never by profile (merges), version (edits) or counter (rebuilds).

    `origin` tells people apart whose runs have equal keys (two who entered a segment in the same
    microsecond, or who look at the same product); it is that of the profile that began the run.
    """
    return hash_text("effect", workspace, origin, journey, run_key, step, visit)
