"""Ask an expression about a plain list of events: by the oracle, by the compiled form, over time.

For trials, tests and notebooks; the reducer keeps the compiled form live.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from tailorbird.base.names import snake_case
from tailorbird.base.numbers import scaled, unscaled
from tailorbird.base.time import EARLIEST, LATEST, from_micros
from tailorbird.language import tree
from tailorbird.language.calendar import is_zone
from tailorbird.language.errors import ExpressionError
from tailorbird.language.gliding import is_gliding
from tailorbird.language.history import canonical, read_history, read_instant
from tailorbird.language.needs import Interest, PointsScore
from tailorbird.language.oracle import Person, value_at
from tailorbird.language.parser import parse
from tailorbird.language.scope import Scope, find_cycle
from tailorbird.language.stream import Stream
from tailorbird.language.types import check
from tailorbird.language.values import Lapse, Moment, Value

Events = Sequence[Mapping[str, Any]]
Instant = str | datetime | int


class Given(TypedDict, total=False):
    """What may be given beside the events; see `evaluate`."""

    traits: Mapping[str, Any] | None
    context: Mapping[str, Any] | None
    timezone: str
    segments: Mapping[str, str | tree.Node] | None
    scores: Mapping[str, Any] | None
    interests: Mapping[str, Any] | None
    lists: Mapping[str, Sequence[str]] | None
    predictions: Mapping[str, Any] | None
    clusters: Mapping[str, Any] | None
    event: Mapping[str, Any] | None


def evaluate(text: str, events: Events, now: Instant, **given: Unpack[Given]) -> Any:
    """Evaluate an expression over a list of events by the oracle, as known at `now`.

    Args:
        text: The expression.
        events: Events in the Segment shape; `type` is "track" where absent. Without `receivedAt`
            an event is known at its timestamp; without `messageId` list position breaks ties.
        now: RFC 3339 text, datetime or integer microseconds UTC.
        **given: `traits`, `context` (JSON, lose to any event), `timezone` (default "UTC", loses to
            a trait of that name), `segments` and `scores` (name -> expression), `lists`
            (name -> texts), `predictions`, `clusters` (name -> value), `event` (the trigger).

    Returns:
        True or False for a condition; int, float or Decimal, str, list, timedelta, datetime, or
        None for a missing value.

    Raises:
        ExpressionError: the expression is wrong; `line` and `column` tell where.
        ValueError: an argument cannot be read; the text names index and field.

    Example:
        >>> orders = [{"event": "Order Completed", "timestamp": "2026-01-31T10:00:00Z"}]
        >>> evaluate("count(order_completed within 30d)", orders, "2026-02-01")
        1
    """
    node, person = read_question(text, given)
    return plain(value_at(node, read_history(events), read_instant(now, "now"), person))


def evaluate_streaming(text: str, events: Events, now: Instant, **given: Unpack[Given]) -> Any:
    """Evaluate as `evaluate` does, by the compiled accumulators.

    Events are fed in list order, each at the running maximum of what is known; those known after
    `now` are not fed.
    """
    node, person = read_question(text, given)
    until = read_instant(now, "now")
    stream = Stream(node, person)
    clock = EARLIEST
    for known in read_history(events):
        if known.known_at <= until:
            clock = max(clock, known.known_at)
            stream.feed(known, clock)
    return plain(stream.ask(until)[0])


def changes(
    text: str,
    events: Events,
    *,
    until: Instant,
    since: Instant | None = None,
    **given: Unpack[Given],
) -> list[datetime]:
    """List the instants at which the value of an expression changes, up to and including `until`.

    Works through the compiled form: records one after the other as they become known, and between
    them the deadlines that it announces. Before the first record stands the value for the empty
    history. With `since` the list begins there.

    Raises:
        ExpressionError: the expression is wrong, or its value changes all the time.
        ValueError: an argument cannot be read.
    """
    node, person = read_question(text, given)
    if is_gliding(node, Scope(scores=person.scores, interests=person.interests)):
        raise ExpressionError(
            "the value changes all the time",
            text=text,
            length=len(text),
            mend="Compare it with a constant, for example: since(order_completed) > 30d",
        )
    end = read_instant(until, "until")
    start = None if since is None else read_instant(since, "since")
    history = sorted(read_history(events), key=lambda known: known.known_at)
    history = [known for known in history if known.known_at <= end]
    begin = [at for at in (start, history[0].known_at if history else None) if at is not None]
    if not begin:
        return []
    found = Stream(node, person).changes(history, min(begin), end)
    return [from_micros(at) for at in found if start is None or at >= start]


def plain(value: Value) -> Any:
    """Return a value of the language as plain Python."""
    if isinstance(value, Moment):
        return from_micros(min(max(value, EARLIEST), LATEST))
    if isinstance(value, Lapse):
        return timedelta(microseconds=value)
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return unscaled(value) if type(value) is int else value


def read_question(text: str, given: Given) -> tuple[tree.Node, Person]:
    """Return the checked tree and what is given beside the events; raises as `evaluate` does."""
    unknown = sorted(set(given) - set(Given.__annotations__))
    if unknown:
        known = ", ".join(Given.__annotations__)
        raise TypeError(f"unknown argument '{unknown[0]}'; known are {known}")
    timezone = given.get("timezone", "UTC")
    if not is_zone(timezone):
        raise ValueError(f"timezone is {timezone!r}, which is no IANA name such as Europe/Berlin")
    segments = {
        name: _node(part, f"segment '{name}'")
        for name, part in (given.get("segments") or {}).items()
    }
    scores = {name: _score(name, part) for name, part in (given.get("scores") or {}).items()}
    interests = {
        name: interest_of(name, part) for name, part in (given.get("interests") or {}).items()
    }
    lists = given.get("lists") or {}
    predictions = {
        (kind, name): canonical(value)
        for kind, values in (
            ("prediction", given.get("predictions") or {}),
            ("cluster", given.get("clusters") or {}),
        )
        for name, value in values.items()
    }
    node = parse(text)
    scope = Scope(
        place="journey", segments=segments, scores=scores, lists=lists, interests=interests
    )
    _, problems = check(node, scope, text)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise ExpressionError.at_problem(errors[0], text)
    _refuse_cycles(segments, scores)
    person = Person(
        traits=canonical(given.get("traits") or {}),
        context=canonical(given.get("context") or {}),
        timezone=timezone,
        event=_trigger(given.get("event")),
        segments=segments,
        scores=scores,
        interests=interests,
        lists={name: tuple(map(canonical, items)) for name, items in lists.items()},
        predictions=predictions,
    )
    return node, person


def _refuse_cycles(
    segments: Mapping[str, tree.Node], scores: Mapping[str, tree.Node | PointsScore]
) -> None:
    places = [("segment", name) for name in segments] + [("score", name) for name in scores]
    for place in places:
        way = find_cycle(place, segments, scores)
        if way:
            raise ExpressionError(
                f"{place[0]} '{place[1]}' refers to itself: {' -> '.join(way)}",
                mend="Take the common part out into a definition of its own.",
            )


def _node(given: Any, what: str) -> tree.Node:
    if isinstance(given, tree.Node):
        return given
    if isinstance(given, bool):
        return tree.Boolean(value=given)
    number = scaled(given)
    if number is not None:
        return tree.Number(scaled=number)
    if not isinstance(given, str):
        raise ValueError(f"{what} is of type {type(given).__name__}, not an expression")
    try:
        return parse(given)
    except ExpressionError as error:
        error.add_note(f"in {what}")
        raise


def _score(name: str, given: Any) -> tree.Node | PointsScore:
    """A score is an expression, or points per event.

    The latter as {"points": [{"event", "points", "where"}], "half_life" or "linear_decay": "7d",
    "cap_per_day": 50}.
    """
    if isinstance(given, PointsScore):
        return given
    if not isinstance(given, Mapping):
        return _node(given, f"score '{name}'")
    points = []
    for item in given.get("points", ()):
        number = scaled(item.get("points"))
        if number is None:
            raise ValueError(f"score '{name}': points is {item.get('points')!r}, not a number")
        where = item.get("where")
        points.append(
            (
                snake_case(str(item.get("event"))),
                number,
                parse(where, in_where=True) if isinstance(where, str) else where,
            )
        )
    score = PointsScore(
        points=tuple(points),
        half_life=_span(name, given, "half_life"),
        fades_over=_span(name, given, "linear_decay"),
        cap_per_day=scaled(given.get("cap_per_day")),
    )
    if score.half_life is not None and score.fades_over is not None:
        raise ValueError(f"score '{name}': give half_life or linear_decay, not both")
    if score.cap_per_day is not None and not score.glides:
        raise ValueError(f"score '{name}': cap_per_day needs half_life or linear_decay")
    return score


def interest_of(name: str, given: Any) -> Interest:
    """Read {"by": PATH, "points": [{"event", "points", "where", "by"}], "half_life": "30d"}."""
    if isinstance(given, Interest):
        return given
    score = _score(name, given)
    if not isinstance(score, PointsScore) or score.is_pooled:
        raise ValueError(f"interest '{name}': give points, and half_life if they are to fade")
    paths = [item.get("by") or given.get("by") for item in given.get("points", ())]
    for path in paths:
        if not isinstance(path, str) or not path:
            raise ValueError(f"interest '{name}': by is {path!r}; name a property, e.g. category")
    return Interest(
        points=tuple(
            (*points, tuple(path.split(".")))
            for points, path in zip(score.points, paths, strict=True)
        ),
        half_life=score.half_life,
    )


def _span(name: str, score: Mapping[str, Any], key: str) -> int | None:
    given = score.get(key)
    if given is None:
        return None
    node = parse(given) if isinstance(given, str) else None
    if not isinstance(node, tree.DurationValue) or not node.duration.micros:
        raise ValueError(f"score '{name}': {key} is {given!r}; write it like 7d, without months")
    return node.duration.micros


def _trigger(given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if given is None:
        return None
    event = read_history([given])[0].event
    return {
        "name": event.name,
        "message_id": event.message_id,
        "timestamp": event.timestamp,
        "properties": event.properties,
    }
