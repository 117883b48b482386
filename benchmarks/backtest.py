"""Backtest: a history lived again through the full reducer, in one process.

Events are those of `benchmarks.reducer`, in sessions, with its 20 segments, 3 scores and 3
journeys; the baseline of the same run is the reducer alone, fed with the same records.
"""

from __future__ import annotations

import time

from benchmarks.reducer import records, workspace
from benchmarks.table import Table
from tailorbird.adapters.memory.event_log import MemoryEventLog
from tailorbird.ports.event_log import Draft
from tailorbird.profiles.state import ProfileState
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.backtest import Backtest
from tailorbird.services.lives import Families, lives
from tailorbird.worker.process import calm_garbage_collector

EVENTS = 100_000


def run() -> None:
    """Print the table."""
    log, made = MemoryEventLog(), records(EVENTS, session=12)
    for record in made:
        draft = Draft(record.partition, record.kind, record.profile_id, record.body)
        log.append([draft], record.now)
    read = log.read(0, EVENTS)
    table = Table("Backtest", ["what", "events/CPU-s"], note=f"{EVENTS:,} events, one process")
    calm_garbage_collector()

    reducer, states = Reducer(workspace()), dict[int, ProfileState]()
    begun = time.process_time()
    for record in read:
        states[record.profile_id] = reducer.reduce(states.get(record.profile_id), record).state
    table.add("the reducer alone", EVENTS / (time.process_time() - begun))

    end = made[-1].now + 1
    backtest = Backtest(Reducer(workspace()), 0, end, lambda profile_id, before: None)
    begun = time.process_time()
    for moments in lives(log, Families(log, log.end())):
        backtest.live(moments)
    table.add("a backtest", EVENTS / (time.process_time() - begun))
    table.print()


if __name__ == "__main__":
    run()
