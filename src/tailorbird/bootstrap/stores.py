"""Opens the things of a data folder, one function each.

Folder layout: docs/explanation/architecture.md.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tailorbird.adapters.clock import MappedClock, SystemClock
from tailorbird.adapters.files.seen_days import FileSeenDays
from tailorbird.adapters.socket.client import SocketLogWriter, is_listening
from tailorbird.adapters.socket.nudge import SocketNudged, SocketNudger
from tailorbird.adapters.sqlite.connection import StorageProblem, copy_database, refuse_network_disk
from tailorbird.adapters.sqlite.control_store import SqliteControlStore
from tailorbird.adapters.sqlite.dead_letters import SqliteDeadLetters
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.adapters.sqlite.identity_store import SqliteIdentityStore
from tailorbird.adapters.sqlite.ledger import SqliteLedger
from tailorbird.adapters.sqlite.ownership import Ownership
from tailorbird.adapters.sqlite.state_store import SqliteStateStore
from tailorbird.adapters.sqlite.suppression_store import SqliteSuppressionStore
from tailorbird.delivery.suppression import erased_hash
from tailorbird.ports.clock import Clock
from tailorbird.ports.control_store import ControlStore
from tailorbird.ports.places import Places

# Where the workspace lies, for those that are told the data folder only.
WORKSPACE_FOLDER = "workspace_folder"
# Who makes versions live: one process at a time, for as long as that takes.
PUBLISHER = "publisher"
# Unix socket paths are short; a data folder deep in a tree needs another place for its socket.
_SOCKET_PATH_BYTES_MAX = 100
_CLOCK = "clock"  # of a folder whose time is simulated


def prepare_data_folder(data: Path) -> None:
    """Make the folder; refuse one on a network file system."""
    data.mkdir(parents=True, exist_ok=True)
    refuse_network_disk(data)


def disk_room(data: Path) -> tuple[int, int]:
    """Return the free and all bytes of the disk that a data folder lies on."""
    found = shutil.disk_usage(data)
    return found.free, found.total


def own(data: Path, role: str) -> Ownership:
    """Become the one process of a role in a data folder, until it ends.

    Raises:
        StorageProblem: another process is it.
    """
    return Ownership(data, role)


def keep_number_of_engines(data: Path, engines: int) -> None:
    """Hold a data folder to the number of engines that it began with.

    Raises:
        StorageProblem: another number shares the partitions out among its states.
    """
    control = open_control(data)
    try:
        control.set_default("engines", str(engines))
        known = control.get("engines")
    finally:
        control.close()
    if known != str(engines):
        raise StorageProblem(
            f"the states in {data} were made by {known} engines, not {engines};"
            f" start with --engines {known}"
        )


def is_writer_listening(data: Path) -> bool:
    """Say whether the writer of a data folder answers."""
    return is_listening(socket_path(data))


def socket_path(data: Path, name: str = "writer") -> Path:
    """Return where the writer of a data folder listens, or another socket of the folder lies."""
    path = data.resolve() / f"{name}.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES_MAX:
        return path
    status = data.resolve().stat()
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp"))  # short by necessity
    return runtime / f"tailorbird-{os.getuid()}-{status.st_dev}-{status.st_ino}-{name}.sock"


def clock_kind(data: Path) -> str:
    """Return which clock a data folder runs on: one that began simulated stays so."""
    return "simulated" if (data / _CLOCK).is_file() else "system"


def open_clock(data: Path, kind: str, *, is_writer: bool = False) -> Clock:
    """Return the machine's clock, or the simulated one that the folder's processes share."""
    if kind == "simulated":
        return MappedClock(data / _CLOCK, is_writer=is_writer)
    return SystemClock()


def open_log(data: Path, *, is_writer: bool = False) -> SqliteEventLog:
    """Open the log."""
    return SqliteEventLog(data / "log", is_writer=is_writer)


def open_seen_days(data: Path) -> FileSeenDays:
    """Open the keys by which messages of earlier days are known again."""
    return FileSeenDays(data / "seen")


def open_identity(data: Path, *, is_writer: bool = False) -> SqliteIdentityStore:
    """Open the identity store; others than the writer read."""
    return SqliteIdentityStore(data / "identity.db", is_writer=is_writer)


def open_suppression(data: Path, *, is_writer: bool = False) -> SqliteSuppressionStore:
    """Open the suppression store; others than the writer read."""
    control = open_control(data)
    try:
        salt = erasure_salt(control)
    finally:
        control.close()
    return SqliteSuppressionStore(
        data / "suppression.db",
        is_writer=is_writer,
        erased=lambda address_hash: erased_hash(address_hash, salt),
    )


def open_state(data: Path, index: int, *, is_writer: bool = False) -> SqliteStateStore:
    """Open the state of one engine; others than that engine read."""
    return SqliteStateStore(data / "state" / f"{index}.db", is_writer=is_writer)


def make_state(folder: Path, index: int) -> SqliteStateStore:
    """Make an empty state of one engine in a folder of its own."""
    return SqliteStateStore(folder / f"{index}.db", is_writer=True)


def copy_state(data: Path, index: int, folder: Path) -> SqliteStateStore:
    """Copy the state of one engine as of its last commit, while the engine may go on."""
    source, target = data / "state" / f"{index}.db", folder / f"{index}.db"
    folder.mkdir(parents=True, exist_ok=True)
    copy_database(source, target)
    return SqliteStateStore(target)


def open_states(data: Path, engines: int) -> list[SqliteStateStore]:
    """Open the states of all engines for reading."""
    return [open_state(data, index) for index in range(engines)]


def open_control(data: Path) -> SqliteControlStore:
    """Open the control store."""
    return SqliteControlStore(data / "control.db")


def open_writer_client(data: Path) -> SocketLogWriter:
    """Return a client of the writer; it connects at the first call."""
    return SocketLogWriter(socket_path(data))


def outbox_cursor(data: Path, index: int) -> Callable[[], int]:
    """Return how an engine learns up to which outbox row the ledger has taken over."""
    path = data / "ledger.db"

    def taken_over() -> int:
        return SqliteLedger.cursor_in(path, index) if path.exists() else 0

    return taken_over


def open_nudger(data: Path, roles: Sequence[str]) -> SocketNudger:
    """Return what tells other roles of a data folder ("engine-0") that there is something new."""
    return SocketNudger([_nudge_path(data, role) for role in roles])


def open_nudged(data: Path, role: str) -> SocketNudged:
    """Return what a role waits for nudges with; call in its running event loop."""
    return SocketNudged(_nudge_path(data, role))


def _nudge_path(data: Path, role: str) -> Path:
    return socket_path(data, f"nudge-{role}")


def open_ledger(data: Path, *, is_writer: bool = False) -> SqliteLedger:
    """Open the ledger; others than deliver read."""
    return SqliteLedger(data / "ledger.db", is_writer=is_writer)


def token_key(control: SqliteControlStore) -> bytes:
    """Return the key that signs links of this data folder, made at the first call."""
    known = control.get("token_key")
    if known is None:
        control.set_default("token_key", secrets.token_hex(32))
        known = control.get("token_key") or ""
    return bytes.fromhex(known)


def erasure_salt(control: SqliteControlStore) -> str:
    """Return what addresses of erased people are hashed with, made at the first call."""
    known = control.get("erasure_salt")
    if known is None:
        control.set_default("erasure_salt", secrets.token_hex(16))
        known = control.get("erasure_salt") or ""
    return known


def open_places(control: ControlStore, place_file: str) -> Places:
    """Open what tells places of internet addresses; a relative path begins at the workspace."""
    # Imported when a workspace has such a file: most have none.
    from tailorbird.adapters.maxmind.places import MaxmindPlaces

    return MaxmindPlaces(Path(control.get(WORKSPACE_FOLDER) or ".") / place_file)


def place_complaint(workspace: Path, place_file: str) -> str | None:
    """Return what keeps a file of places from being read, or None."""
    from tailorbird.adapters.maxmind.places import MaxmindPlaces

    places = MaxmindPlaces(workspace / place_file)
    places.look_up("192.0.2.1")
    places.close()
    return places.problem


def open_dead_letters(data: Path) -> SqliteDeadLetters:
    """Open where refused items are kept."""
    return SqliteDeadLetters(data / "dead_letters.db")


def await_files(data: Path, engines: int, *, seconds_max: float = 30.0) -> None:
    """Wait until the processes that own the data folder's files have made them.

    Raises:
        StorageProblem: they have not come in time.
    """
    paths = [data / "identity.db", data / "suppression.db", data / "ledger.db"]
    paths += [data / "state" / f"{index}.db" for index in range(engines)]
    until = time.monotonic() + seconds_max
    while missing := [path.name for path in paths if not path.exists()]:
        if time.monotonic() > until:
            raise StorageProblem(
                f"{', '.join(missing)} in {data} did not appear; are all roles running?"
            )
        time.sleep(0.02)


class KeyRoles:
    """The role of a key, remembered for a while: keys are asked at every request."""

    def __init__(self, control: SqliteControlStore, *, keys_max: int = 1_000) -> None:
        self._control = control
        self._keys_max = keys_max
        self._known: dict[str, str | None] = {}
        self._until = 0.0

    def role(self, key: str) -> str | None:
        """Return "write", "admin" or None."""
        now = time.monotonic()
        if now > self._until or len(self._known) > self._keys_max:
            self._known, self._until = {}, now + 5.0
        if key not in self._known:
            self._known[key] = self._control.key_role(key)
        return self._known[key]
