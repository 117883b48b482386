"""From the log to committed state: one engine over SQLite, many profiles at rest.

The garbage collector is calmed as in the engine's process. The states lie in the store before the
clock starts, so that each first touch reads and decodes.
The baseline of the same run (blobs) reads the same rows by key and writes them back, each with one
byte changed (SQLite would write no page for equal ones), in the same commits.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from benchmarks.reducer import SEED, records, workspace
from benchmarks.table import Table
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.adapters.sqlite.state_store import SqliteStateStore
from tailorbird.events.event import ACTIVATE, PARTITIONS, Activate, encode, partition_of
from tailorbird.ports.event_log import Draft
from tailorbird.ports.state_store import Commit, ProfileRow
from tailorbird.profiles.state import ProfileState
from tailorbird.profiles.state import decode as decode_state
from tailorbird.profiles.state import encode as encode_state
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.advance import Engine
from tailorbird.worker.process import calm_garbage_collector

EVENTS = 50_000
BATCH = 2_000


def run() -> None:
    """Print the table for 10,000, 100,000 and 1,000,000 profiles."""
    table = Table(
        "Log to committed state, one engine, 20 segments, 3 scores, 3 journeys",
        ["profiles", "events/CPU-s", "us/event", "blobs/CPU-s", "state MB", "bytes/profile"],
        note=f"{EVENTS:,} events, uniform over the profiles, commits of {BATCH:,}, seed {SEED}",
    )
    blob = _typical_state()
    calm_garbage_collector()
    for profiles in (10_000, 100_000, 1_000_000):
        with tempfile.TemporaryDirectory() as folder:
            table.add(f"{profiles:,}", *_measure(Path(folder), profiles, blob))
    table.print()


def _typical_state() -> ProfileState:
    """The state of a person after some tens of events."""
    reducer = Reducer(workspace())
    state: ProfileState | None = None
    for record in records(40, 1):
        state = reducer.reduce(state, record).state
    assert state is not None
    state.runs = []
    state.deadlines = {}
    return state


def _measure(folder: Path, profiles: int, template: ProfileState) -> tuple[float, ...]:
    store = SqliteStateStore(folder / "state.db", is_writer=True)
    log = SqliteEventLog(folder / "log", is_writer=True)
    rng = random.Random(SEED)
    activate = encode(Activate("v1", "benchmark"))
    first = records(EVENTS, 1)
    log.append([Draft(p, ACTIVATE, 0, activate) for p in range(PARTITIONS)], first[0].now - 1)
    engine = Engine(log, store, lambda version: workspace(), is_strict=True)
    while engine.step():
        pass
    _fill(store, profiles, template, engine.offset)
    drafts = []
    for record in first:
        profile_id = rng.randint(1, profiles)
        drafts.append(Draft(partition_of(profile_id), record.kind, profile_id, record.body))
    for start in range(0, len(drafts), BATCH):
        log.append(drafts[start : start + BATCH], first[start].now)
    engine = Engine(log, store, lambda version: workspace(), is_strict=True)
    engine.reducer_of(0)
    begun = time.process_time()
    while engine.step(BATCH):
        pass
    spent = time.process_time() - begun
    size = sum(path.stat().st_size for path in folder.glob("state.db*"))
    blobs = _copy_blobs(store, [draft.profile_id for draft in drafts])
    return EVENTS / spent, spent / EVENTS * 1e6, EVENTS / blobs, size / 1e6, size / profiles


def _copy_blobs(store: SqliteStateStore, touched: list[int]) -> float:
    begun = time.process_time()
    for start in range(0, len(touched), BATCH):
        found = store.profiles(set(touched[start : start + BATCH]))
        rows = [
            ProfileRow(one, partition_of(one), data[:-1] + bytes([data[-1] ^ 1]), None)
            for one, data in found.items()
        ]
        store.commit(Commit(start, rows, [], []))
    return time.process_time() - begun


def _fill(store: SqliteStateStore, profiles: int, template: ProfileState, offset: int) -> None:
    state = decode_state(encode_state(template))
    for start in range(1, profiles + 1, 20_000):
        rows = []
        for profile_id in range(start, min(start + 20_000, profiles + 1)):
            state.profile_id = profile_id
            rows.append(ProfileRow(profile_id, partition_of(profile_id), encode_state(state), None))
        store.commit(Commit(offset, rows, [], [], growth=len(rows)))


if __name__ == "__main__":
    run()
