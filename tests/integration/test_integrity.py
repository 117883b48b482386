"""The doctor and a data folder: sound under a running server; each damage found, with its mend."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tailorbird import bootstrap
from tailorbird.adapters.sqlite.connection import copy_database
from tailorbird.base.time import parse_micros
from tailorbird.bootstrap.integrity import FolderContents
from tailorbird.cli.app import run
from tailorbird.services.integrity import compare
from tailorbird.services.publish import Publisher
from tailorbird.testing.embedded import event_draft
from tailorbird.testing.processes import Host, until

pytestmark = pytest.mark.integration

NOON = parse_micros("2026-01-05T12:00:00Z")
FILES = {
    "tailorbird.toml": 'name = "Shop"\n[sender]\naddress = "shop@shop.example"\n',
    "segments/buyers.yaml": "when: any(order_completed)\n",
}


def findings(data: Path) -> dict[str, tuple[str, str, str]]:
    found = compare(FolderContents(data), str(data), is_quick=False)
    return {one.name: (one.status, one.says, one.mend) for one in found}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which people were linked, merged, unsubscribed and became members."""
    folder = tmp_path_factory.mktemp("sound")
    host = Host(folder, engines=2)
    try:
        host.start("writer")
        for index in range(2):
            host.start("engine", index)
        with closing(bootstrap.open_control(host.data)) as control:
            host.call(lambda writer: Publisher(control, writer).publish(FILES))
        drafts = []
        for one in range(30):
            drafts.append(event_draft("viewed", f"v{one}", NOON, None, f"a{one}"))
            drafts.append(event_draft("viewed", f"w{one}", NOON, f"u{one}", None))
            drafts.append(event_draft("order_completed", f"o{one}", NOON, f"u{one}", f"a{one}"))
            drafts.append(
                event_draft(
                    "unsubscribed", f"x{one}", NOON, f"u{one}", None, {"email": f"u{one}@x.example"}
                )
            )
        host.call(lambda writer: writer.write(drafts))

        def is_done() -> bool:
            contents = FolderContents(host.data)
            return contents.engines() == 2 and all(
                contents.state_offset(index) == contents.log_end() for index in range(2)
            )

        until(is_done)
        # While it runs all is well, too.
        assert {status for status, _, _ in findings(host.data).values()} == {"ok"}
    finally:
        host.stop()
    return host.data


@pytest.fixture
def data(sound: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "data"
    for path in sound.rglob("*.db"):
        place = copy / path.relative_to(sound)
        place.parent.mkdir(parents=True, exist_ok=True)
        copy_database(path, place)
    return copy


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(sql).rowcount > 0


def test_a_folder_as_a_server_leaves_it_is_sound(data: Path) -> None:
    found = findings(data)
    assert {status for status, _, _ in found.values()} == {"ok"}
    assert set(found) == {"log", "states", "counts", "outbox", "identity", "suppression"}


@pytest.mark.parametrize(
    ("name", "file", "sql", "says", "mend"),
    [
        ("log", "log", "DELETE FROM record WHERE offset IN (70, 71)", "69 and 72", "restore"),
        ("states", "state/0.db", "UPDATE progress SET value = 99999", "99,999", "rebuild"),
        ("counts", "state/1.db", "UPDATE segment SET size = size + 1", "buyers", "rebuild"),
        ("counts", "state/1.db", "DELETE FROM profile", "there are 0", "rebuild"),
        ("identity", "identity.db", "DELETE FROM identifier", "missing", "identity.db"),
        ("identity", "identity.db", "UPDATE redirect SET winner_id = 7", "too many", "remove"),
        (
            "suppression",
            "suppression.db",
            "UPDATE suppression SET is_suppressed = 0",
            "30 row(s)",
            "suppression.db",
        ),
    ],
)
def test_each_damage_is_found_with_its_mend(
    data: Path, name: str, file: str, sql: str, says: str, mend: str
) -> None:
    path = data / file
    change(next(path.glob("*.db")) if path.is_dir() else path, sql)
    status, said, to_mend = findings(data)[name]
    assert status == "fault"
    assert says in said
    assert mend in to_mend


def test_a_ledger_ahead_of_its_outbox_is_found(data: Path) -> None:
    with closing(bootstrap.open_ledger(data, is_writer=True)) as ledger:
        ledger.take_over(1, [], 500)
    status, says, mend = findings(data)["outbox"]
    assert (status, "500" in says, "Restart" in mend) == ("fault", True, True)


def test_the_command_tells_damages_and_mends(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", str(tmp_path / "shop")]) == 0
    capsys.readouterr()
    words = ["doctor", "--workspace", str(tmp_path / "shop"), "--data", str(data), "--json"]

    def told() -> dict[str, str]:
        code = run(words)
        answer = json.loads(capsys.readouterr().out)
        assert answer["ok"] == (code == 0)
        return {one["name"]: one["status"] for one in answer["findings"]}

    assert told()["identity"] == "ok"
    change(data / "identity.db", "DELETE FROM redirect")
    assert told()["identity"] == "fault"
    (data / "state" / "0.db").write_bytes(b"no database at all" * 1_000)
    found = told()
    assert found["data"] == "fault"
    assert "identity" not in found, "a damaged file cannot be compared"


def test_mends_work(data: Path) -> None:
    """What the doctor says to do makes the folder sound again."""
    change(data / "identity.db", "DELETE FROM identifier")
    (data / "identity.db").unlink()
    change(data / "state" / "0.db", "UPDATE progress SET value = 99999")
    assert run(["rebuild", "--data", str(data)]) == 0
    host_folder = data.parent / "host"
    host_folder.mkdir()
    host = Host(host_folder, engines=2)
    host.data.rmdir()
    data.rename(host.data)
    try:
        host.start("writer")
    finally:
        host.stop()
    assert {status for status, _, _ in findings(host.data).values()} == {"ok"}
