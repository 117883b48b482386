"""Compiling a workspace, and what a typical profile weighs.

The baseline of the same run is reading the expressions alone, without compiling them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks.reducer import CATEGORIES, NAMES, workspace
from benchmarks.table import Table
from tailorbird.base.time import DAY
from tailorbird.events.event import EVENT, Event, Record, encode, order_of
from tailorbird.language.parser import parse
from tailorbird.profiles.state import ProfileState
from tailorbird.profiles.state import encode as encode_state
from tailorbird.reducer.reducer import Reducer
from tailorbird.testing.building import START, segment

ROUNDS = 5
TYPICAL_EVENTS = 200
TYPICAL_SEGMENTS = 20


def run() -> None:
    """Print milliseconds by number of segments, and bytes of a profile's state."""
    table = Table(
        "Compiling a workspace",
        ["segments", "read ms", "compile ms", "one changed ms"],
        note=f"CPU time, best of {ROUNDS}; 3 scores, 3 journeys",
    )
    for segments in (20, 200, 1_000):
        whole = workspace(segments)
        texts = [one.text for one in whole.segments.values()]
        read = _best(lambda texts=texts: [parse(text) for text in texts])
        compiled = _best(lambda whole=whole: Reducer(whole))
        before = Reducer(whole)
        one = segment("segment-0", "count(product_viewed within 3d) > 1")
        edited = replace(whole, segments={**whole.segments, "segment-0": one})

        def publish(edited: object = edited, before: Reducer = before) -> None:
            Reducer(edited).new_cells(before)  # type: ignore[arg-type]

        table.add(segments, read, compiled, _best(publish))
    table.print()
    _print_state_sizes()


def _print_state_sizes() -> None:
    table = Table(
        "State of a profile",
        ["events seen", "segments", "median bytes", "largest bytes"],
        note="200 people each, events over 90 days",
    )
    for events, segments in ((20, 20), (TYPICAL_EVENTS, TYPICAL_SEGMENTS), (1_000, 20), (200, 200)):
        sizes = sorted(_state_sizes(events, segments))
        table.add(events, segments, sizes[len(sizes) // 2], sizes[-1])
    table.print()


def _state_sizes(events: int, segments: int) -> list[int]:
    reducer = Reducer(workspace(segments))
    rng = random.Random(events * 1_000 + segments)
    sizes = []
    for person in range(200):
        state: ProfileState | None = None
        for index, at in enumerate(sorted(rng.randint(0, 90 * DAY) for _ in range(events))):
            message_id = f"{person}-{index}"
            event = Event(
                type="track",
                name=rng.choice(NAMES),
                message_id=message_id,
                timestamp=START + at,
                order=order_of(message_id),
                properties={
                    "category": rng.choice(CATEGORIES),
                    "revenue": round(rng.random() * 200, 2),
                },
            )
            record = Record(index + 1, 1, START + at + index, EVENT, person + 1, encode(event))
            state = reducer.reduce(state, record).state
        assert state is not None
        sizes.append(len(encode_state(state)))
    return sizes


def _best(act: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        act()
        times.append((time.process_time() - begun) * 1_000)
    return min(times)


if __name__ == "__main__":
    run()
