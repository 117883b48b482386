"""Recorded histories: a log of a few hundred people, and all that came of it.

`tests/golden/test_recorded_histories.py` reduces the log again and compares. Where a change of the
core is meant to change outcomes:

    python -m tailorbird.testing.recording FOLDER outcome    # accept, then read the difference
    python -m tailorbird.testing.recording FOLDER log        # live the histories anew

FOLDER holds the definitions (v1, v2), `log.jsonl.gz` and `outcome.jsonl`. About half of the people
are customers of a real shop (examples/online-retail), the others visitors that are made up, who
browse, identify, merge, come late and come twice.
"""

from __future__ import annotations

import base64
import gzip
import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from tailorbird.adapters.files import read_folder
from tailorbird.adapters.memory.event_log import MemoryEventLog
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.base.time import DAY, format_micros, parse_micros
from tailorbird.demo.dataset import Counts, read_calls
from tailorbird.events.event import EVENT, Event, Record, encode
from tailorbird.journeys.effects import SendMessage
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import EventDraft
from tailorbird.ports.state_store import SEND, Commit
from tailorbird.profiles.state import decode
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.replay import replay
from tailorbird.testing.embedded import World, event_draft
from tailorbird.workspace.definitions import Workspace
from tailorbird.workspace.former import former_after
from tailorbird.workspace.loader import parse_workspace

SEED = 20_261_123
CUSTOMERS = 120
VISITORS = 180
BEGIN = parse_micros("2010-12-01T00:00:00Z")
EDITED_AT = parse_micros("2011-02-14T10:00:00Z")
END = parse_micros("2011-04-20T00:00:00Z")
_STEP = DAY // 4
_LINES_MAX = 6
_CATEGORIES = ("shoes", "hats", "books", "toys", "bags")
_MAKERS = ("example.com", "example.org")

_decode_effect = msgspec.msgpack.Decoder(SendMessage).decode
_to_json = msgspec.json.encode
_from_json = msgspec.json.decode


def load_versions(folder: Path) -> dict[str, Workspace]:
    """Return the definitions by version; v2 carries what people inside v1 finish."""
    found: dict[str, Workspace] = {}
    for version in ("v1", "v2"):
        files, _ = read_folder(folder / version)
        workspace, problems = parse_workspace(files, version=version)
        assert workspace is not None, [problem.render() for problem in problems]
        found[version] = workspace
    former = former_after(found["v2"], found["v1"], {})
    kept = {(name, "v1"): found["v1"].journeys[name] for name in former}
    found["v2"] = replace(found["v2"], former=kept)
    return found


# --- the log ------------------------------------------------------------------------------------


def live(folder: Path, parquet: Path) -> list[Record]:
    """Live the histories from `BEGIN` to `END`; return the log."""
    world = World(load_versions(folder))
    arrivals = sorted([*_customers(parquet), *_visitors()], key=lambda one: (one[0], one[1].dedup))
    world.clock.at = BEGIN
    world.publish("v1")
    is_edited = False
    at = BEGIN
    while at < END:
        for arrives, draft in _taken(arrivals, at + _STEP):
            world.clock.at = max(arrives, world.clock.at)
            world.add(draft)
        at += _STEP
        world.clock.at = at
        world.settle(500)
        world.tick()
        if at >= EDITED_AT and not is_edited:
            is_edited = True
            world.publish("v2")
        world.settle(500)
    return world.log.read(0, 10_000_000)


def _taken(arrivals: list[tuple[int, EventDraft]], until: int) -> Iterator[tuple[int, EventDraft]]:
    while arrivals and arrivals[0][0] < until:
        yield arrivals.pop(0)


def _customers(parquet: Path) -> Iterator[tuple[int, EventDraft]]:
    """Customers of the real shop, with at most a few lines of each order."""
    wanted: set[str] = set()
    for call in read_calls(parquet, Counts()):
        if call.at >= END:
            return
        message = call.message
        user = message["userId"]
        if user not in wanted and (len(wanted) >= CUSTOMERS or int(user) % 5):
            continue
        wanted.add(user)
        if message["type"] == "identify":
            name, properties = "identified", dict(message["traits"])
            yield call.at, _draft(name, message["messageId"], call.at, user, None, properties)
            continue
        properties = dict(message["properties"])
        properties["products"] = properties["products"][:_LINES_MAX]
        name = "order_completed" if message["event"] == "Order Completed" else "order_refunded"
        draft = _draft(name, message["messageId"], call.at, user, None, properties)
        yield call.at + 1, draft


