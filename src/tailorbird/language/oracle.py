"""The meaning of the language, slow and obviously correct: a tree asked about a plain history.

No state, no increments, no deadlines: every question looks at all events again. The compiled form
(`program`) must give the same answers at every instant; property tests hold the two equal.
Aggregates are in `oracle_history`, scalars in `oracle_values`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from typing import Any

from tailorbird.base.numbers import SCALE, divide_half_even
from tailorbird.base.time import DAY, from_micros
from tailorbird.events.event import Event, written_traits
from tailorbird.language import decay, interests, tree
from tailorbird.language.accumulators import LATEST_CAP
from tailorbird.language.calendar import day_of, is_zone, zone_of
from tailorbird.language.needs import Interest, PointsScore
from tailorbird.language.oracle_history import Aggregation, cap_of
from tailorbird.language.oracle_values import (
    ARITHMETIC,
    compare_ordered,
    compare_values,
    instant_of,
    lower_text,
    matches,
    negative,
)
from tailorbird.language.values import (
    Lapse,
    Moment,
    Value,
    event_property,
    from_json,
    lookup,
)

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}


@dataclass(frozen=True, slots=True)
class Known:
    """An event with the instant from which on it is known (microseconds UTC)."""

    known_at: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What is given beside the history.

    `traits` and `context` are raw JSON and lose to any event. `event` is the trigger
    {name, message_id, timestamp, properties}. `predictions` go by (kind, name).
    """

    traits: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    timezone: str = "UTC"
    event: Mapping[str, Any] | None = None
    segments: Mapping[str, tree.Node] = field(default_factory=dict)
    scores: Mapping[str, tree.Node | PointsScore] = field(default_factory=dict)
    interests: Mapping[str, Interest] = field(default_factory=dict)
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    predictions: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    latest_cap: int = LATEST_CAP


def value_at(
    node: tree.Node, history: Sequence[Known], now: int, person: Person | None = None
) -> Value:
    """Return the value of an expression at `now` (microseconds UTC), as known then.

    A condition gives True or False, everything else a value of the language or None (missing).
    """
    events = [known.event for known in history if known.known_at <= now]
    events.sort(key=lambda event: (event.timestamp, event.order))
    return _Moment(events, now, person or Person()).value(node)


def value_in(node: tree.Node, item: Mapping[str, Any], now: int) -> Value:
    """Return the value of a filter's expression for one plain JSON object, nobody's yet."""
    moment = _Moment([], now, Person())
    moment.look_at(item)
    return moment.value(node)


