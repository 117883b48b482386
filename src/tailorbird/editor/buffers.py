"""The files of a workspace as the editor has them: open buffers in place of what is on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tailorbird.adapters.files import read_folder
from tailorbird.base.problems import Problem
from tailorbird.editor.positions import normalised
from tailorbird.services.publish import checked_workspace
from tailorbird.workspace.layout import FILES, FOLDERS, is_hidden


def workspace_of(path: Path) -> Path | None:
    """Return the nearest folder above a file that is a workspace."""
    for folder in path.parents:
        if (folder / "tailorbird.toml").is_file():
            return folder
    return None


def read_with(folder: Path, buffers: Mapping[Path, str]) -> tuple[dict[str, str], list[Problem]]:
    """Read a workspace with the text of open buffers (absolute path -> text) in place of files.

    Raises:
        FolderProblem: the folder is no workspace any more.
    """
    files, unreadable = read_folder(folder)
    opened = {
        path.relative_to(folder).as_posix(): normalised(text)
        for path, text in buffers.items()
        if path.is_relative_to(folder)
    }
    shown = {name: text for name, text in opened.items() if _is_definition(name)}
    return files | shown, [problem for problem in unreadable if problem.file not in shown]


def problems_of(
    folder: Path, buffers: Mapping[Path, str]
) -> tuple[dict[str, str], dict[str, list[Problem]]]:
    """Return the files of a workspace (path -> text) and what is wrong with each (path -> problems)

    Raises:
        FolderProblem: the folder is no workspace any more.
    """
    files, unreadable = read_with(folder, buffers)
    _, found = checked_workspace(files)
    problems: dict[str, list[Problem]] = {}
    for problem in (*unreadable, *found):
        problems.setdefault(problem.file or "tailorbird.toml", []).append(problem)
    return files, problems


def _is_definition(name: str) -> bool:
    folder, _, file = name.partition("/")
    return name in FILES or (folder in FOLDERS and not any(map(is_hidden, file.split("/"))))
