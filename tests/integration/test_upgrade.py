"""A data folder that an earlier commit wrote, opened by today's code."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tailorbird import bootstrap
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.adapters.sqlite.connection import StorageProblem
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.bootstrap.integrity import FolderContents
from tailorbird.profiles.state import decode, encode
from tailorbird.services.integrity import compare
from tailorbird.services.replay import replay
from tailorbird.testing.upgrade_folder import said_of

pytestmark = pytest.mark.integration

WRITTEN = Path(__file__).resolve().parents[1] / "data" / "upgrade"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    shutil.copytree(WRITTEN / "data", tmp_path / "data")
    # What a server does at its start: every file's tables are brought up to date.
    for opened in (
        bootstrap.open_log(tmp_path / "data", is_writer=True),
        bootstrap.open_identity(tmp_path / "data", is_writer=True),
        bootstrap.open_suppression(tmp_path / "data", is_writer=True),
        bootstrap.open_ledger(tmp_path / "data", is_writer=True),
        *(bootstrap.open_state(tmp_path / "data", one, is_writer=True) for one in range(2)),
    ):
        opened.close()
    return tmp_path / "data"


def test_people_segments_and_messages_are_what_they_were(data: Path) -> None:
    expected = json.loads((WRITTEN / "expected.json").read_text(encoding="utf-8"))
    assert len(expected["people"]) == 6
    found = said_of(data)
    # When it was asked for is not what was said.
    assert {name: expected[name] for name in found} == found
    sent = [one for person in found["messages"] for one in person["content"]]
    assert len(sent) == 18
    assert all(one["status"] == "sent" and "Hello Ada" in one["content"]["html"] for one in sent)


def test_the_files_agree_and_the_log_gives_the_same_states(data: Path) -> None:
    found = list(compare(FolderContents(data), str(data), is_quick=False))
    assert [one for one in found if one.status == "fault"] == []
    with ExitStack() as things:
        log = things.enter_context(closing(bootstrap.open_log(data)))
        control = things.enter_context(closing(bootstrap.open_control(data)))
        lived = [things.enter_context(closing(one)) for one in bootstrap.open_states(data, 2)]
        again = [MemoryStateStore() for _ in range(2)]
        replay(log, again, workspace_loader(control))
        # A newer state may have more fields: the old ones are compared as today's code keeps them.
        for partition in range(64):
            ours = lived[partition % 2].profiles(
                lived[partition % 2].profile_ids(partition, -1, 99)
            )
            anew = again[partition % 2].profiles(
                again[partition % 2].profile_ids(partition, -1, 99)
            )
            assert {one: encode(decode(state)) for one, state in ours.items()} == anew


@pytest.mark.parametrize("name", ["ledger.db", "identity.db", "state/0.db", "control.db"])
def test_a_folder_of_a_newer_release_is_refused(data: Path, name: str) -> None:
    with closing(sqlite3.connect(data / name)) as connection:
        connection.execute("PRAGMA user_version=99")
    openers = {
        "ledger.db": lambda: bootstrap.open_ledger(data, is_writer=True),
        "identity.db": lambda: bootstrap.open_identity(data, is_writer=True),
        "state/0.db": lambda: bootstrap.open_state(data, 0, is_writer=True),
        "control.db": lambda: bootstrap.open_control(data),
    }
    with pytest.raises(StorageProblem, match="newer release"):
        openers[name]()
