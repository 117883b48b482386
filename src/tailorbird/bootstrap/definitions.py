"""How a published version becomes definitions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tailorbird.ports.control_store import ControlStore
from tailorbird.services.versions import load_workspace
from tailorbird.workspace.definitions import Workspace


def workspace_loader(control: ControlStore) -> Callable[[str], Workspace]:
    """Return how engines get the definitions of a published version: `load_workspace`."""
    return partial(load_workspace, control)
