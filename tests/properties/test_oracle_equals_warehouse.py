"""A warehouse answers as the oracle does: at one instant, and at a column of instants.

One lake of many people, whose histories are those of the stream's tests (late events, equal
instants, month ends, values that are missing or of the wrong type), is asked random expressions.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tailorbird.adapters.lake.columns import LEVEL_FRESH, to_parquet
from tailorbird.adapters.lake.items import properties_apart
from tailorbird.base.numbers import SCALE
from tailorbird.base.time import DAY
from tailorbird.events.event import Event, order_of
from tailorbird.language import tree
from tailorbird.language.needs import Interest, PointsScore
from tailorbird.language.oracle import Known, Person, value_at
from tailorbird.language.parser import parse
from tailorbird.language.printer import format_expression
from tailorbird.language.values import Value
from tailorbird.language.warehouse.embedded import Warehouse
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.language.warehouse.lake import write_events
from tailorbird.language.warehouse.query import members_query, value_query
from tailorbird.testing import expressions, histories

sys.path.insert(0, str(Path(__file__).parent))
from test_oracle_equals_stream import (  # a neighbour, not a package
    EFFORT,
    PERSON,
    likely_changes,
    same,
    shown,
)

PEOPLE = 60
INSTANTS = 4  # of each person
ITEMS: dict[str, tuple[Any, ...]] = {
    "n": (1, 2, 3, 0.5, 0, -1, "1", None, [1, 2]), "k": ("x", "X", "xy", True, None),
    "quantity": (1, 2, 0.5, -1, None),
}  # fmt: skip
_SETTINGS = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
BARE = replace(PERSON, traits={}, context={})
REFUSED: dict[str, int] = {}


@dataclass(frozen=True)
class Lake:
    """People with their histories, and the same in a warehouse."""

    people: dict[int, list[Known]]
    warehouse: Warehouse


@pytest.fixture(scope="module", params=["whole JSON", "items apart"])
def lake(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    people = drawn_people(histories.histories())
    is_apart, chance = request.param == "items apart", random.Random(PEOPLE)
    if is_apart:
        people = {
            who: [with_items(one, chance) for one in history] for who, history in people.items()
        }
    path = str(tmp_path_factory.mktemp("lake") / "events.parquet")
    write_events(people, path)
    if is_apart:
        take_items_apart(Path(path))
    warehouse = Warehouse(path, threads=1)
    assert warehouse.has_items == is_apart
    yield Lake(people, warehouse)
    warehouse.close()


def with_items(one: Known, chance: random.Random) -> Known:
    """Give most events a list of objects, as orders have products."""
    if chance.random() < 0.3:
        return one
    items = [
        {name: chance.choice(ITEMS[name]) for name in ITEMS if chance.random() < 0.8}
        for _ in range(chance.randint(1, 3))
    ]
    # Under its own name, and within another property.
    found = {"items": items} if chance.random() < 0.8 else {"p": {"items": items}}
    properties = {**one.event.properties, **found}
    return Known(one.known_at, msgspec.structs.replace(one.event, properties=properties))


def take_items_apart(path: Path) -> None:
    """Write a file anew as the lake has it, with lists of objects in a column of their own."""
    table = pq.ParquetFile(path).read()
    columns = {name: table[name] for name in table.column_names}
    columns |= properties_apart(table["properties"].to_pylist())
    path.write_bytes(to_parquet(pa.table(columns), LEVEL_FRESH))


@pytest.fixture(scope="module", params=["of many types", "of one type"])
def promoted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    kinds = {"p": (int, float), "q": (str,)} if request.param == "of one type" else {}
    people = {
        who: [replace_properties(one, kinds) for one in history]
        for who, history in drawn_people(histories.histories()).items()
    }
    path = str(tmp_path_factory.mktemp("lake") / "events.parquet")
    write_events(people, path, promoted=("p", "q"))
    warehouse = Warehouse(path, threads=1)
    assert set(warehouse.promoted) == {"p", "q"}
    yield Lake(people, warehouse)
    warehouse.close()


def replace_properties(one: Known, kinds: dict[str, tuple[type, ...]]) -> Known:
    """Leave out what a promoted property may not hold: lists, and what is of no wanted type."""
    kept = {
        name: value
        for name, value in one.event.properties.items()
        if name not in ("p", "q")
        or (not isinstance(value, list) and (name not in kinds or type(value) in kinds[name]))
    }
    return Known(one.known_at, msgspec.structs.replace(one.event, properties=kept))


def drawn_people(strategy: st.SearchStrategy[list[Known]]) -> dict[int, list[Known]]:
    """Draw people who have at least one event."""
    drawn: list[list[Known]] = []

    @settings(
        _SETTINGS, max_examples=PEOPLE, database=None, derandomize=True, phases=[Phase.generate]
    )
    @given(strategy.filter(bool))
    def draw(history: list[Known]) -> None:
        drawn.append(history)

    draw()
    return dict(enumerate(drawn))


@settings(_SETTINGS, max_examples=60 * EFFORT)
@given(node=expressions.conditions)
def test_conditions_agree(lake: Lake, node: tree.Node) -> None:
    assert_agreement(lake, node, BARE)


@settings(_SETTINGS, max_examples=40 * EFFORT)
@given(node=expressions.numeric | expressions.value_edges)
def test_values_agree(lake: Lake, node: tree.Node) -> None:
    assert_agreement(lake, node, BARE)


@pytest.mark.parametrize("cap", [1, 2, 3])
@settings(_SETTINGS, max_examples=12 * EFFORT)
@given(node=expressions.expressions)
def test_values_agree_under_a_small_cap(lake: Lake, cap: int, node: tree.Node) -> None:
    assert_agreement(lake, node, replace(BARE, latest_cap=cap))


@settings(_SETTINGS, max_examples=40 * EFFORT)
@given(node=expressions.conditions)
def test_members_are_those_for_whom_the_oracle_holds(lake: Lake, node: tree.Node) -> None:
    assert_members(lake, node, BARE)


@pytest.mark.parametrize("cap", [1, 2, 3, 1_000])
@settings(_SETTINGS, max_examples=12 * EFFORT)
@given(node=expressions.expressions)
def test_promoted_properties_agree(promoted: Lake, cap: int, node: tree.Node) -> None:
    assert_agreement(promoted, node, replace(BARE, latest_cap=cap))


@pytest.mark.parametrize("cap", [1, 3, 1_000])
@settings(_SETTINGS, max_examples=12 * EFFORT)
@given(node=expressions.conditions)
def test_members_are_the_same_of_promoted_properties(
    promoted: Lake, cap: int, node: tree.Node
) -> None:
    assert_members(promoted, node, replace(BARE, latest_cap=cap))


# Of each person the latest N events are taken, and nearly everybody here has more than three.
CAPPED = (
    "sum(a.p within 60d)", "avg(a.p within 60d)", "min(a.p within 60d)", "max(a.p within 60d)",
    "distinct(a.q)", "distinct(a.q where p > 1)", "distinct(a.p)", "favourite(a.q)",
    "favourite(a.p)", "favourite(a.q where p >= 1 within 60d)", "most(a by q)",
    "most(a by p within 60d)", "first(a.q within 60d)", "first(a.xs within 60d)",
    "followed(a, b)", "followed(a, a)", "followed(a, b within 10s)", "followed(a, b by q)",
    "sequence(a, b, a)", "sequence(a, a, b within 1d)", "sequence(a, b, c by q over 60d)",
    "sequence(b, a, b, a)", "abandoned(a, b after 1s)", "abandoned(a, b after 1s by q)",
    "rate(a, b)", "rate(a, a where p > 1 within 60d)", "count(a where p > 1 within 60d)",
    "distinct(a.xs)", "most(a by xs)", "favourite(a.xs)", "distinct(a.items.k)",
)  # fmt: skip


@pytest.mark.parametrize("text", CAPPED)
def test_the_latest_events_are_taken(promoted: Lake, text: str) -> None:
    node, now = parse(text), max(one[-1].known_at for one in promoted.people.values())
    promoted.warehouse.ask_everybody()
    for cap in (1, 2, 3, 4):
        person = replace(BARE, latest_cap=cap)
        found = answers(promoted, node, now, person)
        assert found is not None
        for who, history in promoted.people.items():
            assert_same(node, found[who], history, now, person)


def assert_members(lake: Lake, node: tree.Node, person: Person) -> None:
    """Ask at one instant who is in, without asking everybody where that is not needed."""
    histories_of = list(lake.people.values())
    now = random.Random(repr(node)).choice(histories_of)[-1].known_at
    lake.warehouse.ask_everybody()
    try:
        query = members_query(node, lake.warehouse.frame(now), person)
    except WarehouseError:
        return
    rows = lake.warehouse.connection.execute(query.text()).fetchall()
    expected = [who for who, one in lake.people.items() if value_at(node, one, now, person) is True]
    assert sorted(row[0] for row in rows) == sorted(expected), format_expression(node)


def assert_agreement(lake: Lake, node: tree.Node, person: Person) -> None:
    """Ask everybody at one instant, and each at some instants at which a value may change."""
    chance = random.Random(repr(node))
    asked = [
        (who, at)
        for who, history in lake.people.items()
        for at in some_instants(node, history, chance)
    ]
    now = chance.choice(asked)[1]
    lake.warehouse.ask_everybody()
    found = answers(lake, node, now, person)
    if found is None:
        return
    for who, history in lake.people.items():
        assert_same(node, found[who], history, now, person)
    lake.warehouse.ask_at(asked)
    found = answers(lake, node, None, person)
    assert found is not None
    assert set(found) == set(asked)
    for (who, at), value in found.items():
        assert_same(node, value, lake.people[who], at, person)


def answers(
    lake: Lake, node: tree.Node, now: int | None, person: Person
) -> dict[Any, Value] | None:
    """Ask the warehouse; None where it refuses."""
    try:
        return lake.warehouse.values(value_query(node, lake.warehouse.frame(now), person))
    except WarehouseError as error:
        reason = str(error)
        REFUSED[reason] = REFUSED.get(reason, 0) + 1
        return None


def some_instants(node: tree.Node, history: Sequence[Known], chance: random.Random) -> list[int]:
    """Return instants around what happens to one person."""
    ends = [known.known_at for known in history]
    found = set(ends)
    for start, end in zip(ends, [*ends[1:], ends[-1] + 70 * DAY], strict=True):
        if start < end:
            found.update(likely_changes(node, list(history), start, end))
    return chance.sample(sorted(found), min(INSTANTS, len(found)))


def assert_same(
    node: tree.Node, found: Value, history: Sequence[Known], at: int, person: Person
) -> None:
    expected = value_at(node, history, at, person)
    assert same(found, expected), f"{found!r} is not {expected!r}: {shown(node, list(history), at)}"


SPANS = (1, 7_000_000, 3_600_000_000, DAY, 30 * DAY, 400 * DAY)
EVEN = st.sampled_from((SCALE, -SCALE, 5 * SCALE, 1, 3, -7, 10**15 + 1))


@settings(_SETTINGS, max_examples=40 * EFFORT)
@given(
    points=st.lists(st.tuples(st.sampled_from("abc"), EVEN), min_size=1, max_size=4),
    half_life=st.none() | st.sampled_from(SPANS),
    fades_over=st.none() | st.sampled_from(SPANS),
    cap=st.none() | st.sampled_from((1, SCALE, 7 * SCALE)),
)
def test_scores_are_the_same_to_the_last_place(
    lake: Lake,
    points: list[tuple[str, int]],
    half_life: int | None,
    fades_over: int | None,
    cap: int | None,
) -> None:
    if cap and not half_life:
        half_life = DAY  # a cap needs points that fade
    score = PointsScore(
        points=tuple((name, worth, None) for name, worth in points),
        half_life=None if fades_over else half_life,
        fades_over=fades_over,
        cap_per_day=cap,
    )
    person = replace(BARE, scores={"drawn": score})
    refused = dict(REFUSED)
    assert_agreement(lake, tree.Named(kind="score", name="drawn"), person)
    assert refused == REFUSED


def test_points_of_many_years_halve_exactly(tmp_path: Path) -> None:
    chance = random.Random(11)
    begin = 1_000 * DAY
    people = {
        who: [
            Known(event=_done(chance.choice("ab"), at), known_at=at)
            for at in sorted(chance.sample(range(begin, begin + 900 * DAY), 60))
        ]
        for who in range(30)
    }
    path = str(tmp_path / "events.parquet")
    write_events(people, path)
    score = PointsScore(points=(("a", 3, None), ("b", -(10**12), None)), half_life=DAY)
    warehouse = Warehouse(path, threads=1)
    warehouse.ask_everybody()
    node = tree.Named(kind="score", name="drawn")
    person = replace(BARE, scores={"drawn": score})
    for now in chance.sample(range(begin + 800 * DAY, begin + 1_000 * DAY), 20):
        found = warehouse.values(value_query(node, warehouse.frame(now), person))
        for who, history in people.items():
            assert found[who] == value_at(node, history, now, person), (who, now)
    warehouse.close()


def _done(name: str, at: int) -> Event:
    return Event(
        type="track",
        name=name,
        message_id=str(at),
        timestamp=at,
        order=order_of(str(at)),
        properties={},
        context={},
    )


@settings(_SETTINGS, max_examples=40 * EFFORT)
@given(
    points=st.lists(
        st.tuples(st.sampled_from("abc"), EVEN, st.sampled_from((("q",), ("items", "k"), ("p",)))),
        min_size=1,
        max_size=3,
    ),
    half_life=st.none() | st.sampled_from(SPANS),
    of=st.just("") | st.sampled_from(histories.TEXTS),
    cap=st.sampled_from((1, 3, 1_000)),
)
def test_interests_are_the_same(
    lake: Lake,
    points: list[tuple[str, int, tuple[str, ...]]],
    half_life: int | None,
    of: str,
    cap: int,
) -> None:
    interest = Interest(
        points=tuple((name, worth, None, path) for name, worth, path in points),
        half_life=half_life,
    )
    person = replace(BARE, interests={"drawn": interest}, latest_cap=cap)
    refused = dict(REFUSED)
    assert_agreement(lake, tree.Named(kind="interest", name="drawn", of=of), person)
    assert refused == REFUSED
