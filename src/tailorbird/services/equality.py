"""Whether segments, scores and interests are as their definitions say, reckoned another way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tailorbird.base.time import format_micros
from tailorbird.events.event import Event
from tailorbird.language import tree
from tailorbird.language.oracle import Known, Person, value_at
from tailorbird.language.values import Value
from tailorbird.services.explain import public_profile_id

# Key of the last report in the control store.
EQUALITY = "equality"
SHOWN = 10
WAREHOUSE, ORACLE = "warehouse", "interpreter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What reckoning one segment anew came to, over `people` of a sample.

    `missing` are those who should be members and are not, `extra` the reverse. `judge` says who
    reckoned: the warehouse, or the plain interpreter where a warehouse cannot be asked.
    """

    segment: str
    judge: str
    people: int
    members: int
    missing: tuple[int, ...]
    extra: tuple[int, ...]


def verdict(
    segment: str, judge: str, people: Iterable[int], live: set[int], reckoned: set[int]
) -> Verdict:
    """Compare members as they are with members as they should be, among `people`."""
    asked = set(people)
    live, reckoned = live & asked, reckoned & asked
    return Verdict(
        segment=segment,
        judge=judge,
        people=len(asked),
        members=len(reckoned),
        missing=tuple(sorted(reckoned - live)),
        extra=tuple(sorted(live - reckoned)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueVerdict:
    """What reckoning a score, or the heaviest value of an interest, came to over a sample.

    `unequal` are those whose live value is another one.
    """

    kind: str  # score, interest
    name: str
    judge: str
    people: int
    unequal: tuple[int, ...]


def value_verdict(
    kind: str, name: str, judge: str, live: Mapping[int, Value], reckoned: Mapping[int, Value]
) -> ValueVerdict:
    """Compare values as they are with values as they should be; who is not in one has none."""
    unequal = (one for one, value in live.items() if value != reckoned.get(one))
    return ValueVerdict(
        kind=kind, name=name, judge=judge, people=len(live), unequal=tuple(sorted(unequal))
    )


def reckon(
    node: tree.Node,
    given: Person,
    histories: Mapping[int, Sequence[Event]],
    instants: Mapping[int, int],
) -> dict[int, Value]:
    """Return what an expression comes to for everybody by the plain interpreter.

    Args:
        node: The expression.
        given: What it may refer to.
        histories: By profile id what they did; all of it is known when they are asked.
        instants: By profile id, when it is asked; microseconds UTC.
    """
    found = {}
    for profile_id, at in instants.items():
        history = [Known(event.timestamp, event) for event in histories.get(profile_id, ())]
        found[profile_id] = value_at(node, history, at, given)
    return found


def report_of(
    verdicts: Sequence[Verdict], values: Sequence[ValueVerdict], at: int, seconds: float
) -> dict[str, Any]:
    """Return a report as JSON: people, missing, extra, unequal and mismatch, in all and by name."""
    missing = sum(len(one.missing) for one in verdicts)
    extra = sum(len(one.extra) for one in verdicts)
    unequal = sum(len(one.unequal) for one in values)
    return {
        "at": format_micros(at),
        "seconds": round(seconds, 1),
        "people": max([*(one.people for one in verdicts), *(one.people for one in values), 0]),
        "missing": missing,
        "extra": extra,
        "unequal": unequal,
        "mismatch": missing + extra + unequal,
        "segments": [
            {
                **asdict(one),
                "missing": len(one.missing),
                "extra": len(one.extra),
                "examples": _examples((*one.missing, *one.extra)),
            }
            for one in verdicts
        ],
        "values": [
            {**asdict(one), "unequal": len(one.unequal), "examples": _examples(one.unequal)}
            for one in values
        ],
    }


def _examples(people: Sequence[int]) -> list[str]:
    return [public_profile_id(one) for one in people[:SHOWN]]
