"""The steps between decoding and the log, by what an event carries.

Each event is decoded afresh, outside of the measured time; contexts are of 200 user agents and
addresses that were seen before, as in a shop that has been open for a minute.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import msgspec

from benchmarks.table import Table
from tailorbird.adapters.memory.control_store import MemoryControlStore
from tailorbird.base.time import parse_micros
from tailorbird.events.decode import Accepted, decode_item
from tailorbird.events.refusal import Refusal
from tailorbird.events.standardise import STEPS, Surroundings
from tailorbird.services.learned import Learned
from tailorbird.services.standardise import Standardiser
from tailorbird.workspace.kinds.schema import plan_of, read_schema
from tailorbird.workspace.source import Source

EVENTS = 20_000
BATCH = 100
ROUNDS = 5
NOW = parse_micros("2026-03-01T12:00:00Z")
AGENTS = [
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    f" Chrome/{number}.0.0.0 Safari/537.36"
    for number in range(20, 120)
] + [
    f"Mozilla/5.0 (iPhone; CPU iPhone OS {number}_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML,"
    f" like Gecko) Version/{number}.1 Mobile/15E148 Safari/604.1"
    for number in range(100)
]
SCHEMA = """
events:
  order_completed:
    properties:
      order_id: {type: string, rule: demand}
      revenue: {type: number, rule: type}
      currency: string
"""


def run() -> None:
    """Print the table."""
    table = Table(
        "Standardise and enrich",
        ["what", "microseconds/event"],
        note=f"{EVENTS:,} events in batches of {BATCH}, best of {ROUNDS} rounds",
    )
    for name, with_context, is_identify in (
        ("track, no context", False, False),
        ("track, browser's context", True, False),
        ("identify, e-mail, phone, country; no context", False, True),
        ("identify, e-mail, phone, country; browser's context", True, True),
    ):
        items = [_item(number, with_context, is_identify) for number in range(EVENTS)]
        table.add(name, _microseconds(items, _standardiser(with_plan=False)))
        if not is_identify:
            table.add(f"{name}; a plan of 3 properties", _microseconds(items, _standardiser()))
    plain = [_item(number, True, False) for number in range(EVENTS)]
    table.add("msgspec into dictionaries (baseline)", _baseline(plain))
    table.print()
    _by_step(plain)


def _standardiser(*, with_plan: bool = True) -> Standardiser:
    steps = Standardiser(Learned(MemoryControlStore()))
    steps.around = Surroundings(default_country="CH", timezone="Europe/Zurich", look_up=_look_up)
    if with_plan:
        steps.around.plan = plan_of(read_schema(Source("schema.yaml", SCHEMA)))
    return steps


_PLACES = {
    f"203.0.113.{number}": {"country_code": "CH", "timezone": "Europe/Zurich"}
    for number in range(200)
}


def _look_up(ip: str) -> dict[str, str] | None:
    return _PLACES.get(ip)


def _microseconds(items: Sequence[bytes], steps: Standardiser) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        spent = 0.0
        for start in range(0, len(items), BATCH):
            batch: list[Accepted | Refusal] = [*map(_accept, items[start : start + BATCH])]
            begun = time.process_time()
            steps(batch)
            spent += time.process_time() - begun
        best = min(best, spent)
    return best / len(items) * 1e6


def _baseline(items: Sequence[bytes]) -> float:
    decode, best = msgspec.json.Decoder().decode, float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        for item in items:
            decode(item)
        best = min(best, time.process_time() - begun)
    return best / len(items) * 1e6


def _by_step(items: Sequence[bytes]) -> None:
    table = Table("Each step alone, track with a browser's context", ["step", "microseconds/event"])
    around = _standardiser().around
    spent = dict.fromkeys((step.name for step in STEPS), 0.0)
    for start in range(0, len(items), BATCH):
        events = [_accept(item).event for item in items[start : start + BATCH]]
        for step in STEPS:
            begun = time.process_time()
            for event in events:
                step.run(event, around)
            spent[step.name] += time.process_time() - begun
    for name, seconds in spent.items():
        table.add(name, seconds / len(items) * 1e6)
    table.print()


def _accept(item: bytes) -> Accepted:
    found = decode_item(item, call=None, now=NOW, sent_at=None, fresh_id="")
    assert isinstance(found, Accepted)
    return found


def _item(number: int, with_context: bool, is_identify: bool) -> bytes:
    message: dict[str, object] = {
        "type": "identify" if is_identify else "track",
        "messageId": f"m-{number:08d}-7f3a",
        "userId": f"user-{number % 10_000}",
        "timestamp": f"2026-02-{1 + number % 28:02d}T10:{number % 60:02d}:00.123Z",
    }
    if is_identify:
        message["traits"] = {
            "email": f"Person{number % 2_000}@Shop.example",
            "phone": f"044 668 {18 + number % 50:02d} 00",
            "country": ("Switzerland", "Schweiz", "CH")[number % 3],
        }
    else:
        message["event"] = "Order Completed"
        message["properties"] = {"order_id": f"o-{number}", "revenue": 10.5, "currency": "CHF"}
    if with_context:
        message["context"] = {
            "ip": f"203.0.113.{number % 200}",
            "locale": "de-CH",
            "timezone": "Europe/Zurich",
            "userAgent": AGENTS[number % len(AGENTS)],
            "page": {"path": "/checkout", "referrer": "", "url": "https://shop.example/c"},
        }
    return json.dumps(message).encode()


if __name__ == "__main__":
    run()
