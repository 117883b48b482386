"""How a published version becomes definitions."""

from __future__ import annotations

from collections.abc import Callable

from tailorbird.base.problems import ProblemsError
from tailorbird.ports.control_store import ControlStore
from tailorbird.workspace.definitions import Workspace
from tailorbird.workspace.loader import parse_workspace


def workspace_loader(control: ControlStore) -> Callable[[str], Workspace]:
    """Return how engines get the definitions of a published version.

    Raises (when called):
        KeyError: the version was never published here.
        ProblemsError: this release does not understand what an earlier one published.
    """

    def load(version: str) -> Workspace:
        workspace, problems = parse_workspace(control.load_version(version))
        if workspace is None:
            raise ProblemsError(tuple(problems))
        return workspace

    return load
