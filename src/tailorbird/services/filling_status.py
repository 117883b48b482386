"""How far a version that goes live has come: first history is folded, then people are reached."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from tailorbird.events.event import PARTITIONS
from tailorbird.ports.control_store import LIVE_VERSION, ControlStore
from tailorbird.ports.state_store import StateStore, SweepRow
from tailorbird.workspace.definitions import Workspace

# The version that is being activated; empty while none is.
BEGUN = "begun_version"
# How far history has been folded for a version that is to go live: JSON, empty while none is.
PREPARING = "preparing"
# The version that somebody does not want any more.
CANCEL = "cancelled_version"

_IDS = 2**63  # profile ids are hashes, so they lie evenly below it


def filling_status(
    control: ControlStore,
    states: Sequence[StateStore],
    load_workspace: Callable[[str], Workspace],
) -> dict[str, Any] | None:
    """Return version, stage, share from 0 to 1 and segments of what goes live; None if nothing.

    The stage is `history` while the past is being folded (what was live is still live), `people`
    while the version comes to one person after the other. The segments are those that are new or
    changed: their sizes are not complete yet.
    """
    preparing = json.loads(control.get(PREPARING) or "null")
    if preparing:
        return {
            "version": preparing["version"],
            "stage": "history",
            "share": round(preparing["records"] / max(preparing["of"], 1), 3),
            "segments": [],
        }
    sweeps = [row for store in states for row in store.sweeps()]
    version = control.get(BEGUN) or control.get(LIVE_VERSION)
    if not sweeps or not version:
        return None
    reached = PARTITIONS - len(sweeps) + sum((row.after + 1) / _IDS for row in sweeps)
    return {
        "version": version,
        "stage": "people",
        "share": round(reached / PARTITIONS, 3),
        "segments": _changed(sweeps, version, load_workspace),
    }


def _changed(
    sweeps: Sequence[SweepRow], version: str, load_workspace: Callable[[str], Workspace]
) -> list[str]:
    now = load_workspace(version).segments
    found: set[str] = set()
    for before in {row.before for row in sweeps}:
        was = load_workspace(before).segments if before else {}
        found.update(name for name in now if name not in was or was[name].when != now[name].when)
    return sorted(found)
