"""The smallest change: what it says is so, and less would not do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorbird.base.numbers import SCALE
from tailorbird.base.time import DAY
from tailorbird.events.event import Event, order_of
from tailorbird.language import tree
from tailorbird.language.flipping import smallest_change
from tailorbird.language.moves import Asked, Change, Move, Waits, lived
from tailorbird.language.needs import PointsScore
from tailorbird.language.oracle import Known, Person, value_at
from tailorbird.language.parser import parse
from tailorbird.language.values import Value
from tailorbird.testing import expressions, histories
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
class Asker(Asked):
    """Somebody with a history, asked by the plain interpreter."""

    history: Sequence[Known]
    node: tree.Node
    now: int = NOW
    person: Person = PERSON

    def flips_at(self, *, wanted: bool) -> int | None:
        # Windows and spans of these tests are whole days.
        ends = {
            one.event.timestamp + days * DAY + more
            for one in self.history
            for days in range(1, 21)
            for more in (0, 1)
        }
        later = (replace(self, now=at) for at in sorted(ends) if at > self.now)
        at = next((one.now for one in later if one.is_so(self.node, wanted=wanted)), self.now + 1)
        is_first = not replace(self, now=at - 1).is_so(self.node, wanted=wanted)
        return at if is_first and replace(self, now=at).is_so(self.node, wanted=wanted) else None

    def after(self, moves: Sequence[Move]) -> Asker:
        events, now = lived(moves, self.now)
        more = [Known(known_at=event.timestamp, event=event) for event in events]
        return replace(self, history=[*self.history, *more], now=now)

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
        ("sum(order.revenue) >= 100", "1 more `order` with `revenue` of at least 100"),
        ("avg(order.revenue within 30d) > 53.2", "with `revenue` of at least 53.21"),
        ("last(order.coupon) = 'X'", "1 more `order` with `coupon` 'X'"),
        ("last(page.path) like '/sale/%'", "1 more `page` with `path` '/sale/'"),
        ("favourite(view.category) = 'shoes'", "1 more `view` with `category` 'shoes'"),
        ("most(view by category within 1d) > 3", "4 more `view within 1d`"),
        ("rate(order, view) > 5", "5 more `order`"),
        ("followed(view, cart within 3h)", "`cart`"),
        ("any(order.products where category = 'hat' and price > 9)", "1 more `order.products"),
        ("score('kept') >= 7", "5 more points in `score('kept')`, such as 3 more `order`"),
        ("score('capped') >= 20", "more points in `score('capped')`"),
        ("count(order) >= 3 and traits.country = 'CH'", "2 more `order`; and `traits.country`"),
        ("count(order) >= 9 or traits.country = 'CH'", "`traits.country` would have to be 'CH'"),
        ("not (count(order) < 3 or any(view))", None),
        ("abandoned(cart, order after 1h)", "and then no `order` for 1h: at 2026-04-15T10:00:00"),
        # What one part asks for would break the other.
        ("count(order) >= 2 and count(order) < 2", "would have to"),
        (
            "any(cart) and none(cart within 2d)",
            "1 more `cart`; then waiting until 2026-04-17T09:00:00",
        ),
        ("followed(cart, refund)", "`cart`, then `refund`"),
    ],
)
def test_it_says_what_would_have_to_be_otherwise(text: str, says: str | None) -> None:
    change = smallest_change(parse(text), Asker(ONE, parse(text)))
    assert (change is None) == (says is None), change
    if change is not None and says is not None:
        assert says in change.text


def test_what_holds_needs_nothing() -> None:
    change = smallest_change(parse("any(order)"), Asker(ONE, parse("any(order)")))
    assert change == Change(text="", cost=0, is_verified=True)


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


VALUES = st.one_of(
    st.builds("sum(order.revenue) >= {}".format, st.integers(1, 99)),
    st.builds("avg(order.revenue within 9d) {} {}.5".format, st.sampled_from("<>"), LIMITS),
    st.builds("max(view.price) > {}".format, LIMITS),
    st.builds("last(order.coupon) {} 'X'".format, st.sampled_from(("=", "!="))),
    st.builds("distinct(view.category within 9d) >= {}".format, LIMITS),
    st.builds("most(view by category) > {}".format, LIMITS),
    st.builds("rate(order, view) {} 40%".format, st.sampled_from("<>")),
    st.builds("followed({}, view within 2h)".format, st.sampled_from(("order", "view"))),
    st.builds("abandoned(view, order after {}d)".format, st.integers(1, 3)),
    st.builds("none(order within {}d)".format, st.integers(1, 9)),
    st.builds("count(order where price > {}) < {}".format, LIMITS, st.integers(1, 3)),
    st.sampled_from(("traits.age between 40 and 50", "traits.plan is not null")),
)


@settings(max_examples=300 * EFFORT, deadline=None)
@given(text=CONDITIONS, given_events=HISTORIES)
def test_with_the_change_it_holds_and_with_less_it_does_not(
    text: str, given_events: list[tuple[str, int]]
) -> None:
    node = parse(text)
    asker = Asker(history_of(given_events), node)
    change = smallest_change(node, asker)
    if change is None:
        assert "=" in text or "!=" in text  # too many, and what happened has happened
        return
    assert change.is_verified
    assert lives(asker, change.moves).value(node) is True
    if change.wait_until is not None:
        early = Waits(until=change.wait_until - 1)
        assert lives(asker, (*change.moves[:-1], early)).value(node) is False
    elif change.events:
        assert lives(asker, change.moves[1:]).value(node) is False


@settings(max_examples=300 * EFFORT, deadline=None)
@given(
    texts=st.lists(CONDITIONS | VALUES, min_size=1, max_size=3),
    word=st.sampled_from((" and ", " or ")),
    negated=st.booleans(),
    given_events=HISTORIES,
)
def test_a_verified_change_turns_the_whole(
    texts: list[str], word: str, negated: bool, given_events: list[tuple[str, int]]
) -> None:
    whole = word.join(f"({one})" for one in texts)
    node = parse(f"not ({whole})" if negated else whole)
    asker = Asker(history_of(given_events), node)
    change = smallest_change(node, asker)
    if change is not None and change.is_verified:
        assert lives(asker, change.moves).value(node) is True
        assert change.text or not change.moves
        assert bool(change.moves) == (asker.value(node) is not True)


@settings(max_examples=100 * EFFORT, deadline=None)
@given(node=expressions.conditions, history=histories.histories())
def test_any_condition_can_be_asked(node: tree.Node, history: list[Known]) -> None:
    person = Person(
        timezone="UTC",
        segments=expressions.SEGMENTS,
        scores=expressions.SCORES,
        lists=expressions.LISTS,
    )
    asker = Asker(history, node, max((one.known_at for one in history), default=NOW), person)
    change = smallest_change(node, asker)
    if change is not None and change.is_verified:
        assert lives(asker, change.moves).value(node) is True


def history_of(given_events: list[tuple[str, int]]) -> list[Known]:
    found = (happened(name, NOW - before, n) for n, (name, before) in enumerate(given_events))
    return sorted(found, key=lambda one: one.known_at)


def lives(asker: Asker, moves: Sequence[Move]) -> Asker:
    """Let somebody do what moves say, one microsecond after the other."""
    history, now = list(asker.history), asker.now
    for number, one in enumerate(moves):
        if isinstance(one, Waits):
            now = max(now, one.until)
            continue
        now += 1
        event = happened("identified" if one.sets_traits else one.name, now, number).event
        kind = "identify" if one.sets_traits else "track"
        event = msgspec.structs.replace(event, type=kind, properties=dict(one.properties))
        history.append(Known(known_at=now, event=event))
    return replace(asker, history=history, now=now)
