"""Joins the parts of erasing a person in the writer's process."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from tailorbird.adapters.sqlite.connection import StorageProblem
from tailorbird.adapters.sqlite.control_store import SqliteControlStore
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.adapters.sqlite.identity_store import SqliteIdentityStore
from tailorbird.adapters.sqlite.suppression_store import SqliteSuppressionStore
from tailorbird.base.problems import OperationalError
from tailorbird.bootstrap.filling import FOLDER, ROLE
from tailorbird.bootstrap.lake_keeper import LAKE, has_lake_passed, remove_lake
from tailorbird.bootstrap.stores import open_dead_letters, open_state, own
from tailorbird.events.event import ERASE, Record, partition_of
from tailorbird.ports.clock import Clock
from tailorbird.services.erase import Eraser, Parts

# What `rebuild` keeps of old states, and what was folded for a version that goes live: all of it
# comes from the log again.
_LEFTOVERS = ("state.before", "state.new", FOLDER)


def open_eraser(
    data: Path,
    engines: int,
    log: SqliteEventLog,
    identity: SqliteIdentityStore,
    suppression: SqliteSuppressionStore,
    control: SqliteControlStore,
    clock: Clock,
) -> Eraser:
    """Return the writer's part of erasures; work with it while nothing is appended."""

    def read_record(offset: int) -> Record | None:
        found = log.read(offset - 1, 1)
        return found[0] if found and found[0].offset == offset else None

    def make_stubs(profile_ids: Sequence[int], until: int) -> dict[str, tuple[int, int]]:
        return {
            path.name: SqliteEventLog.make_stubs(path, profile_ids, until) for path in log.files()
        }

    def replace_body(offset: int, body: bytes) -> None:
        path = [path for path in log.files() if int(path.stem) <= offset][-1]
        SqliteEventLog.replace_body(path, offset, ERASE, body)

    def erase_dead_letters(values: Sequence[str]) -> int:
        with closing(open_dead_letters(data)) as letters:
            return letters.erase(values)

    def remove_leftovers() -> list[str]:
        found = [name for name in _LEFTOVERS if (data / name).is_dir()]
        try:
            # Who folds has read what is gone from the log by now.
            with closing(own(data, ROLE)):
                for name in found:
                    shutil.rmtree(data / name)
            return [*found, LAKE] if remove_lake(data) else found
        except StorageProblem as problem:
            raise OperationalError(str(problem), is_retry_safe=True) from problem

    def are_states_scrubbed(offsets: Mapping[int, int]) -> bool:
        for profile_id, offset in offsets.items():
            index = partition_of(profile_id) % engines
            if not (data / "state" / f"{index}.db").is_file():
                return False
            with closing(open_state(data, index)) as state:
                if state.offset() < offset or not state.is_scrubbed():
                    return False
        return True

    return Eraser(
        control,
        Parts(
            read_record=read_record,
            make_stubs=make_stubs,
            replace_body=replace_body,
            erase_dead_letters=erase_dead_letters,
            forget_addresses=suppression.forget,
            remove_leftovers=remove_leftovers,
            scrub=lambda: identity.scrub() and suppression.scrub(),
            are_states_scrubbed=are_states_scrubbed,
            has_lake_passed=lambda offset: has_lake_passed(data, control, offset),
            now=clock.now,
        ),
    )