class _Moment:
    """One person at one instant."""

    def __init__(self, events: list[Event], now: int, person: Person) -> None:
        self.events = events
        self.now = now
        self.person = person
        self._asking: tuple[tuple[str, str], ...] = ()
        # The event, and the item of a list on it, that a filter looks at.
        self._filtered: tuple[Event | None, Any] | None = None

    def look_at(self, item: Any) -> None:
        """Let properties be those of a JSON object."""
        self._filtered = (None, item)

    def truth(self, node: tree.Node) -> bool:
        """Say whether a condition holds; what is missing does not."""
        return self.value(node) is True

    def value(self, node: tree.Node) -> Value:
        """Return the value of any node."""
        match node:
            case tree.Number():
                return node.scaled
            case tree.Text() | tree.Boolean():
                return node.value
            case tree.DurationValue():
                # Months alone are no exact span; `compare` adds them to an instant instead.
                return None if node.duration.months else Lapse(node.duration.micros)
            case tree.Instant():
                return Moment(node.micros)
            case tree.ListRef():
                return tuple(self.person.lists.get(node.name, ()))
            case tree.Path() | tree.Property():
                return self._path(node)
            case tree.Aggregate():
                return self._aggregation(node).value()
            case tree.Named():
                return self._named(node)
            case tree.Call():
                return self._call(node)
            case tree.Negate():
                return negative(self.value(node.value))
            case tree.Arithmetic():
                return ARITHMETIC[node.op](self.value(node.left), self.value(node.right))
        return self._condition(node)

    def _condition(self, node: tree.Node) -> bool:
        match node:
            case tree.And():
                return all(self.truth(part) for part in node.parts)
            case tree.Or():
                return any(self.truth(part) for part in node.parts)
            case tree.Not():
                return not self.truth(node.part)
            case tree.InSegment():
                inner = self.person.segments.get(node.name)
                return inner is not None and self._once(("segment", node.name), inner) is True
            case tree.IsNull():
                return (self.value(node.value) is None) is not node.is_negated
            case tree.Compare():
                return self.compare(node.op, node.left, node.right)
            case tree.Between():
                return self._is_between(node)
            case tree.In():
                return self._is_in(node)
            case tree.Match():
                found = matches(node.op, self.value(node.left), self.value(node.right))
                return found is not None and found is not node.is_negated
        raise AssertionError(f"no meaning for {type(node).__name__}")

    # -- comparisons -----------------------------------------------------------------------------

    def compare(
        self, op: str, left: tree.Node, right: tree.Node, others: tuple[tree.Node, ...] = ()
    ) -> bool:
        """Compare two nodes; False where one is missing or the types differ.

        `others` are further constants that the left side is compared with.
        """
        if isinstance(right, tree.Aggregate) and not isinstance(left, tree.Aggregate):
            return self.compare(_FLIPPED[op], right, left, others)
        if _has_months(left) and not _has_months(right):
            return self.compare(_FLIPPED[op], right, left, others)
        if isinstance(right, tree.DurationValue) and right.duration.months:
            lapse = self.value(left)
            is_age = isinstance(left, (tree.Aggregate, tree.Call))
            if not isinstance(lapse, Lapse) or not is_age:
                return False
            return compare_values(op, self.now, right.duration.after(self.now - lapse))
        if isinstance(left, tree.Aggregate):
            if left.kind in ("avg", "rate") and isinstance(right, tree.Number):
                ratio = self._aggregation(left).exact_ratio()
                return ratio is not None and compare_ordered(op, ratio, Fraction(right.scaled))
            value = self._aggregation(left, (right, *others)).value()
            return compare_values(op, value, self.value(right))
        return compare_values(op, self.value(left), self.value(right))

    def _is_between(self, node: tree.Between) -> bool:
        value, ends = node.value, (node.low, node.high)
        is_above = self.compare(">=", value, node.low, ends)
        is_below = self.compare("<=", value, node.high, ends)
        if not node.is_negated:
            return is_above and is_below
        # Neither side may be missing or of another type: one of the two orders holds for each.
        low_known = is_above or self.compare("<", value, node.low, ends)
        high_known = is_below or self.compare(">", value, node.high, ends)
        return low_known and high_known and not (is_above and is_below)

    def _is_in(self, node: tree.In) -> bool:
        value = self.value(node.value)
        if isinstance(node.value, tree.Aggregate):
            value = self._aggregation(node.value, node.options).value()
        if value is None or isinstance(value, tuple):
            return False
        options: list[Value] = []
        for option in node.options:
            if isinstance(option, tree.ListRef):
                # An empty list still holds texts only.
                if type(value) is not str:
                    return False
                return (value in self.person.lists.get(option.name, ())) is not node.is_negated
            options.append(self.value(option))
        same = [option for option in options if type(option) is type(value)]
        return bool(same) and (value in same) is not node.is_negated

    # -- what a node reads -----------------------------------------------------------------------

    def _aggregation(
        self, node: tree.Aggregate, compared_with: Sequence[tree.Node] = ()
    ) -> Aggregation:
        cap = cap_of(node, compared_with, self.person.latest_cap)
        return Aggregation(node, self.events, self.now, holds=self._holds, cap=cap)

    def _holds(self, where: tree.Node, event: Event, item: Any) -> bool:
        known, self._filtered = self._filtered, (event, item)
        found = self.truth(where)
        self._filtered = known
        return found

    def _path(self, node: tree.Path | tree.Property) -> Value:
        if isinstance(node, tree.Property):
            if self._filtered is None:
                return None
            event, item = self._filtered
            if item is not None or event is None:
                return from_json(lookup(item, node.parts))
            return from_json(event_property(event.properties, event.context, node.parts))
        match node.root:
            case "traits":
                return from_json(lookup(self.trait(node.parts[0]), node.parts[1:]))
            case "event":
                return self._trigger(node.parts)
            case "context":
                return from_json(lookup(self.context(), node.parts))
        return from_json(lookup(self.context(), (node.root, *node.parts)))

    def _trigger(self, parts: tuple[str, ...]) -> Value:
        event = self.person.event
        if not event:
            return None
        if parts == ("timestamp",):
            at = event.get("timestamp")
            return Moment(at) if isinstance(at, int) else None
        if parts[0] in event:
            return from_json(lookup(event, parts))
        return from_json(lookup(event.get("properties"), parts))

    def trait(self, name: str) -> Any:
        """Return a trait's raw value: of the latest call that writes it, else as given."""
        for event in reversed(self.events):
            written = written_traits(event)
            if name in written:
                return written[name]
        return self.person.traits.get(name)

    def context(self) -> Mapping[str, Any]:
        """Return the context of the latest event that carries one, else as given."""
        for event in reversed(self.events):
            if event.context:
                return event.context
        return self.person.context

    def timezone(self) -> str:
        """Return the person's time zone: the trait where it names one, else as given."""
        own = self.trait("timezone")
        return own if isinstance(own, str) and is_zone(own) else self.person.timezone

    def _named(self, node: tree.Named) -> Value:
        if node.kind == "interest":
            return self._interest(node)
        if node.kind != "score":
            return from_json(self.person.predictions.get((node.kind, node.name)))
        score = self.person.scores.get(node.name)
        if isinstance(score, PointsScore):
            return self._points(score)
        return None if score is None else self._once(("score", node.name), score)

    def _interest(self, node: tree.Named) -> Value:
        interest = self.person.interests.get(node.name)
        if interest is None:
            return None
        given: list[tuple[int, int, str]] = []
        for name, points, where, path in interest.points:
            selector = tree.Selector(event=name, path=path, where=where)
            latest = tree.Aggregate(kind="favourite", selectors=(selector,))
            for event in self._aggregation(latest).selected(selector):
                value = from_json(event_property(event.properties, event.context, path))
                given += [(event.timestamp, points, one) for one in interests.texts_of(value)]
        if node.of:
            return interests.weight_at(given, interest.half_life, node.of, self.now)
        weights = interests.order_of(given, interest.half_life)
        return max(sorted(weights), key=lambda one: weights[one]) if weights else None

    def _points(self, score: PointsScore) -> int:
        """All points are added up exactly and rounded once, to nine places."""
        given = [
            (event.timestamp, points)
            for name, points, where in score.points
            for event in self.events
            if event.name == name and (where is None or self._holds(where, event, None))
        ]
        if score.is_pooled:
            return _pooled(given, score, self.now)
        if score.half_life:
            return _decayed(given, score.half_life, self.now)
        return sum(points for _, points in given)

    def _once(self, place: tuple[str, str], inner: tree.Node) -> Value:
        # A definition that refers to itself is refused by `types`; here it is missing.
        if place in self._asking:
            return None
        asking, self._asking = self._asking, (*self._asking, place)
        found = self.value(inner)
        self._asking = asking
        return found

    # -- functions -------------------------------------------------------------------------------

    def _call(self, node: tree.Call) -> Value:
        values = [self.value(argument) for argument in node.arguments]
        match node.name:
            case "now":
                return Moment(self.now)
            case "coalesce":
                return next((value for value in values if value is not None), None)
            case "lower":
                return lower_text(values[0])
            case "length":
                value = values[0]
                return len(value) * SCALE if isinstance(value, (str, tuple)) else None
            case "age":
                born = instant_of(values[0])
                return None if born is None else Lapse(self.now - born)
            case "anniversary":
                return self._is_anniversary(values[0])
        return self._calendar_part(node.name, values[0] if values else Moment(self.now))

    def _calendar_part(self, name: str, at: Value) -> Value:
        if not isinstance(at, Moment):
            return None
        local = from_micros(at).astimezone(zone_of(self.timezone()))
        match name:
            case "hour":
                return local.hour * SCALE
            case "weekday":
                return local.isoweekday() * SCALE
            case "month":
                return local.month * SCALE
        return local.date().isoformat()

    def _is_anniversary(self, value: Value) -> bool:
        day = day_of(value)
        if day is None:
            return False
        today = from_micros(self.now).astimezone(zone_of(self.timezone())).date()
        is_leap_day_kept = (
            (day.month, day.day) == (2, 29)
            and (today.month, today.day) == (2, 28)
            and (today + timedelta(days=1)).day == 1
        )
        return (today.month, today.day) == (day.month, day.day) or is_leap_day_kept


