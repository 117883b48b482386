"""A version going live comes to each profile in its own time, and decides the same as at once."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.base.time import DAY
from tailorbird.events.event import ACTIVATE, TICK, Activate, Record, encode, partition_of
from tailorbird.language.accumulators import Reach
from tailorbird.ports.event_log import Draft, LogReader
from tailorbird.profiles.state import decode
from tailorbird.reducer.reducer import Reducer
from tailorbird.services import advance, backfill
from tailorbird.services.advance import Engine
from tailorbird.services.replay import differences
from tailorbird.testing.building import HOUR, START, journey, points, send, wait, workspace_of
from tailorbird.testing.embedded import World, event_draft
from tailorbird.workspace.definitions import Workspace

BASE = {
    "keen": "count(viewed within 2d) >= 2",
    "silent": "since(viewed) > 3d",
    "buyer": "any(bought)",
}
PAUSE = journey("pause", (wait("w", DAY), send("mail")), segment="keen")
SHORTER = journey("pause", (wait("w", 6 * HOUR), send("mail")), segment="keen")
SCORES = (points("liking", {"viewed": 1, "bought": 5}, 7),)
VERSIONS: Mapping[str, Workspace] = {
    "base": workspace_of(BASE, journeys=(PAUSE,), scores=SCORES, version="base"),
    "wider": workspace_of(
        {**BASE, "keen": "count(viewed within 9d) >= 3"},
        journeys=(PAUSE,),
        scores=SCORES,
        version="wider",
    ),
    "more": workspace_of(
        {**BASE, "rich": "sum(bought.price within 30d) > 40", "idle": "none(bought within 1d)"},
        journeys=(SHORTER,),
        scores=SCORES,
        version="more",
    ),
    "added": workspace_of(
        {**BASE, "cart": "abandoned(viewed, bought after 5h)", "dear": "max(bought.price) > 20"},
        journeys=(PAUSE, journey("cart", (send("mail"),), segment="cart")),
        scores=SCORES,
        version="added",
    ),
}


class AtOnce(Engine):
    """Brings a version to all profiles before it takes the next record."""

    def _activate(self, record: Record) -> None:
        self._commit(record.offset - 1)
        super()._activate(record)
        while record.partition in self._work.sweeps:
            self._sweep_page(record.partition, 10_000)


def live(seed: int) -> World:
    """A shop whose definitions are changed again and again while people come and merge."""
    rng = random.Random(seed)
    world = World(VERSIONS)
    world.publish("base")
    names = list(VERSIONS)
    for number in range(220):
        world.clock.at += rng.randint(1, 9 * HOUR)
        if rng.random() < 0.1:
            world.publish(rng.choice(names))
        person = rng.randint(1, 12)
        user, anonymous = (f"u{person}", None) if rng.random() < 0.6 else (None, f"a{person}")
        if rng.random() < 0.08:
            user, anonymous = f"u{person}", f"a{person}"
        world.add(
            event_draft(
                rng.choice(("viewed", "viewed", "bought", "identified")),
                f"m{number}",
                world.clock.at - rng.choice((0, 0, HOUR, 3 * DAY)),
                user,
                anonymous,
                {"price": rng.randint(1, 30)},
            )
        )
        if rng.random() < 0.5:
            world.tick()
        if rng.random() < 0.4:
            world.settle(rng.randint(1, 9))
    world.settle()
    return world


def replayed(log: LogReader, *, form: type[Engine], batch: int, restarts: int) -> MemoryStateStore:
    state = MemoryStateStore()
    engine = form(log, state, VERSIONS.__getitem__, is_strict=True)
    rng = random.Random(restarts)
    while engine.step(batch):
        if restarts and rng.random() < 0.3:
            engine = form(log, state, VERSIONS.__getitem__, is_strict=True)
    assert state.sweeps() == []
    assert state.swept() == set()
    return state


@pytest.mark.parametrize("seed", range(12))
def test_how_fast_a_sweep_is_decides_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reducer, "only_adds", lambda *_: False)
    log = live(seed).log
    wanted = replayed(log, form=AtOnce, batch=10_000, restarts=0)
    assert wanted.count() > 8
    for swept, batch, restarts in ((1, 1, 0), (2, 7, 0), (1, 3, 1), (300, 10_000, 2)):
        monkeypatch.setattr(advance, "SWEPT_PER_STEP", swept)
        monkeypatch.setattr(advance, "PAGE", swept)
        found = replayed(log, form=Engine, batch=batch, restarts=restarts)
        assert list(differences([wanted], [found])) == []


@pytest.mark.parametrize("seed", range(12))
def test_who_is_passed_over_would_have_stayed_as_they_were(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = live(seed).log
    found = replayed(log, form=Engine, batch=10, restarts=1)
    monkeypatch.setattr(Reducer, "only_adds", lambda *_: False)
    wanted = replayed(log, form=Engine, batch=10, restarts=1)
    names = wanted.segment_sizes().keys() | found.segment_sizes().keys()
    assert {"keen", "cart", "rich"} <= names
    for name in names:
        assert found.members(name, -1, 1_000) == wanted.members(name, -1, 1_000), name
    ours = [(row.effect_id, row.kind, row.profile_id) for row in found.outbox(0, 10_000)]
    theirs = [(row.effect_id, row.kind, row.profile_id) for row in wanted.outbox(0, 10_000)]
    assert sorted(ours) == sorted(theirs)


def test_only_those_are_touched_who_did_what_a_new_segment_asks() -> None:
    world = World(VERSIONS)
    world.publish("base")
    for person in range(200):
        name = "bought" if person % 50 == 0 else "viewed"
        world.add(event_draft(name, f"m{person}", START, f"u{person}", None, {"price": 25}))
    world.settle()
    before = _states(world)
    version = workspace_of(
        {**BASE, "dear": "max(bought.price) > 20"},
        journeys=(PAUSE,),
        scores=SCORES,
        version="dear",
    )
    engine = Engine(world.log, world.state, {**VERSIONS, "dear": version}.__getitem__)
    world.publish("dear")
    while engine.step():
        pass
    after = _states(world)
    changed = {one for one in after if after[one] != before[one]}
    assert len(changed) == 4
    assert {one for one in after if "dear" in decode(after[one]).segments} == changed


def _states(world: World) -> dict[int, bytes]:
    ids = [
        one
        for partition in range(64)
        for one in world.state.profile_ids(partition, after=-1, limit=1_000)
    ]
    return world.state.profiles(ids)


@pytest.mark.parametrize("seed", range(8))
def test_what_is_too_old_to_count_need_not_be_read(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = live(seed).log
    rng = random.Random(seed)
    conditions = {
        "a": "count(viewed within 5h) > 1",
        "b": "sum(bought.price within 3d) > 10 and last(viewed.price within 2d) > 3",
        "c": "rate(bought, viewed within 1mo) > 20%",
        "d": "sequence(viewed, bought within 2d) or followed(viewed, bought within 1h over 4d)",
        "e": "count(nothing within 1d) > 1",
    }
    chosen = dict(rng.sample(sorted(conditions.items()), rng.randint(1, 5)))
    reducer = Reducer(workspace_of(chosen))
    only = reducer.new_cells(None)
    for before in (log.end() + 1, log.end() // 2):
        now = log.read(before - 2, 1)[0].now
        found = backfill.backfill(log, reducer, only, before, lambda _: True)
        everything = Reach(frozenset({"viewed", "bought", "nothing"}), None)
        with monkeypatch.context() as patched:
            patched.setattr(backfill, "reach_of", lambda _, found=everything: found)
            wanted = backfill.backfill(log, reducer, only, before, lambda _: True)
        for cells in (*found.values(), *wanted.values()):
            reducer.program.prune(cells, now)
        assert {one: cells for one, cells in found.items() if cells} == {
            one: cells for one, cells in wanted.items() if cells
        }


def test_what_became_due_before_the_sweep_came_is_made_up_for() -> None:
    world = World(VERSIONS)
    world.publish("base")
    user = world.add(event_draft("bought", "m", START, "u1", None, {"price": 25}))[0].profile_id
    world.settle()
    world.publish("more")
    world.clock.at += 2 * DAY
    world.appender.write([], [Draft(partition_of(user), TICK, 0, b"")])
    # The tick and the activation lie in one batch: the sweep comes after both.
    world.settle(10_000)
    assert "idle" in decode(world.state.profiles([user])[user]).segments
    assert world.state.due_partitions(world.clock.at) == {}


def test_what_came_between_the_activations_of_two_partitions_is_filled_in() -> None:
    world = World(VERSIONS)
    world.publish("base")
    people = [world.add(event_draft("seen", f"m{n}", START, f"u{n}"))[0] for n in range(40)]
    world.settle()
    late = max(people, key=lambda one: partition_of(one.profile_id)).profile_id
    body = encode(Activate("added", "test"))
    first, last = Draft(0, ACTIVATE, 0, body), Draft(partition_of(late), ACTIVATE, 0, body)
    world.appender.write([], [first])
    user = f"u{[one.profile_id for one in people].index(late)}"
    world.add(event_draft("bought", "b", START + 1, user, None, {"price": 25}))
    world.appender.write([], [last])
    world.settle(10_000)
    assert "dear" in decode(world.state.profiles([late])[late]).segments
