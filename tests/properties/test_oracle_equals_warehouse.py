"""A warehouse answers as the oracle does: at one instant, and at a column of instants.

The expressions and histories are those of the stream's tests: late events, equal instants, month
ends, values that are missing or of the wrong type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from tailorbird.base.time import DAY
from tailorbird.language import tree
from tailorbird.language.oracle import Known, Person, value_at
from tailorbird.language.printer import format_expression
from tailorbird.language.warehouse.embedded import Warehouse
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.language.warehouse.frame import Frame
from tailorbird.language.warehouse.lake import write_events
from tailorbird.language.warehouse.query import members_query, value_query
from tailorbird.testing import expressions, histories

from .test_oracle_equals_stream import EFFORT, PERSON, likely_changes, same, shown

# What is given beside the events is the same for everybody here, as constants.
BARE = replace(PERSON, traits={}, context={})
_SETTINGS = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
_people = st.lists(histories.histories(), min_size=1, max_size=3)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "events.parquet"


@settings(_SETTINGS, max_examples=300 * EFFORT)
@given(node=expressions.conditions, people=_people)
def test_conditions_agree(lake: Path, node: tree.Node, people: list[list[Known]]) -> None:
    assert_agreement(lake, node, people, BARE)


@settings(_SETTINGS, max_examples=150 * EFFORT)
@given(node=expressions.numeric | expressions.value_edges, people=_people)
def test_values_agree(lake: Path, node: tree.Node, people: list[list[Known]]) -> None:
    assert_agreement(lake, node, people, BARE)


@pytest.mark.parametrize("cap", [1, 2, 3])
@settings(_SETTINGS, max_examples=70 * EFFORT)
@given(node=expressions.expressions, people=_people)
def test_values_agree_under_a_small_cap(
    lake: Path, cap: int, node: tree.Node, people: list[list[Known]]
) -> None:
    assert_agreement(lake, node, people, replace(BARE, latest_cap=cap))


def assert_agreement(
    lake: Path, node: tree.Node, people: Sequence[Sequence[Known]], person: Person
) -> None:
    """Ask everybody at one instant, and each at all instants at which a value may change."""
    asked = {index: instants_of(node, history) for index, history in enumerate(people)}
    write_events(dict(enumerate(people)), str(lake))
    warehouse = Warehouse(str(lake), threads=1)
    try:
        now = max(max(instants) for instants in asked.values())
        for at in {now, min(asked[0])}:
            warehouse.ask_everybody()
            found = answers(warehouse, node, Frame(now=at), person)
            for index, history in enumerate(people):
                if history:
                    assert_same(node, found[index], history, at, person)
        pairs = [(index, at) for index, instants in asked.items() for at in instants]
        warehouse.ask_at(pairs)
        found = answers(warehouse, node, Frame(now=None), person)
        assert set(found) == set(pairs)
        for (index, at), value in found.items():
            assert_same(node, value, people[index], at, person)
    finally:
        warehouse.close()


def answers(warehouse: Warehouse, node: tree.Node, frame: Frame, person: Person) -> dict:
    try:
        return warehouse.values(value_query(node, frame, person))
    except WarehouseError as error:
        event(f"refused: {str(error)[:40]}")
        assume(False)
        raise


def instants_of(node: tree.Node, history: Sequence[Known]) -> list[int]:
    """Return instants around everything that happens to one person."""
    if not history:
        return [0]
    ends = [known.known_at for known in history]
    found = set(ends)
    for start, end in zip(ends, [*ends[1:], ends[-1] + 70 * DAY], strict=True):
        if start < end:
            found.update(likely_changes(node, list(history), start, end))
    return sorted(found)


def assert_same(
    node: tree.Node, found: object, history: Sequence[Known], at: int, person: Person
) -> None:
    expected = value_at(node, history, at, person)
    assert same(found, expected), (
        f"{found!r} is not {expected!r}: {shown(node, list(history), at)}"
    )
