"""Journeys of earlier versions that people inside are still finishing.

A published version carries them as one more file, `former.json` ({journey: [version, ...]}, oldest
first), so that its content hash names them and a replay finds them again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tailorbird.workspace.definitions import Workspace

FORMER = "former.json"
# Of one journey; who is inside a still older one moves to what is live.
FORMER_MAX = 5


def own_files(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files of a version without what publishing added."""
    return {path: text for path, text in files.items() if path != FORMER}


def former_of(files: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the former versions by journey that a published version carries."""
    found: dict[str, list[str]] = json.loads(files.get(FORMER, "{}"))
    return found


def with_former(files: Mapping[str, str], former: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the files of a version that carries these former ones."""
    if not former:
        return dict(files)
    return {**files, FORMER: json.dumps(former, sort_keys=True)}


def former_after(
    workspace: Workspace, live: Workspace, carried: Mapping[str, list[str]]
) -> dict[str, list[str]]:
    """Return what a workspace has to carry when it takes the place of the live one."""
    found: dict[str, list[str]] = {}
    for name, journey in workspace.journeys.items():
        versions = list(carried.get(name, ()))
        before = live.journeys.get(name)
        if before is not None and not journey.leads_like(before):
            if journey.when_edited != "finish":
                versions = []
            elif live.version not in versions:
                versions.append(live.version)
        if versions:
            found[name] = versions[-FORMER_MAX:]
    return found
