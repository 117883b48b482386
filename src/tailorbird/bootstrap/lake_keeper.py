"""The lake of a data folder, brought up to the log's end by whoever holds its lock.

That is the role `lake`, beside the engines, and each question for the rest. The lock is held for
one addition at a time, so that neither waits long for the other, nor an erasure for both.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailorbird.adapters.sqlite.connection import StorageProblem
from tailorbird.base.time import DAY, format_micros
from tailorbird.bootstrap.stores import open_control, open_log, own
from tailorbird.ports.control_store import LAKE_STATUS, ControlStore
from tailorbird.ports.event_log import EventLog
from tailorbird.services.identity_rules import SETTINGS_FILE
from tailorbird.services.lake import export_some
from tailorbird.workspace.definitions import WorkspaceSettings
from tailorbird.workspace.kinds.settings import read_settings
from tailorbird.workspace.source import Source

if TYPE_CHECKING:
    from tailorbird.adapters.lake.parquet import ParquetLake

LAKE = "lake"
# Held by the role as long as it runs: an erasure then waits for it, else removes the lake.
KEEPER = "lake-keeper"
_OWNER = "lake_owner"
_WAIT_SECONDS = 60.0
_HAS_ARROW = find_spec("pyarrow") is not None


class LakeSettings:
    """The live version's settings, read anew when another one becomes live."""

    def __init__(self, control: ControlStore) -> None:
        self._control = control
        self._version: str | None = None
        self._settings = WorkspaceSettings()

    def __call__(self) -> WorkspaceSettings:
        """Return what holds now; only the settings are read, nothing is compiled."""
        version = self._control.get("live_version")
        if version is not None and version != self._version:
            with suppress(KeyError):
                text = self._control.load_version(version)[SETTINGS_FILE]
                self._settings = read_settings(Source(SETTINGS_FILE, text))
            self._version = version
        return self._settings

    def is_kept(self) -> bool:
        """Tell whether the role is to run: it is wanted, and what it needs is installed.

        Before there is a version nothing is known of either.
        """
        return self().keeps_lake and self._version is not None and _HAS_ARROW


def open_lake(data: Path) -> ParquetLake:
    """Open the lake of a data folder, as far as it has come.

    Raises:
        OperationalError: it lies in object storage that cannot be reached.
    """
    from tailorbird.adapters.lake.parquet import ParquetLake

    with closing(open_control(data)) as control:
        url = LakeSettings(control)().lake_url
        if not url:
            return ParquetLake(data / LAKE)
        from tailorbird.adapters.lake.objects import open_objects

        return ParquetLake(open_objects(url, os.environ, owner=_owner(control)))


def bring_up_lake(data: Path, tell: Callable[[int], None] = lambda offset: None) -> ParquetLake:
    """Bring the lake up to the end of the log; waits for another who does it.

    Raises:
        StorageProblem: somebody else is at it for too long.
        OperationalError: the lake cannot be written.
    """
    lake = open_lake(data)
    with closing(open_log(data)) as log:
        while add_to_lake(data, log, lake):
            tell(lake.offset())
    with closing(open_control(data)) as control:
        report(control, lake)
    return lake


def mend_lake(data: Path) -> list[str]:
    """Set files aside that cannot be read and make them again from the log; return what was said.

    Raises:
        StorageProblem: somebody else is at it for too long.
        OperationalError: the lake cannot be written.
    """
    with alone(data):
        said = open_lake(data).check()
    if said:
        bring_up_lake(data)
    return [f"{one}, and made again from the log" for one in said]


def add_to_lake(data: Path, log: EventLog, lake: ParquetLake) -> int:
    """Make one addition, and one file of many; return how many records were added."""
    with alone(data):
        count = export_some(log, lake)
        if count:
            lake.compact()
    return count


