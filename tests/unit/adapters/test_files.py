"""The workspace folder on disk: reading, keys, the scaffold, noticing changes."""

from __future__ import annotations

import stat
from pathlib import Path
from threading import Event

import pytest

from tailorbird.adapters.files import (
    FolderProblem,
    Keys,
    create_workspace,
    ensure_keys,
    read_folder,
    read_keys,
    watch_folder,
)
from tailorbird.workspace.loader import parse_workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_workspace(tmp_path / "shop")
    return tmp_path / "shop"


def test_a_new_workspace_is_sound_and_commented(folder: Path) -> None:
    files, unreadable = read_folder(folder)
    workspace, problems = parse_workspace(files)
    assert unreadable == []
    assert [one.render() for one in problems] == []
    assert workspace is not None
    assert len(workspace.segments) == 2
    assert len(workspace.templates) == 2
    assert all(text.startswith(("#", "---")) for text in files.values())


def test_editors_find_the_schemas_that_the_files_name(folder: Path) -> None:
    named = 0
    for path in folder.rglob("*"):
        if path.suffix not in (".yaml", ".toml"):
            continue
        first = path.read_text(encoding="utf-8").splitlines()[0]
        place = first.partition("$schema=")[2] or first.partition("#:schema ")[2]
        assert (path.parent / place).is_file(), first
        named += 1
    assert named >= 6


def test_only_a_new_or_empty_folder_is_written_to(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(FolderProblem, match="is not empty"):
        create_workspace(folder)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(FolderProblem, match="is a file"):
        create_workspace(tmp_path / "file")
    (tmp_path / "cloned" / ".git").mkdir(parents=True)
    create_workspace(tmp_path / "cloned")


def test_keys_are_secret_and_stay(folder: Path) -> None:
    keys = read_keys(folder)
    assert keys is not None
    assert ensure_keys(folder) == keys
    assert keys.write_key.startswith("wk_")
    assert keys.admin_key.startswith("ak_")
    assert keys.write_key not in repr(keys)
    mode = (folder / ".tailorbird" / "keys.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert "keys.json" in (folder / ".tailorbird" / ".gitignore").read_text(encoding="utf-8")


def test_a_copied_workspace_gets_keys_of_its_own(tmp_path: Path) -> None:
    assert read_keys(tmp_path) is None
    assert isinstance(ensure_keys(tmp_path), Keys)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"write_key": "x"}', "\x00"])
def test_damaged_keys_are_complained_of(folder: Path, text: str) -> None:
    (folder / ".tailorbird" / "keys.json").write_text(text, encoding="utf-8")
    with pytest.raises(FolderProblem, match="damaged"):
        read_keys(folder)


def test_what_is_no_workspace_is_complained_of(tmp_path: Path) -> None:
    with pytest.raises(FolderProblem, match="there is no folder"):
        read_folder(tmp_path / "gone")
    with pytest.raises(FolderProblem, match=r"no tailorbird\.toml"):
        read_folder(tmp_path)


def test_only_definitions_are_read(folder: Path) -> None:
    for name in ("README.md", "segments/.a.yaml.swp", "segments/b.yaml~", ".git/segments/x.yaml"):
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("x", encoding="utf-8")
    (folder / "segments" / "sub").mkdir()
    (folder / "segments" / "sub" / "a.yaml").write_text("when: any(a)\n", encoding="utf-8")
    files, problems = read_folder(folder)
    assert problems == []
    assert "segments/sub/a.yaml" in files
    assert not [one for one in files if "~" in one or "README" in one or ".git" in one]


def test_line_ends_and_byte_order_marks_do_not_matter(folder: Path) -> None:
    path = folder / "segments" / "frequent.yaml"
    before = read_folder(folder)[0]
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_folder(folder)[0] == before


def test_what_is_no_text_is_a_problem_with_its_file(folder: Path) -> None:
    (folder / "lists" / "a.txt").write_bytes(b"x\ny\xff\n")
    (folder / "lists" / "b.txt").write_bytes(b"x" * 2_000_001)
    (folder / "lists" / "c.txt").symlink_to(folder / "gone")
    files, problems = read_folder(folder)
    assert [(one.file, one.line) for one in problems] == [
        ("lists/a.txt", 2),
        ("lists/b.txt", 0),
        ("lists/c.txt", 0),
    ]
    assert problems[2].message == f"it is a link to {folder / 'gone'}, which is not there"
    assert "lists/c.txt" not in files


class Ticks(Event):
    """A stop signal that acts on each look instead of waiting, and stops after the last."""

    def __init__(self, actions: list[object]) -> None:
        super().__init__()
        self.actions = actions

    def wait(self, timeout: float | None = None) -> bool:
        if not self.actions:
            return True
        action = self.actions.pop(0)
        if callable(action):
            action()
        return False


def test_a_change_is_noticed_once_it_has_settled(folder: Path) -> None:
    path = folder / "segments" / "frequent.yaml"
    seen: list[int] = []

    def change() -> None:
        path.write_text(path.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")

    actions: list[object] = [None, change, change, None, None, None, path.unlink, None, None]
    watch_folder(folder, lambda: seen.append(len(actions)), Ticks(actions))
    # At once; after the two changes have settled; after the removal has settled.
    assert seen == [9, 5, 1]