def _visitors() -> Iterator[tuple[int, EventDraft]]:
    rng = random.Random(SEED)
    for index in range(VISITORS):
        yield from _visitor(rng, index)


def _visitor(rng: random.Random, index: int) -> Iterator[tuple[int, EventDraft]]:
    """One person with one to three devices, who may identify, and whose events may come late."""
    user = f"user-{index}" if rng.random() < 0.7 else None
    devices = [f"device-{index}-{n}" for n in range(rng.randint(1, 3))]
    known: set[str] = set()
    at = BEGIN + rng.randint(0, 60 * DAY)
    for count in range(rng.randint(5, 60)):
        at += int(rng.expovariate(1 / rng.choice((300e6, 3_600e6, DAY, 4 * DAY))))
        device = rng.choice(devices)
        if user is not None and device not in known and rng.random() < 0.2:
            known.add(device)
            properties = _traits(rng, index)
            message_id = f"v{index}-{count}-identify"
            yield at, _draft("identified", message_id, at, user, device, properties)
        name, properties = _action(rng, index, count)
        late = rng.choice((0, 0, 0, 0, 1, 60_000_000, DAY, 5 * DAY))
        context = {"geo": {"city": rng.choice(("Rome", "Oslo"))}} if rng.random() < 0.3 else {}
        draft = _draft(
            name,
            f"v{index}-{count}",
            at,
            user if device in known and rng.random() < 0.5 else None,
            device,
            properties,
            context=context,
            is_historical=rng.random() < 0.03,
        )
        yield at + late, draft
        if rng.random() < 0.05:
            yield at + late + rng.randint(0, DAY), draft  # sent twice


def _traits(rng: random.Random, index: int) -> dict[str, Any]:
    traits: dict[str, Any] = {"first_name": f"V{index}", "consent": {"marketing": True}}
    if rng.random() < 0.8:
        traits["email"] = f"visitor-{index}@{rng.choice(_MAKERS)}"
    if rng.random() < 0.5:
        traits["country"] = rng.choice(("Italy", "Norway", "United Kingdom"))
        traits["born"] = rng.choice(("1984-02-29", "1990-03-15", "2001-01-31", "soon"))
    if rng.random() < 0.3:
        traits["timezone"] = rng.choice(("America/New_York", "Pacific/Auckland", "nowhere"))
    return traits


def _action(rng: random.Random, index: int, count: int) -> tuple[str, dict[str, Any]]:
    name = rng.choice(
        ("page_viewed",) * 5
        + ("product_viewed",) * 8
        + ("cart_added",) * 3
        + ("order_completed", "email_delivered", "email_opened", "order_refunded")
    )
    if name == "page_viewed":
        return name, {"path": rng.choice(("/", "/sale/shoes", "/sale/hats", "/about"))}
    if name == "product_viewed":
        price = rng.choice((5, 20, 49.9, 95, 120, "cheap", None))
        return name, {"category": rng.choice(_CATEGORIES), "price": price}
    if name == "cart_added":
        return name, {"cart_id": f"cart-{index}-{count // 8}"}
    if name.startswith("order"):
        items: list[dict[str, Any]] = [
            {"product_id": rng.choice(("85123A", "22423", "84879")), "quantity": rng.randint(1, 40)}
            | {"price": rng.choice((1.25, 4.95, 12.5))}
            for _ in range(rng.randint(1, 3))
        ]
        revenue = round(sum(item["price"] * item["quantity"] for item in items), 2)
        coupon = {"coupon": "WELCOME"} if rng.random() < 0.2 else {}
        cart = {"cart_id": f"cart-{index}-{count // 8}"}
        return name, {"revenue": revenue, "products": items, **coupon, **cart}
    return name, {}


