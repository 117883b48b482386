"""Aggregates by definition: filter the whole history, take the latest N, apply the window.

Slow and plain on purpose: this is what the compiled form must equal. `oracle` asks it; it asks back
for the truth of a filter on one event through `Filter`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from tailorbird.base.numbers import SCALE, divide, divide_half_even
from tailorbird.base.time import Duration
from tailorbird.events.event import Event
from tailorbird.language import tree
from tailorbird.language.values import Lapse, Value, event_property, from_json

# Whether a filter holds for an event, or for one item of a list on it.
Filter = Callable[[tree.Node, Event, Any], bool]

# Without a window these are taken over all matching events: plain numbers that need no list.
_EXEMPT = ("count", "sum", "avg", "rate", "min", "max", "first", "last")
_COUNTING = ("count", "most", "distinct")


class Aggregation:
    """One aggregate over the events known at `now`, which lie in the total order."""

    def __init__(
        self,
        node: tree.Aggregate,
        events: Sequence[Event],
        now: int,
        *,
        holds: Filter,
        cap: int,
    ) -> None:
        self.node = node
        self.now = now
        self._events = events
        self._holds = holds
        self._cap = cap

    def value(self) -> Value:
        """Return the aggregate's value; None where it is missing."""
        node, selector = self.node, self.node.selectors[0]
        match node.kind:
            case "count":
                return sum(self._item_count(selector, e) for e in self.selected(selector)) * SCALE
            case "any":
                return bool(self.selected(selector))
            case "none":
                return not self.selected(selector)
            case "sum":
                return sum(self._numbers(selector))
            case "avg":
                numbers = self._numbers(selector)
                return divide_half_even(sum(numbers), len(numbers)) if numbers else None
            case "min":
                return min(self._numbers(selector), default=None)
            case "max":
                return max(self._numbers(selector), default=None)
            case "rate":
                ups, downs = (len(self.selected(one)) for one in node.selectors)
                return divide(ups * SCALE, downs * SCALE)
        return self._value_of_history()

    def _value_of_history(self) -> Value:
        node, selector = self.node, self.node.selectors[0]
        found = self.selected(selector)
        match node.kind:
            case "first":
                return _value_on(found[0], selector.path) if found else None
            case "last":
                return _value_on(found[-1], selector.path) if found else None
            case "since":
                return Lapse(self.now - found[-1].timestamp) if found else None
            case "distinct":
                return len(set(map(_keyed, self._values(found, selector.path)))) * SCALE
            case "most":
                keys = [_keyed(value) for value in self._values(found, node.by)]
                return max((keys.count(key) for key in set(keys)), default=0) * SCALE
            case "favourite":
                return self._favourite(list(self._values(found, selector.path)))
            case "abandoned":
                return self._is_abandoned()
        return self._is_sequence()

    def exact_ratio(self) -> Fraction | None:
        """Return `avg` (in scaled units) or `rate` (times the scale) without rounding."""
        if self.node.kind == "avg":
            numbers = self._numbers(self.node.selectors[0])
            return Fraction(sum(numbers), len(numbers)) if numbers else None
        ups, downs = (len(self.selected(one)) for one in self.node.selectors)
        return Fraction(ups * SCALE, downs) if downs else None

    # -- events ----------------------------------------------------------------------------------

    def selected(self, selector: tree.Selector) -> list[Event]:
        """Return the events of an argument: matching, among the latest N, inside the window."""
        node = self.node
        window = node.over if node.kind in ("abandoned", "followed", "sequence") else node.within
        found = [event for event in self._events if self._matches(selector, event)]
        if window is not None or node.kind not in _EXEMPT:
            found = found[-self._cap :]
        return [
            event for event in found if window is None or self.now < window.after(event.timestamp)
        ]

    def _matches(self, selector: tree.Selector, event: Event) -> bool:
        if event.name != selector.event:
            return False
        if self._looks_at_items(selector):
            return self._item_count(selector, event) > 0
        return selector.where is None or self._holds(selector.where, event, None)

    def _looks_at_items(self, selector: tree.Selector) -> bool:
        return bool(selector.path) and self.node.kind in ("any", "none", "count")

    def _item_count(self, selector: tree.Selector, event: Event) -> int:
        if not self._looks_at_items(selector):
            return 1
        raw = event_property(event.properties, event.context, selector.path)
        items = raw if isinstance(raw, list) else [raw]
        where = selector.where
        return sum(
            item is not None and (where is None or self._holds(where, event, item))
            for item in items
        )

    # -- values ----------------------------------------------------------------------------------

    def _numbers(self, selector: tree.Selector) -> list[int]:
        values = self._values(self.selected(selector), selector.path)
        return [value for value in values if type(value) is int]

    def _values(self, events: Iterable[Event], path: tuple[str, ...]) -> Iterator[Value]:
        for event in events:
            yield from _each(_value_on(event, path))

    def _favourite(self, values: list[Value]) -> Value:
        best: Value = None
        best_count = 0
        # From the latest back: of equals the value that occurred latest is met first.
        for value in reversed(values):
            count = sum(_keyed(other) == _keyed(value) for other in values)
            if count > best_count:
                best, best_count = value, count
        return best

    # -- chains ----------------------------------------------------------------------------------

    def _is_abandoned(self) -> bool:
        after = self.node.after or Duration()
        firsts, thens = (self.selected(selector) for selector in self.node.selectors)
        for key in self._keys(firsts):
            mine = [event for event in firsts if self._has_key(event, key)]
            latest = mine[-1]
            is_answered = any(
                _place(event) > _place(latest) for event in thens if self._has_key(event, key)
            )
            if not is_answered and self.now >= after.after(latest.timestamp):
                return True
        return False

    def _is_sequence(self) -> bool:
        steps = [self.selected(selector) for selector in self.node.selectors]
        return any(
            self._has_chain([[e for e in step if self._has_key(e, key)] for step in steps], ())
            for key in self._keys(steps[0])
        )

    def _has_chain(self, steps: list[list[Event]], chain: tuple[Event, ...]) -> bool:
        """Say whether the chain can be carried on by one event of each step.

        The earliest event that fits is as good as any later one, except for the first.
        """
        if len(chain) == len(steps):
            span = self.node.within
            return span is None or chain[-1].timestamp <= span.after(chain[0].timestamp)
        if not chain:
            return any(self._has_chain(steps, (event,)) for event in steps[0])
        fitting = [event for event in steps[len(chain)] if _place(event) > _place(chain[-1])]
        return bool(fitting) and self._has_chain(steps, (*chain, fitting[0]))

    def _keys(self, events: Iterable[Event]) -> set[Any]:
        if not self.node.by:
            return {None} if events else set()
        return {_keyed(value) for value in self._values(events, self.node.by)}

    def _has_key(self, event: Event, key: Any) -> bool:
        return not self.node.by or key in map(_keyed, _each(_value_on(event, self.node.by)))


def cap_of(node: tree.Aggregate, others: Sequence[tree.Node], cap: int) -> int:
    """Return N for an aggregate that is compared with `others`: k + 1 where k is larger."""
    if node.kind not in _COUNTING:
        return cap
    constants = [other.scaled // SCALE for other in others if isinstance(other, tree.Number)]
    return max([cap, *(constant + 1 for constant in constants)])


def _place(event: Event) -> tuple[int, int]:
    return event.timestamp, event.order


def _value_on(event: Event, path: tuple[str, ...]) -> Value:
    return from_json(event_property(event.properties, event.context, path))


def _each(value: Value) -> tuple[Value, ...]:
    """Return the elements of a list, or the one value there is."""
    values = value if isinstance(value, tuple) else (value,)
    return tuple(item for item in values if item is not None)


def _keyed(value: Value) -> tuple[type, Value]:
    # True equals 1 in Python, not in the language.
    return type(value), value
