"""A windowed segment goes live over a large history, while events keep coming in.

A log of 10,000,000 events of 1,000,000 people over 90 days, and the states of those people, lie
there. The clock runs from `publish` until each member is in the state: folding, the records that
come meanwhile, the sweep. `direct` is the same fold by hand in the same run: decode every event of
the name and keep a list of times per person.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.table import Table
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.adapters.sqlite.filled import SqliteFillingWork, open_filled
from tailorbird.adapters.sqlite.state_store import SqliteStateStore
from tailorbird.base.time import DAY
from tailorbird.events.event import (
    ACTIVATE,
    EVENT,
    PARTITIONS,
    Activate,
    Event,
    decode_event,
    encode,
    name_of,
    order_of,
    partition_of,
)
from tailorbird.ports.event_log import Draft
from tailorbird.ports.state_store import Commit, ProfileRow
from tailorbird.profiles.state import ProfileState
from tailorbird.profiles.state import encode as encode_state
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.advance import Engine
from tailorbird.services.prepare import first_offset, prepare
from tailorbird.testing.building import START, workspace_of
from tailorbird.worker.process import calm_garbage_collector

SEED = 20_261_123
EVENTS, PEOPLE = 10_000_000, 1_000_000
BATCH = 10_000
SPAN = 90 * DAY
BASE = {"buyer": "any(order_completed)", "idle": "since(order_completed) > 30d"}
CASES = {
    "24h": "count(product_viewed where category = 'c7' within 24h) > 3",
    "30d": "count(product_viewed where category = 'c7' within 30d) > 3",
    "ever": "count(product_viewed where category = 'c7') > 3",
}
NAMES = ("product_viewed",) * 10 + ("page_viewed",) * 6 + ("cart_added",) * 3 + ("order_completed",)


def run() -> None:
    """Print the table; `EVENTS=N PEOPLE=N` on the command line makes it smaller."""
    sizes = dict(word.split("=") for word in sys.argv if "=" in word)
    events, people = int(sizes.get("EVENTS", EVENTS)), int(sizes.get("PEOPLE", PEOPLE))
    table = Table(
        "Back-fill of one windowed segment into live states, one engine",
        [
            "window",
            "fold CPU-s",
            "live CPU-s",
            "together",
            "people",
            "members",
            "direct CPU-s",
        ],
        note=f"{events:,} events of {people:,} people over 90 days, seed {SEED}; `live` takes in"
        " what came while folding and brings the version to all profiles",
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = make_log(folder, events, people)
        calm_garbage_collector()
        for window, condition in CASES.items():
            table.add(window, *_measure(folder, log, people, window, condition))
    table.print()


def make_log(folder: Path, events: int, people: int) -> SqliteEventLog:
    """Write the history: people at random, a few of them busy."""
    rng = random.Random(SEED)
    log = SqliteEventLog(folder / "log", is_writer=True)
    body = encode(Activate("base", "benchmark"))
    log.append([Draft(p, ACTIVATE, 0, body) for p in range(PARTITIONS)], START - 100)
    bodies = {}
    for start in range(0, events, BATCH):
        drafts = []
        now = START + start * SPAN // events
        for index in range(start, min(start + BATCH, events)):
            profile_id = int(people * rng.random() ** 2) + 1
            name, category = rng.choice(NAMES), rng.randrange(50)
            if (name, category) not in bodies:
                bodies[name, category] = {"category": f"c{category}", "path": "/sale/shoes"}
            event = Event(
                type="track",
                name=name,
                message_id=f"m{index}",
                timestamp=now,
                order=order_of(f"m{index}"),
                properties=bodies[name, category],
            )
            drafts.append(Draft(partition_of(profile_id), EVENT, profile_id, encode(event)))
        log.append(drafts, now)
    return log


def _measure(
    folder: Path, log: SqliteEventLog, people: int, window: str, condition: str
) -> tuple[float, ...]:
    versions = {
        "": workspace_of({}, version=""),
        "base": workspace_of(BASE, version="base"),
        window: workspace_of({**BASE, "chosen": condition}, version=window),
    }
    store = SqliteStateStore(folder / f"{window}.db", is_writer=True)
    fill_states(store, people, log.end())
    old, new = Reducer(versions["base"]), Reducer(versions[window])
    only = new.new_cells(old)
    specs = {one: new.program.specs[one] for one in only}
    begun = time.process_time()
    after = first_offset(log, new, only)
    work = SqliteFillingWork(folder / "fillings", specs, log.end, after)
    name = prepare(log, new, only, work)
    folded = time.process_time() - begun
    engine = Engine(
        log,
        store,
        versions.__getitem__,
        open_filled=lambda name, specs: open_filled(folder / "fillings", name, specs),
        is_strict=True,
    )
    engine.reducer_of(0)
    body = encode(Activate(window, "benchmark", filling=name))
    log.append([Draft(p, ACTIVATE, 0, body) for p in range(PARTITIONS)], log.last_now() + 1)
    begun = time.process_time()
    swept = 0
    while done := engine.step():
        swept += done
    live = time.process_time() - begun
    members = store.segment_sizes().get("chosen", 0)
    store.close()
    direct = by_hand(log, after)
    return folded, live, folded + live, swept, members, direct


def fill_states(store: SqliteStateStore, people: int, offset: int) -> None:
    """Write a state of each person, as if the base version had seen all."""
    for start in range(1, people + 1, 20_000):
        rows = []
        for profile_id in range(start, min(start + 20_000, people + 1)):
            state = ProfileState(
                profile_id=profile_id, created_at=START, updated_at=START, origin=profile_id
            )
            partition = partition_of(profile_id)
            rows.append(ProfileRow(profile_id, partition, encode_state(state), None))
        versions = dict.fromkeys(range(PARTITIONS), "base")
        store.commit(Commit(offset, rows, [], [], growth=len(rows), versions=versions))


def by_hand(log: SqliteEventLog, after: int) -> float:
    """CPU seconds of the least that any fold has to do over the same records."""
    people: dict[int, list[int]] = {}
    begun = time.process_time()
    while records := log.read(after, BATCH):
        for record in records:
            if record.kind == EVENT and name_of(record) == "product_viewed":
                event = decode_event(record)
                if event.properties["category"] == "c7":
                    people.setdefault(record.profile_id, []).append(event.timestamp)
        after = records[-1].offset
    return time.process_time() - begun


if __name__ == "__main__":
    run()
