"""Makes a new workspace folder from the commented examples that ship with the package."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from tailorbird.adapters.files.folder import FolderProblem
from tailorbird.adapters.files.keys import Keys, ensure_keys

_PACKAGE = "tailorbird.workspace"


def create_workspace(folder: Path) -> Keys:
    """Write the scaffold, the schemas for editors, and keys into a new or empty folder.

    Raises:
        FolderProblem: the folder holds something already, or cannot be written.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise FolderProblem(f"{folder} is a file; name a new folder", is_retry_safe=False)
        if folder.is_dir() and any(one.name != ".git" for one in folder.iterdir()):
            raise FolderProblem(
                f"{folder} is not empty; name a new folder, so that nothing gets overwritten",
                is_retry_safe=False,
            )
        folder.mkdir(parents=True, exist_ok=True)
        _copy(files(_PACKAGE) / "scaffold", folder)
        write_schemas(folder)
        return ensure_keys(folder)
    except OSError as error:
        raise FolderProblem(
            f"{folder} cannot be written: {error.strerror or error}", is_retry_safe=False
        ) from error


def write_schemas(folder: Path) -> None:
    """Put the JSON Schemas of all kinds into `.tailorbird/schemas`, for editors to complete by."""
    _copy(files(_PACKAGE) / "schemas", folder / ".tailorbird" / "schemas")


def _copy(source: Traversable, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for item in source.iterdir():
        if item.is_dir():
            _copy(item, target / item.name)
        else:
            (target / item.name).write_bytes(item.read_bytes())
