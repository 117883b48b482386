"""History folded before a version goes live: what the engines add up to is as if folded at once."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.adapters.sqlite.filled import SqliteFilled, SqliteFillingWork, open_filled
from tailorbird.base.time import DAY
from tailorbird.events.event import ACTIVATE, PARTITIONS, Activate, encode
from tailorbird.language.accumulators import CellSpec
from tailorbird.ports.event_log import Draft
from tailorbird.ports.filled import Filled, open_nothing
from tailorbird.reducer.reducer import Reducer
from tailorbird.services import prepare as preparing
from tailorbird.services.advance import Engine
from tailorbird.services.prepare import Cancelled, first_offset, prepare
from tailorbird.services.replay import differences
from tailorbird.testing.building import HOUR, START, workspace_of
from tailorbird.testing.embedded import World, event_draft

VERSIONS = {
    "old": workspace_of({"buyer": "any(bought)"}, version="old"),
    "new": workspace_of(
        {
            "buyer": "any(bought)",
            "rich": "sum(bought.price) > 20 and count(viewed) > 1",
            "keen": "count(viewed within 4d) >= 2",
            "fond": "favourite(viewed.category within 9d) = 'c1'",
        },
        version="new",
    ),
}


def act(world: World, rng: random.Random, count: int) -> None:
    for _ in range(count):
        world.clock.at += rng.randint(1, 3 * HOUR)
        person = rng.randint(1, 9)
        user = f"u{person}" if rng.random() < 0.6 else None
        anonymous = f"a{person}" if user is None or rng.random() < 0.1 else None
        name = rng.choice(("viewed", "bought", "seen"))
        at = world.clock.at - rng.choice((0, HOUR, 2 * DAY))
        detail = {"price": rng.randint(1, 30), "category": f"c{rng.randint(1, 3)}"}
        world.add(event_draft(name, f"m{world.log.end()}", at, user, anonymous, detail))
        if rng.random() < 0.3:
            world.settle()
    world.settle()


def fold(world: World, folder: Path, kills: random.Random | None = None) -> str:
    """Fold for the new version, beginning again wherever it is stopped."""
    reducer = Reducer(VERSIONS["new"])
    only = reducer.new_cells(Reducer(VERSIONS["old"]))
    specs = {one: reducer.program.specs[one] for one in only}
    while True:
        after = first_offset(world.log, reducer, only)
        work = SqliteFillingWork(folder, specs, world.log.end, after)
        told: list[tuple[int, int]] = []
        try:
            return prepare(
                world.log,
                reducer,
                only,
                work,
                tell=lambda done, of: told.append((done, of)),  # noqa: B023
                is_cancelled=lambda: kills is not None and kills.random() < 0.4,
            )
        except Cancelled:
            work._connection.close()
            assert all(done <= of for done, of in told)


@pytest.mark.parametrize("seed", range(10))
def test_what_was_folded_and_what_came_since_are_the_whole(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "RECORDS_AT_ONCE", 7)
    rng = random.Random(seed)
    world = World(VERSIONS)
    world.publish("old")
    act(world, rng, 60)
    name = fold(world, tmp_path, kills=rng)
    act(world, rng, 30)
    body = encode(Activate("new", "test", filling=name))
    world.appender.write([], [Draft(p, ACTIVATE, 0, body) for p in range(PARTITIONS)])
    act(world, rng, 10)
    opened: list[Filled] = []

    def open_it(name: str, specs: Mapping[int, CellSpec]) -> SqliteFilled | None:
        found = open_filled(tmp_path, name, specs)
        assert found is not None
        opened.append(found)
        return found

    stores = []
    for opener in (open_nothing, open_it):
        store = MemoryStateStore()
        engine = Engine(world.log, store, VERSIONS.__getitem__, open_filled=opener, is_strict=True)
        while engine.step(5):
            pass
        stores.append(store)
    assert opened
    assert list(differences(stores[:1], stores[1:])) == []
    assert stores[0].segment_sizes()["rich"] > 0


def test_the_same_history_gets_the_same_name(tmp_path: Path) -> None:
    world = World(VERSIONS)
    world.publish("old")
    act(world, random.Random(1), 40)
    names = {fold(world, tmp_path / str(n), kills=random.Random(n)) for n in range(3)}
    assert len(names) == 1


def test_what_is_damaged_or_of_other_cells_is_not_opened(tmp_path: Path) -> None:
    world = World(VERSIONS)
    world.publish("old")
    act(world, random.Random(1), 60)
    name = fold(world, tmp_path)
    specs = Reducer(VERSIONS["new"]).program.specs
    only = Reducer(VERSIONS["new"]).new_cells(Reducer(VERSIONS["old"]))
    mine = {one: specs[one] for one in only}
    openers = partial(open_filled, tmp_path, name)
    assert openers(mine) is not None
    assert openers(specs) is None
    assert open_filled(tmp_path, "0" * 32, mine) is None
    path = tmp_path / f"{name}.db"
    with sqlite3.connect(path) as broken:
        broken.execute("UPDATE filled SET cells = x'80' WHERE profile_id % 2")
    assert openers(mine) is None
    path.write_bytes(path.read_bytes()[:5_000])
    assert openers(mine) is None


def test_only_the_latest_files_are_kept(tmp_path: Path) -> None:
    world = World(VERSIONS)
    world.publish("old")
    for round_ in range(5):
        act(world, random.Random(round_), 5)
        world.clock.at = max(world.clock.at, START)
        last = fold(world, tmp_path)
    found = {path.stem for path in tmp_path.glob("*.db")}
    assert len(found) == 3
    assert last in found
