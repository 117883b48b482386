"""State, identity, suppression and control: in memory and on disk, the same checks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tailorbird.adapters.files.seen_days import FileSeenDays
from tailorbird.adapters.memory.control_store import MemoryControlStore
from tailorbird.adapters.memory.identity_store import MemoryIdentityStore
from tailorbird.adapters.memory.seen_days import MemorySeenDays
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.adapters.memory.suppression_store import MemorySuppressionStore
from tailorbird.adapters.sqlite import state_store
from tailorbird.adapters.sqlite.connection import StorageProblem, connect, refuse_network_disk
from tailorbird.adapters.sqlite.control_store import SqliteControlStore
from tailorbird.adapters.sqlite.identity_store import SqliteIdentityStore
from tailorbird.adapters.sqlite.ownership import Ownership
from tailorbird.adapters.sqlite.state_store import SqliteStateStore
from tailorbird.adapters.sqlite.suppression_store import SqliteSuppressionStore
from tailorbird.ports.state_store import Commit, MembershipRow
from tailorbird.testing import (
    control_conformance,
    identity_conformance,
    seen_conformance,
    state_conformance,
    suppression_conformance,
)

Check = Callable[[Any], None]

SUITES: tuple[tuple[str, tuple[Check, ...], Callable[[], Any], Callable[[Path], Any]], ...] = (
    (
        "state",
        state_conformance.CHECKS,
        MemoryStateStore,
        lambda path: SqliteStateStore(path, is_writer=True),
    ),
    (
        "identity",
        identity_conformance.CHECKS,
        MemoryIdentityStore,
        lambda path: SqliteIdentityStore(path, is_writer=True),
    ),
    (
        "identity that forgets",
        identity_conformance.CHECKS,
        MemoryIdentityStore,
        lambda path: SqliteIdentityStore(path, is_writer=True, remembered_max=1),
    ),
    (
        "suppression",
        suppression_conformance.CHECKS,
        MemorySuppressionStore,
        lambda path: SqliteSuppressionStore(path, is_writer=True),
    ),
    ("control", control_conformance.CHECKS, MemoryControlStore, SqliteControlStore),
)
CASES = [
    pytest.param(check, make, on_disk, id=f"{name}-{check.__name__}")
    for name, checks, make, on_disk in SUITES
    for check in checks
]


@pytest.mark.parametrize(("check", "make", "on_disk"), CASES)
def test_conformance(
    check: Check, make: Callable[[], Any], on_disk: Callable[[Path], Any], tmp_path: Path
) -> None:
    check(make())
    store = on_disk(tmp_path / "store.db")
    try:
        check(store)
    finally:
        store.close()


def test_a_commit_is_stored_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    store = SqliteStateStore(tmp_path / "0.db", is_writer=True)
    store.commit(state_conformance.commit(1, profiles=[state_conformance.profile(1)], growth=1))
    broken = Commit(
        offset=2,
        profiles=[state_conformance.profile(2)],
        memberships=[MembershipRow("vip", 2, True, None, "record")],  # type: ignore[arg-type]
        outbox=[state_conformance.effect("a")],
        growth=1,
    )
    with pytest.raises(Exception, match="NOT NULL"):
        store.commit(broken)
    assert (store.offset(), store.count()) == (1, 1)
    assert store.outbox(0, 10) == []
    assert store.segment_sizes() == {}
    # The segment's number was rolled back too: a sound commit makes it anew.
    sound = [MembershipRow("vip", 2, True, 5, "record")]
    store.commit(state_conformance.commit(2, memberships=sound))
    assert store.segment_sizes() == {"vip": 1}
    assert store.members("vip", -1, 10) == [(2, 5)]
    store.close()


def test_readers_see_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "0.db"
    store = SqliteStateStore(path, is_writer=True)
    reader = SqliteStateStore(path)
    store.commit(state_conformance.commit(3, profiles=[state_conformance.profile(1, 9)]))
    assert reader.offset() == 3
    assert reader.due_partitions(9) == {1: 9}
    store.close()
    again = SqliteStateStore(path, is_writer=True)
    assert again.offset() == 3
    again.close()
    reader.close()


def test_who_was_linked_just_now_is_found_without_a_question(tmp_path: Path) -> None:
    store = SqliteIdentityStore(tmp_path / "identity.db", is_writer=True)
    store.apply([("user_id", "u", 7, 1), ("user_id", "v", 8, 2)], [(8, 7, 3)], 3)
    asked: list[str] = []
    store._connection.set_trace_callback(asked.append)
    assert [store.find("user_id", one) for one in "uv"] == [7, 7]
    assert asked == []
    store.close()
    # And after a restart by one question for each.
    store = SqliteIdentityStore(tmp_path / "identity.db", is_writer=True)
    store._connection.set_trace_callback(asked.append)
    assert store.find("user_id", "u") == 7
    assert len(asked) == 1
    store.close()


def test_due_partitions_are_sought_in_the_index_not_walked(tmp_path: Path) -> None:
    store = SqliteStateStore(tmp_path / "0.db", is_writer=True)
    sql = f"EXPLAIN QUERY PLAN {state_store._DUE_PARTITIONS}"
    plan = store._connection.execute(sql, (64, 1)).fetchall()
    found = [row[3] for row in plan if "profile" in row[3]]
    assert found
    assert all("profile_deadline (partition=?" in step for step in found)
    store.close()


def test_tables_of_a_newer_release_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "identity.db"
    SqliteIdentityStore(path, is_writer=True).close()
    connection = connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StorageProblem, match="newer release"):
        SqliteIdentityStore(path, is_writer=True)


def test_network_disks_are_refused(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    folder = tmp_path / "data"
    folder.mkdir()
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n")
    with pytest.raises(StorageProblem, match=r"network file system \(nfs4\)"):
        refuse_network_disk(folder, mounts)
    mounts.write_text(f"server:/x / nfs4 rw 0 0\n/dev/vda {tmp_path} ext4 rw 0 0\n")
    refuse_network_disk(folder, mounts)
    refuse_network_disk(folder, tmp_path / "none")


def test_a_data_folder_has_one_writer_at_a_time(tmp_path: Path) -> None:
    first = Ownership(tmp_path, "writer")
    Ownership(tmp_path, "engine-0").release()
    with pytest.raises(StorageProblem, match="is the writer of"):
        Ownership(tmp_path, "writer")
    first.release()
    Ownership(tmp_path, "writer").release()


@pytest.mark.parametrize("check", seen_conformance.CHECKS, ids=lambda check: check.__name__)
def test_seen_days(check: Check, tmp_path: Path) -> None:
    check(MemorySeenDays())
    check(FileSeenDays(tmp_path / "seen"))