def _draft(
    name: str,
    message_id: str,
    at: int,
    user: str | None,
    device: str | None,
    properties: Mapping[str, Any],
    *,
    context: Mapping[str, Any] | None = None,
    is_historical: bool = False,
) -> EventDraft:
    email = properties.get("email") if name == "identified" else None
    draft = event_draft(name, message_id, at, user, device, properties, email=email)
    event = msgspec.msgpack.decode(draft.body, type=Event)
    event.context = dict(context or {})
    event.is_historical = is_historical
    return msgspec.structs.replace(draft, body=encode(event))


def write_log(folder: Path, records: list[Record]) -> None:
    """Keep a log: one JSON array a record, events in clear, other bodies in base 64."""
    lines = []
    for one in records:
        body: Any = base64.b64encode(one.body).decode()
        if one.kind == EVENT:
            body = msgspec.msgpack.decode(one.body)
        lines.append(_to_json([one.offset, one.partition, one.now, one.kind, one.profile_id, body]))
    data = gzip.compress(b"\n".join(lines), 9, mtime=0)
    (folder / "log.jsonl.gz").write_bytes(data)


def read_log(folder: Path) -> MemoryEventLog:
    """Return the log that was kept."""
    log = MemoryEventLog()
    for line in gzip.decompress((folder / "log.jsonl.gz").read_bytes()).splitlines():
        offset, partition, now, kind, profile_id, kept = _from_json(line)
        body = encode(kept) if kind == EVENT else base64.b64decode(kept)
        (record,) = log.append([Draft(partition, kind, profile_id, body)], now)
        assert (record.offset, record.now) == (offset, now), f"the log is broken at {offset}"
    return log


# --- what came of it ----------------------------------------------------------------------------


class _Store(MemoryStateStore):
    """State that remembers all changes of memberships and all messages asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: dict[int, list[list[Any]]] = {}
        self.messages: dict[int, list[list[Any]]] = {}
        self._known: set[str] = set()

    def commit(self, commit: Commit) -> None:
        """Store a batch and remember it."""
        super().commit(commit)
        for row in commit.memberships:
            said = [format_micros(row.since), "enter" if row.is_member else "leave", row.segment]
            self.changes.setdefault(row.profile_id, []).append([*said, row.cause])
        for effect in commit.outbox:
            if effect.kind == SEND and effect.effect_id not in self._known:
                self._known.add(effect.effect_id)
                one = _decode_effect(effect.body)
                told = {condition.step: condition.holds for condition in one.conditions}
                said = [format_micros(one.due_at), one.journey, one.step, one.template]
                self.messages.setdefault(effect.profile_id, []).append(
                    [*said, one.version, told, one.effect_id]
                )


def outcome(
    log: MemoryEventLog, versions: Mapping[str, Workspace], *, engines: int = 1, batch: int = 1_000
) -> list[bytes]:
    """Reduce a log; return one line of JSON for each profile, in order of their ids."""
    stores = [_Store() for _ in range(engines)]
    replay(log, stores, versions.__getitem__, batch=batch)
    reducer = Reducer(versions["v2"])
    lines: dict[int, bytes] = {}
    for store in stores:
        for partition in range(64):
            ids = store.profile_ids(partition, -1, 100_000)
            for one, data in store.profiles(ids).items():
                lines[one] = _line(reducer, store, one, data)
    return [lines[one] for one in sorted(lines)]


def _line(reducer: Reducer, store: _Store, profile_id: int, data: bytes) -> bytes:
    state = decode(data)
    seen = reducer.snapshot(state, END)
    return _to_json(
        {
            "profile": profile_id,
            "merged_into": state.merged_into,
            "changes": store.changes.get(profile_id, []),
            "messages": store.messages.get(profile_id, []),
            "runs": [[run.journey, run.key, run.position, run.version] for run in state.runs],
            "next": [[name, format_micros(at)] for name, at in reducer.next_changes(state)],
            "segments": {name: format_micros(at) for name, at in sorted(seen["segments"].items())},
            "scores": seen["scores"],
            "interests": seen["interests"],
            "traits": seen["traits"],
        }
    )


def main(folder: Path, what: str) -> None:
    """Write the log and the outcome, or the outcome alone."""
    if what == "log":
        parquet = Path("examples/online-retail/online-retail.parquet")
        write_log(folder, live(folder, parquet))
    lines = outcome(read_log(folder), load_versions(folder))
    (folder / "outcome.jsonl").write_bytes(b"\n".join(lines) + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
