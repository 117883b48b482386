"""Published versions: how they are named, kept and read again.

A version carries the journeys of earlier ones that people inside still finish
(`workspace.former`), so that it names all that decides an outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tailorbird.base.hashing import hash_text
from tailorbird.base.problems import ProblemsError
from tailorbird.language.needs import CompileError
from tailorbird.ports.control_store import ControlStore
from tailorbird.reducer.compiling import program_of
from tailorbird.workspace.definitions import JourneyDefinition, Workspace
from tailorbird.workspace.former import FORMER, former_after, former_of, own_files, with_former
from tailorbird.workspace.loader import parse_workspace, version_of


def load_workspace(control: ControlStore, version: str) -> Workspace:
    """Return the definitions of a published version.

    Raises:
        KeyError: the version was never published here.
        ProblemsError: this release does not understand what an earlier one published.
    """
    files = control.load_version(version)
    workspace = _read(files, version)
    return replace(workspace, former=_former(control, former_of(files)))


def is_live(control: ControlStore, live: str | None, files: Mapping[str, str]) -> bool:
    """Say whether these definitions are those of the live version."""
    if live is None:
        return False
    return version_of(own_files(control.load_version(live))) == version_of(files)


def next_version(
    control: ControlStore, live: str | None, files: Mapping[str, str], workspace: Workspace
) -> tuple[str, dict[str, str]]:
    """Return name and files of the version that takes the place of the live one."""
    if live is None:
        return workspace.version, dict(files)
    live_files = control.load_version(live)
    try:
        before = _read(live_files, live)
    except ProblemsError:
        # An earlier release wrote it and this one does not understand it: all move.
        return workspace.version, dict(files)
    former = former_after(workspace, before, former_of(live_files))
    for name in list(former):
        try:
            program_of(replace(workspace, former=_former(control, {name: former[name]})))
        except CompileError:
            # It names a segment that is gone: the people inside move instead.
            del former[name]
    carried = with_former(files, former)
    if not former:
        return workspace.version, carried
    return hash_text(workspace.version, carried[FORMER]), carried


def draft_version(
    control: ControlStore, live: str | None, files: Mapping[str, str], workspace: Workspace
) -> Workspace:
    """Return the definitions as they would be if they took the place of the live version."""
    version, carried = next_version(control, live, files, workspace)
    former = _former(control, former_of(carried))
    return replace(workspace, version=version, former=former)


def _former(
    control: ControlStore, versions: Mapping[str, list[str]]
) -> dict[tuple[str, str], JourneyDefinition]:
    found: dict[tuple[str, str], JourneyDefinition] = {}
    for journey, ones in versions.items():
        for one in ones:
            found[journey, one] = _read(control.load_version(one), one).journeys[journey]
    return found


def _read(files: Mapping[str, str], version: str) -> Workspace:
    workspace, problems = parse_workspace(own_files(files), version=version)
    if workspace is None:
        raise ProblemsError(tuple(problems))
    return workspace