def _pooled(given: list[tuple[int, int]], score: PointsScore, now: int) -> int:
    """Return the points of each UTC day, capped, faded from the day's end."""
    total = 0
    fading: list[tuple[int, int]] = []
    for day in {timestamp // DAY for timestamp, _ in given}:
        points = sum(points for timestamp, points in given if timestamp // DAY == day)
        if score.cap_per_day is not None:
            points = min(points, score.cap_per_day)
        end = (day + 1) * DAY
        if score.fades_over is not None:
            left = score.fades_over - max(now - end, 0)
            total += points * max(left, 0)
        elif now <= end:
            total += points
        else:
            fading.append((end, points))
    if score.fades_over is not None:
        return divide_half_even(total, score.fades_over)
    return total + _decayed(fading, score.half_life or 0, now)


def _decayed(given: list[tuple[int, int]], half_life: int, now: int) -> int:
    """Return the sum of points x 2^((t - now) / half-life), half-lives counted in table steps."""
    newest, weight_now = decay.weigh(now, half_life)
    oldest = newest - decay.KEPT
    total = 0
    for timestamp, points in given:
        index, weight = decay.weigh(timestamp, half_life)
        if index >= oldest:
            total += points * weight * 2 ** (index - oldest)
    return divide_half_even(total, weight_now * 2**decay.KEPT)


def _has_months(node: tree.Node) -> bool:
    return isinstance(node, tree.DurationValue) and node.duration.months > 0
