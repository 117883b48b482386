"""The doctor: looks at the machine, the data folder and the workspace, and says what to mend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tailorbird.base.problems import Problem
from tailorbird.services.room import FULL_BYTES, low_because
from tailorbird.workspace.definitions import Workspace, WorkspaceSettings

OK = "ok"
WARNING = "warning"
FAULT = "fault"

_PYTHON_MIN = (3, 11)
_SQLITE_MIN = (3, 35)  # the first with RETURNING
_NETWORK_FILESYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph")
_EARLIEST_SECONDS = 1_735_689_600  # 2025-01-01: a clock before that was never set
_MAIL_TIMEOUT_SECONDS = 3.0


class Facts(Protocol):
    """What the doctor asks of the machine; see `adapters.machine`."""

    def python_version(self) -> tuple[int, int, int]: ...
    def sqlite_version(self) -> tuple[int, int, int]: ...
    def databases(self, data: Path) -> list[Path]: ...
    def damage(self, database: Path) -> str | None: ...
    def free_bytes(self, folder: Path) -> int: ...
    def total_bytes(self, folder: Path) -> int: ...
    def filesystem(self, folder: Path) -> str: ...
    def is_port_free(self, host: str, port: int) -> bool: ...
    def mail_complaint(self, smtp_url: str, timeout_seconds: float) -> str | None: ...
    def now_seconds(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at: `status` is ok, warning or fault."""

    name: str
    status: str
    says: str
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What to look at. `workspace` is None where the definitions are broken."""

    data: Path
    host: str
    port: int
    smtp_url: str
    workspace: Workspace | None
    problems: Sequence[Problem]
    folder_complaint: str = ""
    place_complaint: str | None = None  # what is wrong with the file of places, where there is one


def examine(patient: Patient, facts: Facts) -> Iterator[Finding]:
    """Look at everything, one finding after the other; never raises for what it finds."""
    yield _version("python", facts.python_version(), _PYTHON_MIN, "Install a newer Python.")
    yield _version("sqlite", facts.sqlite_version(), _SQLITE_MIN, "Use a newer Python build.")
    yield _clock(facts)
    yield _disk(patient, facts)
    yield _filesystem(patient, facts)
    yield from _databases(patient, facts)
    yield _port(patient, facts)
    yield _workspace(patient)
    if patient.workspace is not None and patient.workspace.settings.place_file:
        yield _places(patient)
    yield _sender(patient)
    yield _mail(patient, facts)


def _version(name: str, found: tuple[int, int, int], least: tuple[int, int], mend: str) -> Finding:
    said = ".".join(str(part) for part in found)
    if found[:2] >= least:
        return Finding(name=name, status=OK, says=said)
    needed = ".".join(str(part) for part in least)
    return Finding(name=name, status=FAULT, says=f"{said}, needed is {needed} or newer", mend=mend)


def _clock(facts: Facts) -> Finding:
    if facts.now_seconds() >= _EARLIEST_SECONDS:
        return Finding(name="clock", status=OK, says="set")
    return Finding(
        name="clock",
        status=FAULT,
        says="the machine's clock lies in the past",
        mend="Set it, for example with an NTP service: every record is stamped by it.",
    )


def _disk(patient: Patient, facts: Facts) -> Finding:
    free, total = facts.free_bytes(patient.data), facts.total_bytes(patient.data)
    found = patient.workspace.settings if patient.workspace is not None else WorkspaceSettings()
    reason = low_because(free, total, found.free_mb_min, found.free_percent_min)
    says = f"{free / 1e9:.1f} GB free for {patient.data}"
    if not reason:
        return Finding(name="disk", status=OK, says=says)
    return Finding(
        name="disk",
        status=FAULT if free < FULL_BYTES else WARNING,
        says=f"{says}: {reason}",
        mend="Make room: with a full disk nothing is accepted any more.",
    )


def _filesystem(patient: Patient, facts: Facts) -> Finding:
    kind = facts.filesystem(patient.data)
    if kind not in _NETWORK_FILESYSTEMS:
        return Finding(name="file system", status=OK, says=kind or "unknown")
    return Finding(
        name="file system",
        status=FAULT,
        says=f"{patient.data} lies on a network file system ({kind})",
        mend="Use a local disk: locks and fsync cannot be relied on over a network.",
    )


def _databases(patient: Patient, facts: Facts) -> Iterator[Finding]:
    databases = facts.databases(patient.data)
    if not databases:
        yield Finding(name="data", status=OK, says=f"{patient.data} holds nothing yet")
        return
    damaged = 0
    for database in databases:
        complaint = facts.damage(database)
        if complaint is not None:
            damaged += 1
            name = database.relative_to(patient.data)
            yield Finding(
                name="data",
                status=FAULT,
                says=f"{name} is damaged: {complaint}",
                mend=_mend_of(name, patient.data),
            )
    if not damaged:
        yield Finding(name="data", status=OK, says=f"{len(databases)} databases are sound")


def _mend_of(name: Path, data: Path) -> str:
    if name.parts[0] == "state":
        return f"Stop the server and make the states anew: `tailorbird rebuild --data {data}`."
    if name.parts[0].startswith("state."):
        return f"It is what a rebuild left behind: remove {data / name.parts[0]}."
    if str(name) in ("identity.db", "suppression.db"):
        return f"Stop the server, remove {data / name} and start it: it is made anew from the log."
    if str(name) == "dead_letters.db":
        return f"Stop the server and remove {data / name}: refused items are kept there, no others."
    return "Stop the server and restore a backup: `tailorbird restore FOLDER --data NEW`."


def _port(patient: Patient, facts: Facts) -> Finding:
    if facts.is_port_free(patient.host, patient.port):
        return Finding(name="port", status=OK, says=f"{patient.host}:{patient.port} is free")
    return Finding(
        name="port",
        status=WARNING,
        says=f"{patient.host}:{patient.port} is in use",
        mend="That is right where Tailorbird runs already; else give another `--port`.",
    )


def _workspace(patient: Patient) -> Finding:
    if patient.folder_complaint:
        return Finding(name="workspace", status=FAULT, says=patient.folder_complaint)
    errors = sum(problem.severity == "error" for problem in patient.problems)
    if errors:
        return Finding(
            name="workspace",
            status=FAULT,
            says=f"{errors} faults in the definitions",
            mend="`tailorbird check` shows each with its place.",
        )
    return Finding(name="workspace", status=OK, says="the definitions are sound")


def _places(patient: Patient) -> Finding:
    if patient.place_complaint is None:
        return Finding(name="places", status=OK, says="the file can be read")
    return Finding(
        name="places",
        status=WARNING,
        says=patient.place_complaint,
        mend="Check `place_file` under [collect] in tailorbird.toml. Events get no place so far.",
    )


def _sender(patient: Patient) -> Finding:
    if patient.workspace is None:
        return Finding(name="sender", status=WARNING, says="not looked at: no sound workspace")
    settings = patient.workspace.settings
    missing = [
        name
        for name, value in (
            ("address", settings.from_address),
            ("postal_address", settings.postal_address),
        )
        if not value
    ]
    if not missing:
        return Finding(name="sender", status=OK, says=settings.from_address)
    return Finding(
        name="sender",
        status=WARNING,
        says=f"[sender] lacks {' and '.join(missing)}",
        mend="Set it in tailorbird.toml: mail needs a sender, marketing mail a postal address.",
    )


def _mail(patient: Patient, facts: Facts) -> Finding:
    complaint = facts.mail_complaint(patient.smtp_url, _MAIL_TIMEOUT_SECONDS)
    if complaint is None:
        return Finding(name="mail server", status=OK, says="answers")
    return Finding(
        name="mail server",
        status=WARNING,
        says=f"cannot be talked to: {complaint}",
        mend="Check `smtp_url` under [mail] in tailorbird.toml. Mails wait until it answers.",
    )
