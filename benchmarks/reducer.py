"""The reducer alone: 20 segments, 3 scores, 3 journeys, hot profiles kept decoded, no stores.

Prints events per CPU-second and the rate of deadlines and of changes per event, beside the
baseline of the same run: decoding the events and writing them into a dict of lists by hand.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from benchmarks.table import Table
from tailorbird.events.event import EVENT, Event, Record, decode_event, encode, order_of
from tailorbird.profiles.state import ProfileState
from tailorbird.profiles.state import encode as encode_state
from tailorbird.reducer.reducer import Reducer
from tailorbird.testing.building import (
    DAY,
    HOUR,
    SECOND,
    START,
    journey,
    points,
    send,
    unless,
    wait,
    workspace_of,
)
from tailorbird.worker.process import calm_garbage_collector
from tailorbird.workspace.definitions import Workspace

SEED = 20_261_123
EVENTS = 100_000
PEOPLE = 2_000
CATEGORIES = ("shoes", "coats", "hats", "bags", "toys", "books", "garden", "kitchen")
NAMES = ("product_viewed",) * 10 + ("page_viewed",) * 6 + ("cart_added",) * 3 + ("order_completed",)


def workspace(segments: int = 20) -> Workspace:
    """Segments of many kinds, three scores, three journeys."""
    kinds: tuple[Callable[[int], str], ...] = (
        lambda i: (
            f"count(product_viewed where category = '{CATEGORIES[i % 8]}' within {1 + i % 29}d)"
            f" > {2 + i % 7}"
        ),
        lambda i: f"sum(order_completed.revenue within {30 + i}d) >= {100 * (1 + i % 9)}",
        lambda i: f"since(order_completed) > {10 + i}d",
        lambda i: f"abandoned(cart_added, order_completed after {30 + i}m)",
        lambda i: (
            f"none(page_viewed within {3 + i % 20}d) and count(order_completed) > {1 + i % 3}"
        ),
    )
    conditions = {f"segment-{i}": kinds[i % len(kinds)](i) for i in range(segments)}
    journeys = (
        journey("welcome", (wait("pause", DAY), send("mail")), event="order_completed"),
        journey(
            "cart",
            (wait("pause", HOUR), unless("bought", "any(order_completed within 1h)"), send("mail")),
            event="cart_added",
        ),
        journey("lapsed", (send("mail"),), segment="segment-2"),
    )
    scores = (
        points("engagement", {"product_viewed": 1, "order_completed": 20}, 30),
        points("browsing", {"page_viewed": 1}, 7),
        points("buying", {"order_completed": 1}, None),
    )
    return workspace_of(conditions, journeys=journeys, scores=scores)


def records(events: int = EVENTS, people: int = PEOPLE, *, session: int = 1) -> list[Record]:
    """A month and more of events: a few busy people, many quiet ones.

    People come for `session` events on average, two minutes apart, three at a time; with 1
    each event is of somebody else, which makes windows open and close as often as they can.
    """
    rng = random.Random(SEED)
    now = START
    found = []
    here = [0] * 3
    for index in range(events):
        now += rng.randint(1, 2 * 40 * DAY // events)
        seat = rng.randrange(3)
        if not here[seat] or rng.random() < 1 / session:
            here[seat] = int(people * rng.random() ** 2) + 1
        profile_id = here[seat]
        name = rng.choice(NAMES)
        message_id = f"m{index}"
        event = Event(
            type="track",
            name=name,
            message_id=message_id,
            timestamp=now - rng.randint(0, SECOND),
            order=order_of(message_id),
            properties={
                "category": rng.choice(CATEGORIES),
                "revenue": round(rng.random() * 200, 2),
                "path": "/sale/shoes",
            },
        )
        found.append(Record(index + 1, profile_id % 64, now, EVENT, profile_id, encode(event)))
    return found


def by_hand(log: list[Record]) -> float:
    """CPU seconds of the least that any reducer has to do: decode, append to a list per person."""
    people: dict[int, list[int]] = {}
    begun = time.process_time()
    for record in log:
        event = decode_event(record)
        people.setdefault(record.profile_id, []).append(event.timestamp)
    return time.process_time() - begun


def run() -> None:
    """Print tables for 10 to 1,000 segments, for people who come in sessions and for others."""
    for session, form in ((12, "sessions of 12 events"), (1, "each event of somebody else")):
        log = records(session=session)
        table = Table(
            f"Reducer alone, {form}",
            [
                "segments",
                "events/CPU-s",
                "us/event",
                "deadlines/event",
                "changes/event",
                "state bytes",
            ],
            note=f"{EVENTS:,} events of {PEOPLE:,} people, seed {SEED}; 3 scores, 3 journeys",
        )
        calm_garbage_collector()  # as the engine's process does
        floor = by_hand(log)
        table.add("decode only", EVENTS / floor, floor / EVENTS * 1e6, 0, 0, 0)
        for segments in (10, 20, 50, 200, 1_000):
            part = log if segments < 1_000 else log[: EVENTS // 10]
            table.add(segments, *_measure(Reducer(workspace(segments)), part))
        table.print()


def _measure(reducer: Reducer, log: list[Record]) -> tuple[float, ...]:
    states: dict[int, ProfileState] = {}
    changes = 0
    begun = time.process_time()
    for record in log:
        out = reducer.reduce(states.get(record.profile_id), record)
        states[record.profile_id] = out.state
        changes += len(out.memberships)
    spent = time.process_time() - begun
    fired = _count_deadlines(reducer, log)
    sizes = sorted(len(encode_state(state)) for state in states.values())
    return (
        len(log) / spent,
        spent / len(log) * 1e6,
        fired / len(log),
        changes / len(log),
        sizes[len(sizes) // 2],
    )


def _count_deadlines(reducer: Reducer, log: list[Record]) -> int:
    """Count the deadlines that fire, in a pass of its own."""
    states: dict[int, ProfileState] = {}
    fired = 0
    for record in log:
        state = states.get(record.profile_id)
        while state is not None and state.deadline is not None and state.deadline < record.now:
            state = reducer.fire(state, state.deadline).state
            fired += 1
        states[record.profile_id] = reducer.reduce(state, record).state
    return fired


if __name__ == "__main__":
    run()
