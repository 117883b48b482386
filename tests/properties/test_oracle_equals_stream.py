"""The compiled form answers as the oracle does, at every record and around every change."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import groupby

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailorbird.base.time import DAY, format_micros, parse_micros
from tailorbird.language import accumulators, emission, needs, tree
from tailorbird.language.oracle import Known, Person, value_at
from tailorbird.language.printer import format_expression
from tailorbird.language.program import Program
from tailorbird.language.stream import Stream
from tailorbird.language.values import Value
from tailorbird.testing import expressions, histories

PERSON = Person(
    traits={"n": 1, "city": "Rome", "joined": "2024-01-15T00:00:00Z"},
    timezone="Europe/Berlin",
    segments=expressions.SEGMENTS,
    scores=expressions.SCORES,
    interests=expressions.INTERESTS,
    lists=expressions.LISTS,
)
BARE = replace(PERSON, traits={})
JOINED = ("2024-01-15", "2024-01-31", "2023-12-31T12:00:00Z", "2024-02-01")
AFTERWARDS = 70 * DAY
# More rounds for a longer search: TAILORBIRD_EFFORT=20 pytest tests/properties
EFFORT = int(os.environ.get("TAILORBIRD_EFFORT", "1"))
_SETTINGS = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(_SETTINGS, max_examples=500 * EFFORT)
@given(node=expressions.conditions, history=histories.histories())
def test_conditions_agree_at_every_instant(node: tree.Node, history: list[Known]) -> None:
    assert_agreement(node, history, PERSON)


@settings(_SETTINGS, max_examples=150 * EFFORT)
@given(node=expressions.numeric | expressions.value_edges, history=histories.histories())
def test_values_agree_at_every_instant(node: tree.Node, history: list[Known]) -> None:
    assert_agreement(node, history, PERSON)


@settings(_SETTINGS, max_examples=150 * EFFORT)
@given(
    nodes=st.lists(expressions.conditions, min_size=1, max_size=4), history=histories.histories()
)
def test_standing_conditions_are_settled_by_what_can_change_them(
    nodes: list[tree.Node], history: list[Known]
) -> None:
    names = [f"condition {index}" for index in range(len(nodes))]
    program = Program(
        dict(zip(names, nodes, strict=True)),
        segments=BARE.segments,
        scores=BARE.scores,
        interests=BARE.interests,
        lists={name: tuple(items) for name, items in BARE.lists.items()},
        standing={name: name for name in names},
    )
    members: dict[str, int] = {}
    deadlines: dict[str, int] = {}
    stream = Stream(nodes[0], BARE)  # keeps traits and context
    view = stream.view()
    program.settle(view, program.born(view.timezone), 0, members, deadlines)
    seen: list[Known] = []
    for known in history:
        now = known.known_at
        while deadlines and (at := min(deadlines.values())) < now:
            due = [name for name, flip in deadlines.items() if flip == at]
            program.prune_for(view.cells, at, due)
            program.settle(view, due, at, members, deadlines)
        seen.append(known)
        stream.note(known)
        cells, view = view.cells, stream.view()
        view.cells = cells
        program.take(view, known.event, now, members, deadlines)
        touched = {name for name, flip in deadlines.items() if flip == now}
        if known.event.context:
            touched.update(program.keys_of_context)
        if known.event.type == "identify":
            for trait in known.event.properties:
                touched.update(program.keys_of_trait.get(trait, ()))
        program.settle(view, sorted(touched), now, members, deadlines)
        if any(later.known_at == now for later in history[len(seen) :]):
            continue
        for name, node in zip(names, nodes, strict=True):
            assert (name in members) is value_at(node, seen, now, BARE), shown(node, seen, now)
            flip = program.evaluate(name, view, now)[1]
            assert flip is None or now < deadlines.get(name, 0) <= flip, shown(node, seen)


@settings(_SETTINGS, max_examples=150 * EFFORT)
@given(
    node=expressions.expressions,
    history=histories.histories(),
    shuffled=st.randoms(use_true_random=False),
)
def test_arrival_order_changes_no_value(
    node: tree.Node, history: list[Known], shuffled: object
) -> None:
    order = list(history)
    shuffled.shuffle(order)  # type: ignore[attr-defined]
    stream = Stream(node, PERSON)
    latest = 0
    for known in order:
        latest = max(latest, known.known_at)
        stream.feed(known, latest)
    for later in (0, 1, DAY, 40 * DAY):
        now = latest + later
        assert same(stream.ask(now)[0], value_at(node, history, now, PERSON)), shown(node, history)


@pytest.mark.parametrize("cap", [1, 2, 3])
def test_values_agree_under_a_small_cap(cap: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cap is part of the meaning; histories are too short to meet the real one."""
    for module in (accumulators, emission, needs):
        monkeypatch.setattr(module, "LATEST_CAP", cap, raising=False)

    @settings(_SETTINGS, max_examples=70 * EFFORT)
    @given(node=expressions.expressions, history=histories.histories(size_max=8))
    def agree(node: tree.Node, history: list[Known]) -> None:
        assert_agreement(node, history, replace(PERSON, latest_cap=cap))

    agree()


