"""Engines beside DuckDB answer as the oracle does: at one instant, and at rows of people and
instants. The histories and expressions are those of DuckDB's own test.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tailorbird.base.time import parse_micros
from tailorbird.language import constructs, evaluate, parse, tree
from tailorbird.language.api import plain, read_question
from tailorbird.language.history import read_history
from tailorbird.language.oracle import Known, Person, value_at
from tailorbird.language.values import Value
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.language.warehouse.frame import Frame
from tailorbird.language.warehouse.query import members_query, value_query
from tailorbird.testing import expressions, histories
from tailorbird.testing.warehouses.peer import PROMOTED, EngineMissing, Peer, values

sys.path.insert(0, str(Path(__file__).parent))
from test_oracle_equals_stream import EFFORT  # neighbours, not a package
from test_oracle_equals_warehouse import (
    _SETTINGS,
    BARE,
    assert_same,
    drawn_people,
    replace,
    some_instants,
)

pytestmark = [
    pytest.mark.integration,
    # Spark warns of the version of pandas, which is not used.
    pytest.mark.filterwarnings("ignore:.*pandas:FutureWarning"),
]


# Somebody with everything that the constructs' examples ask, and people with one odd trait each.
SHOPPER = 1_000
BIRTHDAYS = (
    "2024-01-31", "2024-01-31T10:00", "2024-01-31 10:00:00.5Z", "2024-01-31T10:00:00+05:30",
    "2024-01-31T10", "2024-13-31", "2024-02-30", "soon enough", " 2024-01-31 ", "1850-03-01",
    "2024-01-31T25:00", "2024-01-31T10:00:00.1234567", "2024-01-31T10:00:00-0330", "2000-02-29",
)  # fmt: skip
CITIES = ("Z", "a", "é", "ΑΣ", "İX", "日本", "𝒳", "", "a_b", "a%b", "a\\b", "A'B", "\uffff")
ZONES = ("America/New_York", "Pacific/Auckland", "Asia/Kathmandu", "UTC", "nowhere")
CHANGES_OF_CLOCK = (
    "2026-03-08T06:59:59Z", "2026-03-08T07:00:00Z", "2026-04-04T13:59:59Z",
    "2026-11-01T05:59:59Z", "2026-11-01T06:00:00Z", "2026-02-28T23:59:59.999999Z",
)  # fmt: skip
# What a customer paid, of whom nothing else is known.
CUSTOMER = 2_000
PRICES: tuple[Any, ...] = (1, "1", True, None, 0.1, 5e-10, 1.5e-9, 1e12, {}, "é", 2)
OF_PRICES = (
    "sum(v.price)", "avg(v.price within 1y)", "min(v.price)", "max(v.price)", "distinct(v.price)",
    "favourite(v.price)", "most(v by price)", "first(v.price)", "last(v.price)",
    "count(v where price = 1)", "count(v where price != 1)", "count(v where price is null)",
    "count(v where price = '1')", "first(v.price within 1y)", "followed(v, v by price)",
    "any(v where price)", "count(v where price contains 'é')", "count(v where price > 'a')",
)  # fmt: skip
PERSONAL = ("traits", "context", "predictions", "clusters")


def odd_people() -> dict[int, list[Known]]:
    traits = [
        *({"born": born} for born in BIRTHDAYS),
        *({"city": city, "timezone": "UTC"} for city in CITIES),
        *({"timezone": zone, "born": "1990-03-08"} for zone in ZONES),
    ]
    return {
        SHOPPER + number: read_history(
            [{"type": "identify", "timestamp": "2026-01-01", "traits": one}]
        )
        for number, one in enumerate(traits, 1)
    }


def paid() -> list[Known]:
    days = enumerate(PRICES, 1)
    return read_history(
        [{"event": "v", "timestamp": f"2026-01-{day:02d}", "properties": {"price": one}}
         for day, one in days]
    )  # fmt: skip


class World:
    """People with their histories, and the same in an engine."""

    def __init__(self, people: dict[int, list[Known]], peer: Peer) -> None:
        self.people = people
        self.odd = odd_people()
        self.peer = peer

    def keep(self) -> None:
        events = [
            {"event": name, "timestamp": at, "properties": properties}
            for at, name, properties in constructs.EVENTS
        ]
        others = {SHOPPER: read_history(events), CUSTOMER: paid()}
        self.peer.keep({**self.people, **self.odd, **others}, {SHOPPER: constructs.GIVEN})


@pytest.fixture(scope="module", params=["Postgres", "ClickHouse"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    yield from made_world(request.param)


@pytest.fixture(scope="module")
def spark() -> Iterator[World]:
    yield from made_world("Spark")


def made_world(name: str) -> Iterator[World]:
    made = World(drawn_people(histories.histories()), started(name))
    try:
        made.keep()
        yield made
    finally:
        made.peer.close()


def started(name: str) -> Peer:
    try:
        module = import_module(f"tailorbird.testing.warehouses.{name.lower()}")
        return cast(Peer, getattr(module, f"{name}Peer")())
    except (EngineMissing, ModuleNotFoundError) as missing:
        pytest.skip(str(missing))


@settings(_SETTINGS, max_examples=30 * EFFORT)
@given(node=expressions.conditions)
def test_conditions_agree(world: World, node: tree.Node) -> None:
    assert_agreement(world, node, BARE)


@settings(_SETTINGS, max_examples=25 * EFFORT)
@given(node=expressions.numeric | expressions.value_edges)
def test_values_agree(world: World, node: tree.Node) -> None:
    assert_agreement(world, node, BARE)


@pytest.mark.parametrize("cap", [1, 3])
@settings(_SETTINGS, max_examples=10 * EFFORT)
@given(node=expressions.expressions)
def test_values_agree_under_a_small_cap(world: World, cap: int, node: tree.Node) -> None:
    assert_agreement(world, node, replace(BARE, latest_cap=cap))


@settings(_SETTINGS, max_examples=15 * EFFORT)
@given(node=expressions.conditions)
def test_members_are_those_for_whom_the_oracle_holds(world: World, node: tree.Node) -> None:
    now = random.Random(repr(node)).choice(list(world.people.values()))[-1].known_at
    try:
        text = members_query(node, Frame(now=now), BARE).text(world.peer.engine)
    except WarehouseError:
        return
    world.peer.ask_everybody()
    found = [row[0] for row in world.peer.rows(text)]
    expected = [who for who, one in world.people.items() if value_at(node, one, now, BARE) is True]
    assert sorted(who for who in found if who < SHOPPER) == sorted(expected)


@pytest.mark.parametrize("one", constructs.constructs(), ids=lambda one: one.words)
def test_each_construct_answers_as_the_oracle(world: World, one: constructs.Construct) -> None:
    assert_construct(world, one)


@pytest.mark.parametrize(
    "text",
    [
        "age(traits.born)", "anniversary(traits.born)", "age(traits.born) > 30y",
        "traits.city < 'a'", "traits.city <= 'é'", "traits.city > '日本'", "traits.city = 'é'",
        "traits.city != 'a'", "lower(traits.city)", "length(traits.city)",
        "traits.city like 'a\\_%'", "traits.city like '_\\%_'", "traits.city like '_'",
        "traits.city contains 'Σ'", "traits.city starts with ''", "traits.city not in ('a', 'Z')",
        "lower(traits.city) ends with 'x'", "59m + 59m > 1h", "0.1 + 0.2 = 0.3",
        "1 / 3 * 3", "2.5 * 0.000000001", "-2.5 / 1000000000", "5m * 0.3333", "1h / 7",
    ],
)  # fmt: skip
def test_odd_texts_and_numbers_are_read_as_the_oracle_does(world: World, text: str) -> None:
    assert_odd(world, text, [constructs.NOW])


@pytest.mark.parametrize("text", ["hour(now)", "weekday(now)", "date(now)", "month(now)",
                                  "anniversary(traits.born)"])  # fmt: skip
def test_the_calendar_is_the_persons_own_over_a_change_of_the_clock(
    world: World, text: str
) -> None:
    assert_odd(world, text, CHANGES_OF_CLOCK)


@pytest.mark.parametrize("text", OF_PRICES)
def test_promoted_properties_answer_as_json_does(world: World, text: str) -> None:
    assert_promoted(world, text)


def test_spark_reads_promoted_properties(spark: World) -> None:
    for text in ("sum(v.price)", "distinct(v.price)", "favourite(v.price)", "most(v by price)"):
        assert_promoted(spark, text)


def test_spark_reads_odd_texts_and_the_calendar(spark: World) -> None:
    assert_odd(spark, "age(traits.born)", [constructs.NOW])
    assert_odd(spark, "lower(traits.city)", [constructs.NOW])
    assert_odd(spark, "traits.city < 'é' and traits.city like 'a\\_%'", [constructs.NOW])
    for text in ("100000000000 / 0.3", "99999999999 * 100000000 / 7", "1 / 999999999999"):
        assert_odd(spark, text, [constructs.NOW])
    assert_odd(spark, "30m + 30m > 59m", [constructs.NOW])
    assert_odd(spark, "5m * 0.3333 + 1h / 7", [constructs.NOW])
    for text in ("hour(now) * 10 + weekday(now)", "date(now)", "anniversary(traits.born)"):
        assert_odd(spark, text, CHANGES_OF_CLOCK)
    for one in constructs.constructs():
        if one.words in ("favourite", "rate", "abandoned after by over", "prediction", "segment"):
            assert_construct(spark, one)


# Spark plans a query for seconds, each of which answers 300 rows.
@settings(_SETTINGS, max_examples=8 * EFFORT, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(node=expressions.conditions | expressions.expressions, cap=st.sampled_from((1, 3, 1000)))
def test_spark_agrees(spark: World, node: tree.Node, cap: int) -> None:
    assert_agreement(spark, node, replace(BARE, latest_cap=cap))


def assert_construct(world: World, one: constructs.Construct) -> None:
    given = {name: what for name, what in constructs.GIVEN.items() if name not in PERSONAL}
    node, asked = read_question(one.example, given)
    now = parse_micros(constructs.NOW)
    found = answers(world, node, Frame(now=now), asked, None)
    if found is None:
        assert one.words == "interest"
        return
    expected = evaluate(
        one.example,
        [{"event": name, "timestamp": at, "properties": properties}
         for at, name, properties in constructs.EVENTS],
        now, **constructs.GIVEN,
    )  # fmt: skip
    assert plain(found[SHOPPER]) == expected


def assert_promoted(world: World, text: str) -> None:
    node, now = parse(text), parse_micros("2026-02-01")
    for promoted in (PROMOTED, {}):
        found = answers(world, node, Frame(now=now, promoted=promoted), BARE, None)
        assert found is not None
        assert_same(node, found[CUSTOMER], paid(), now, BARE)


def assert_odd(world: World, text: str, instants: Sequence[str]) -> None:
    """Ask the odd people at instants."""
    node = parse(text)
    asked = [(who, parse_micros(at)) for who in world.odd for at in instants]
    found = answers(world, node, Frame(now=None), BARE, asked)
    assert found is not None
    for who, at in asked:
        assert_same(node, found[who, at], world.odd[who], at, BARE)


def assert_agreement(world: World, node: tree.Node, person: Person) -> None:
    """Ask everybody at one instant, and each at some instants at which a value may change."""
    chance = random.Random(repr(node))
    asked = [
        (who, at) for who, one in world.people.items() for at in some_instants(node, one, chance)
    ]
    now = chance.choice(asked)[1]
    for frame, rows in ((Frame(now=now), None), (Frame(now=None), asked)):
        found = answers(world, node, frame, person, rows)
        if found is None:
            return
        wanted = [(who, now) for who in world.people] if rows is None else asked
        assert rows is None or set(found) == set(wanted)
        for who, at in wanted:
            value = found[who if rows is None else (who, at)]
            assert_same(node, value, world.people[who], at, person)


def answers(
    world: World,
    node: tree.Node,
    frame: Frame,
    person: Person,
    rows: Sequence[tuple[int, int]] | None,
) -> dict[object, Value] | None:
    """Ask the engine; None where it refuses."""
    try:
        query = value_query(node, frame, person)
        query.text(world.peer.engine)
    except WarehouseError:
        return None
    if rows is None:
        world.peer.ask_everybody()
    else:
        world.peer.ask_at(sorted(set(rows)))
    try:
        return values(world.peer, query)
    except WarehouseError:  # a number is too large, as in DuckDB
        return None
