"""Reads the files of a workspace folder that matter as path -> text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tailorbird.base.problems import OperationalError, Problem
from tailorbird.workspace.layout import FILES, FILES_MAX, FOLDERS, SIZE_MAX, is_hidden


class FolderProblem(OperationalError):
    """The folder cannot be read, or is no workspace."""


def read_folder(folder: Path) -> tuple[dict[str, str], list[Problem]]:
    """Read the definitions of a workspace.

    Returns:
        The texts by path relative to the folder (with `/`), line ends as `\\n`; and problems for
        files that are no text.

    Raises:
        FolderProblem: the folder does not exist, is no workspace, or cannot be read.
    """
    if not folder.is_dir():
        raise FolderProblem(
            f"there is no folder {folder}; make a workspace with `tailorbird init {folder}`",
            is_retry_safe=False,
        )
    if not (folder / "tailorbird.toml").is_file():
        raise FolderProblem(
            f"{folder} is no workspace: it has no tailorbird.toml; make one with "
            f"`tailorbird init {folder}`",
            is_retry_safe=False,
        )
    files: dict[str, str] = {}
    problems: list[Problem] = []
    for path in _paths(folder):
        name = path.relative_to(folder).as_posix()
        if len(files) + len(problems) >= FILES_MAX:
            problems.append(
                Problem(
                    message=f"the workspace has more than {FILES_MAX:,} files",
                    mend="Split it into several workspaces.",
                    file=name,
                )
            )
            break
        text, problem = _read(path, name)
        if problem is not None:
            problems.append(problem)
        elif text is not None:
            files[name] = text
    return files, problems


def fingerprint(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Return names, sizes, times and inodes of the files: equal as long as nothing was written."""
    marks = []
    for path in _paths(folder):
        try:
            stat = path.stat()
        except OSError:
            continue
        marks.append((str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return tuple(marks)


def _paths(folder: Path) -> Iterator[Path]:
    for name in FILES:
        if (folder / name).is_file():
            yield folder / name
    for name in FOLDERS:
        for parent, folders, names in os.walk(folder / name):
            folders[:] = sorted(one for one in folders if not is_hidden(one))
            for one in sorted(names):
                if not is_hidden(one):
                    yield Path(parent) / one


def _read(path: Path, name: str) -> tuple[str | None, Problem | None]:
    try:
        if not path.is_file():
            return None, _problem_of_link(path, name)
        size = path.stat().st_size
        data = path.read_bytes() if size <= SIZE_MAX else b""
    except FileNotFoundError:
        return None, None  # it was removed while we looked
    except OSError as error:
        return None, Problem(
            message=f"the file cannot be read: {error.strerror}",
            mend="Check its permissions.",
            file=name,
        )
    if size > SIZE_MAX:
        return None, Problem(
            message=f"the file has {size:,} bytes, at most {SIZE_MAX:,} are allowed",
            mend="Split it, or send what it says as traits or events.",
            file=name,
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return None, Problem(
            message=f"the file is not UTF-8 text (byte {error.start})",
            mend="Save it as UTF-8.",
            file=name,
            line=data.count(b"\n", 0, error.start) + 1,
            column=1,
        )
    return text.replace("\r\n", "\n").replace("\r", "\n"), None


def _problem_of_link(path: Path, name: str) -> Problem | None:
    if not path.is_symlink() or path.exists():
        return None
    return Problem(
        message=f"it is a link to {path.readlink()}, which is not there",
        mend="Put the file there, or remove the link.",
        file=name,
    )
