"""The smallest change: what it says is so, and less would not do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorbird.base.numbers import SCALE
from tailorbird.base.time import DAY
from tailorbird.events.event import Event, order_of
from tailorbird.language import tree
from tailorbird.language.flipping import Change, smallest_change
from tailorbird.language.needs import PointsScore
from tailorbird.language.oracle import Known, Person, value_at
from tailorbird.language.parser import parse
from tailorbird.language.values import Value
from tailorbird.testing.building import START

EFFORT = int(os.environ.get("TAILORBIRD_EFFORT", "1"))
PERSON = Person(
    timezone="UTC",
    traits={"country": "DE", "age": 30},
    segments={"vip": parse("count(order) >= 3")},
    scores={
        "heat": PointsScore(
            points=(("order", 5 * SCALE, None), ("view", SCALE, None)), half_life=3 * DAY
        ),
        "kept": PointsScore(points=(("order", 2 * SCALE, None),)),
        "capped": PointsScore(
            points=(("order", 2 * SCALE, None),), half_life=DAY, cap_per_day=4 * SCALE
        ),
    },
)
NOW = START + 100 * DAY


@dataclass
class Asker:
    """Somebody with a history, asked by the plain interpreter."""

    history: Sequence[Known]
    now: int = NOW
    person: Person = PERSON

    def value(self, node: tree.Node) -> Value:
        return value_at(node, self.history, self.now, self.person)

    def segment(self, name: str) -> tree.Node | None:
        return self.person.segments.get(name)

    def score(self, name: str) -> tree.Node | PointsScore | None:
        return self.person.scores.get(name)


def happened(name: str, at: int, number: int = 0) -> Known:
    key = f"{name} {at} {number}"
    event = Event(
        type="track",
        name=name,
        message_id=key,
        timestamp=at,
        order=order_of(key),
        properties={},
        context={},
    )
    return Known(known_at=at, event=event)


ONE = [happened("order", NOW - 2 * DAY), happened("view", NOW - DAY // 24)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("count(order) >= 3", "2 more `order`"),
        ("count(order within 30d) > 3", "3 more `order within 30d`"),
        ("count(order) = 2", "1 more `order`"),
        ("any(order where coupon = 'X' within 7d)", "1 more `order where coupon = 'X' within 7d`"),
        ("since(order) > 60d", "no `order` before 2026-06-12T09:00:00"),
        ("since(refund) > 60d", "`refund`, and then 60d without another"),
        ("since(order) < 1d", "1 more `order`"),
        ("in segment('vip')", "2 more `order`"),
        ("traits.country = 'CH'", "`traits.country` would have to be 'CH'; it is 'DE'"),
        ("traits.plan is not null", "`traits.plan` would have to be there; it is missing"),
        ("traits.country in ('CH', 'AT')", "would have to be one of 'CH', 'AT'; it is 'DE'"),
        ("traits.country starts with 'C'", "would have to start with 'C'; it is 'DE'"),
        ("traits.age > 40", "`traits.age` would have to be > 40; it is 30"),
        ("not any(order)", None),
        ("count(order) < 1", None),
        ("not traits.country = 'DE'", "would have to be != 'DE'; it is 'DE'"),
        ("sum(order.revenue) >= 100", "`sum(order.revenue)` would have to be >= 100; it is 0"),
        ("score('kept') >= 7", "5 more points in `score('kept')`, such as 3 more `order`"),
        ("score('capped') >= 20", "more points in `score('capped')`"),
        ("count(order) >= 3 and traits.country = 'CH'", "2 more `order`; and `traits.country`"),
        ("count(order) >= 9 or traits.country = 'CH'", "`traits.country` would have to be 'CH'"),
        ("not (count(order) < 3 or any(view))", None),
        ("abandoned(cart, order after 1h)", "`cart`, and then no `order` for 1h"),
        ("followed(cart, refund)", "`cart`, then `refund`"),
    ],
)
def test_it_says_what_would_have_to_be_otherwise(text: str, says: str | None) -> None:
    change = smallest_change(parse(text), Asker(ONE))
    assert (change is None) == (says is None), change
    if change is not None and says is not None:
        assert says in change.text


def test_what_holds_needs_nothing() -> None:
    change = smallest_change(parse("any(order)"), Asker(ONE))
    assert change == Change(text="", cost=0)


LIMITS = st.integers(0, 6)
CONDITIONS = st.one_of(
    st.builds("count(order) {} {}".format, st.sampled_from((">", ">=", "=", "!=")), LIMITS),
    st.builds("count(order within {}d) {} {}".format, st.integers(1, 20), st.just(">="), LIMITS),
    st.builds("not count(view within 5d) {} {}".format, st.sampled_from(("<", "<=")), LIMITS),
    st.sampled_from(("any(order)", "any(view within 2d)", "not none(order within 3d)")),
    st.builds("since(order) {} {}d".format, st.sampled_from((">", ">=", "<")), st.integers(1, 20)),
    st.builds("since(order) >= {}mo".format, st.integers(1, 2)),
    st.builds("score('heat') {} {}".format, st.sampled_from((">", ">=")), st.integers(1, 30)),
    st.builds("score('kept') > {}".format, LIMITS),
    st.builds("traits.country {} '{}'".format, st.just("="), st.sampled_from(("CH", "DE"))),
    st.just("traits.country in ('AT', 'CH')"),
    st.just("in segment('vip')"),
)
HISTORIES = st.lists(
    st.tuples(st.sampled_from(("order", "view")), st.integers(0, 25 * DAY)), max_size=6
)


@settings(max_examples=300 * EFFORT, deadline=None)
@given(text=CONDITIONS, given_events=HISTORIES)
def test_with_the_change_it_holds_and_with_less_it_does_not(
    text: str, given_events: list[tuple[str, int]]
) -> None:
    node = parse(text)
    history = sorted(
        (happened(name, NOW - before, n) for n, (name, before) in enumerate(given_events)),
        key=lambda one: one.known_at,
    )
    asker = Asker(history)
    before = asker.value(node)
    change = smallest_change(node, asker)
    if before is True:
        assert change == Change(text="", cost=0)
        return
    if change is None:
        assert "=" in text or "!=" in text  # too many, and what happened has happened
        return
    if change.wait_until is not None:
        assert replace(asker, now=change.wait_until).value(node) is True
        assert replace(asker, now=change.wait_until - 1).value(node) is False
    elif change.traits:
        person = replace(PERSON, traits={**PERSON.traits, **dict(change.traits)})
        assert replace(asker, person=person).value(node) is True
    elif change.events:
        ((name, more),) = change.events
        added = [happened(name, NOW, 100 + n) for n in range(more)]
        assert replace(asker, history=[*history, *added]).value(node) is True
        assert replace(asker, history=[*history, *added[1:]]).value(node) is False
    else:
        assert "and then" in change.text  # nothing has happened yet that time could pass since