def drop_old_days(data: Path, lake: ParquetLake, keep_days: int, now: int) -> int:
    """Remove the days that are over; return how many rows. `now` is microseconds UTC."""
    if not are_days_over({"since": lake.manifest().since}, keep_days, now):
        return 0
    with alone(data):
        return lake.drop_days(_first_day(keep_days, now))


def are_days_over(told: Mapping[str, Any], keep_days: int, now: int) -> bool:
    """Tell from a lake's status whether it holds days that are not to be kept any more."""
    return bool(keep_days) and str(told.get("since", "")) < _first_day(keep_days, now)


def _first_day(keep_days: int, now: int) -> str:
    return format_micros(now // DAY * DAY - keep_days * DAY)[:10]


def report(control: ControlStore, lake: ParquetLake) -> None:
    """Tell all roles where the lake stands."""
    from tailorbird.adapters.lake.manifest import to_json

    told = {**to_json(lake.manifest()), "place": str(lake.place), "problem": ""}
    if lake_status(control) != told:
        control.set(LAKE_STATUS, json.dumps(told))


def report_problem(control: ControlStore, problem: str) -> None:
    """Tell all roles why the lake could not be brought up."""
    told = lake_status(control) or {"offset": 0, "files": 0, "events": 0, "bytes": 0}
    if told.get("problem") != problem:
        control.set(LAKE_STATUS, json.dumps({**told, "problem": problem}))


def lake_status(control: ControlStore) -> dict[str, Any] | None:
    """Return where the lake stands: offset, since, files, events, bytes, place, problem.

    None where there is no lake.
    """
    told = control.get(LAKE_STATUS)
    return None if told is None else dict(json.loads(told))


def lake_beside(control: ControlStore, log: EventLog) -> dict[str, Any] | None:
    """Return where the lake stands, with `records_behind`: how many the log has beyond it."""
    told = lake_status(control)
    return told and {**told, "records_behind": max(log.end() - int(told["offset"]), 0)}


def rest() -> None:
    """Give memory back until there is more to do."""
    from tailorbird.adapters.lake.columns import give_back_memory

    give_back_memory()


def remove_lake(data: Path) -> bool:
    """Remove the folder where no role keeps a lake there; False where one does, or there is none.

    Raises:
        StorageProblem: a question is filling it; ask again.
    """
    if not (data / LAKE).is_dir():
        return False
    with ExitStack() as things:
        control = things.enter_context(closing(open_control(data)))
        is_left_behind = is_elsewhere(lake_status(control))
        if not is_left_behind:
            try:
                things.enter_context(closing(own(data, KEEPER)))
            except StorageProblem:
                return False
        # Who fills the lake has read what is gone from the log by now.
        things.enter_context(closing(own(data, LAKE)))
        shutil.rmtree(data / LAKE)
        if not is_left_behind:
            control.remove(LAKE_STATUS)
    return True


def is_elsewhere(told: Mapping[str, Any] | None) -> bool:
    """Tell from its status whether a lake lies outside the data folder."""
    return str((told or {}).get("place", "")).startswith("s3://")


def begin_anew(control: ControlStore) -> None:
    """After a restore: a lake elsewhere may hold what the log has not, so it is not this one's."""
    control.remove(_OWNER)
    control.remove(LAKE_STATUS)


def has_lake_passed(data: Path, control: ControlStore, offset: int) -> bool:
    """Tell whether the lake, if there is one, took note of what the log has up to an offset."""
    told = lake_status(control) or {"offset": 0}
    if not is_elsewhere(told) and not (data / LAKE).is_dir():
        return True
    return int(told["offset"]) >= offset


def _owner(control: ControlStore) -> str:
    """Return what marks a lake elsewhere as this data folder's."""
    found = control.get(_OWNER)
    if found is None:
        found = os.urandom(16).hex()
        control.set(_OWNER, found)
    return found


@contextmanager
def alone(data: Path) -> Iterator[None]:
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            ownership = own(data, LAKE)
        except StorageProblem:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            break
    try:
        yield
    finally:
        ownership.release()