def assert_agreement(node: tree.Node, history: list[Known], person: Person) -> None:
    """Feed the history; compare at each record, each announced change and all likely ones."""
    stream = Stream(node, person)
    seen: list[Known] = []
    groups = [(now, list(group)) for now, group in groupby(history, key=lambda one: one.known_at)]
    ends = [now for now, _ in groups[1:]] + [now + AFTERWARDS for now, _ in groups[-1:]]
    for (now, group), end in zip(groups, ends, strict=True):
        for known in group:
            seen.append(known)
            stream.feed(known, now)
        value, flip = stream.ask(now)
        assert same(value, value_at(node, seen, now, person)), shown(node, seen, now)
        for probe in likely_changes(node, seen, now, end):
            while flip is not None and flip <= probe:
                wake = flip
                before = value_at(node, seen, wake - 1, person)
                assert same(value, before), shown(node, seen, wake - 1)
                value, flip = stream.ask(wake)
                assert flip is None or flip > wake, shown(node, seen, wake)
                assert same(value, value_at(node, seen, wake, person)), shown(node, seen, wake)
            assert same(value, value_at(node, seen, probe, person)), shown(node, seen, probe)


def likely_changes(node: tree.Node, history: list[Known], start: int, end: int) -> list[int]:
    """Return instants between two records at which, or next to which, a value may change."""
    begins = [known.event.timestamp for known in history]
    if "'joined'" in repr(node):
        begins += [parse_micros(text) for text in JOINED]
    instants = {end - 1, start + 1, (start + end) // 2}
    for span in expressions.spans_in(node):
        for begin in begins:
            at = span.after(begin)
            instants.update((at - 1, at, at + 1))
    if any(word in repr(node) for word in ("anniversary", "'month'")):
        for hour in range(0, min(end - start, 62 * DAY), 3_600_000_000):
            midnight = (start // 3_600_000_000) * 3_600_000_000 + hour
            if midnight % DAY in (0, 11 * 3_600_000_000, 23 * 3_600_000_000, 5 * 3_600_000_000):
                instants.update((midnight - 1, midnight))
    return sorted(at for at in instants if start < at < end)


def same(left: Value, right: Value) -> bool:
    """Compare values: a number is no truth value, an instant no number."""
    return type(left) is type(right) and left == right


def shown(node: tree.Node, history: list[Known], now: int | None = None) -> str:
    """Describe a failing case so that it can be tried by hand."""
    lines = [format_expression(node)]
    for known in history:
        event = known.event
        lines.append(
            f"  {format_micros(event.timestamp)} (known {format_micros(known.known_at)}, order"
            f" {event.order}) {event.name} {event.properties} {event.context or ''}"
        )
    if now is not None:
        lines.append(f"at {format_micros(now)}")
    return "\n".join(lines)
