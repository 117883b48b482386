"""The doctor finds what is wrong, says what to do, and never fails itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tailorbird.base.problems import Problem
from tailorbird.bootstrap import place_complaint
from tailorbird.services.doctor import FAULT, OK, WARNING, Finding, Patient, examine
from tailorbird.workspace.definitions import Workspace, WorkspaceSettings

SETTINGS = WorkspaceSettings(from_address="a@b.example", postal_address="1 High Street")
PATIENT = Patient(
    data=Path("data"),
    host="127.0.0.1",
    port=8000,
    smtp_url="smtp://localhost:25",
    workspace=Workspace(version="v", settings=SETTINGS),
    problems=(),
)


class Machine:
    """A machine on which all is well, but for what a test changes."""

    def __init__(self, **changes: object) -> None:
        self.found: dict[str, object] = {
            "python": (3, 11, 2),
            "sqlite": (3, 40, 1),
            "databases": [Path("data/log/000001.db")],
            "damage": None,
            "free": 50_000_000_000,
            "filesystem": "ext4",
            "port": True,
            "mail": None,
            "now": 1_800_000_000.0,
            **changes,
        }

    def python_version(self) -> tuple[int, int, int]:
        return self.found["python"]  # type: ignore[return-value]

    def sqlite_version(self) -> tuple[int, int, int]:
        return self.found["sqlite"]  # type: ignore[return-value]

    def databases(self, data: Path) -> list[Path]:
        return self.found["databases"]  # type: ignore[return-value]

    def damage(self, database: Path) -> str | None:
        return self.found["damage"]  # type: ignore[return-value]

    def total_bytes(self, folder: Path) -> int:
        return 20 * 10**9

    def free_bytes(self, folder: Path) -> int:
        return self.found["free"]  # type: ignore[return-value]

    def filesystem(self, folder: Path) -> str:
        return self.found["filesystem"]  # type: ignore[return-value]

    def is_port_free(self, host: str, port: int) -> bool:
        return bool(self.found["port"])

    def mail_complaint(self, smtp_url: str, timeout_seconds: float) -> str | None:
        return self.found["mail"]  # type: ignore[return-value]

    def now_seconds(self) -> float:
        return self.found["now"]  # type: ignore[return-value]


def findings(patient: Patient = PATIENT, **changes: object) -> dict[str, Finding]:
    return {one.name: one for one in examine(patient, Machine(**changes))}


def test_all_is_well() -> None:
    assert {one.status for one in findings().values()} == {OK}


@pytest.mark.parametrize(
    ("name", "changes", "status", "says"),
    [
        ("python", {"python": (3, 10, 1)}, FAULT, "3.10.1, needed is 3.11"),
        ("sqlite", {"sqlite": (3, 30, 0)}, FAULT, "3.30.0"),
        ("clock", {"now": 5.0}, FAULT, "in the past"),
        ("disk", {"free": 100_000_000}, WARNING, "0.1 GB free"),
        ("file system", {"filesystem": "nfs4"}, FAULT, "network file system (nfs4)"),
        ("data", {"damage": "malformed"}, FAULT, "log/000001.db is damaged: malformed"),
        ("data", {"databases": []}, OK, "holds nothing yet"),
        ("port", {"port": False}, WARNING, "127.0.0.1:8000 is in use"),
        ("mail server", {"mail": "Connection refused"}, WARNING, "Connection refused"),
    ],
)
def test_what_is_wrong_with_the_machine(
    name: str, changes: dict[str, object], status: str, says: str
) -> None:
    found = findings(**changes)[name]
    assert (found.status, says in found.says) == (status, True)
    assert found.mend or found.status == OK


def test_what_is_wrong_with_the_workspace() -> None:
    broken = replace(PATIENT, workspace=None, problems=[Problem(message="x")])
    assert "1 faults" in findings(broken)["workspace"].says
    missing = replace(PATIENT, workspace=None, folder_complaint="there is no folder x")
    assert findings(missing)["workspace"].status == FAULT
    bare = replace(PATIENT, workspace=Workspace(version="v"))
    assert findings(bare)["sender"].says == "[sender] lacks address and postal_address"


def test_a_file_of_places_is_looked_at_where_there_is_one(tmp_path: Path) -> None:
    data = Path(__file__).parents[2] / "data" / "maxmind-db"
    settings = replace(SETTINGS, place_file="city.mmdb")
    patient = replace(PATIENT, workspace=Workspace(version="v", settings=settings))
    for folder, file, status in (
        (data, "GeoIP2-City-Test.mmdb", OK),
        (data, "README.md", WARNING),
        (tmp_path, "missing.mmdb", WARNING),
    ):
        complaint = place_complaint(folder, file)
        found = {
            one.name: one for one in examine(replace(patient, place_complaint=complaint), Machine())
        }
        assert found["places"].status == status
        assert status == OK or (
            file in found["places"].says and "[collect]" in found["places"].mend
        )
    assert "places" not in {one.name for one in examine(PATIENT, Machine())}
