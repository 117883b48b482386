"""Whether live segments hold exactly those whom their conditions hold for, reckoned another way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tailorbird.base.time import format_micros
from tailorbird.events.event import Event
from tailorbird.language import tree
from tailorbird.language.oracle import Known, Person, value_at
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


def reckon(
    node: tree.Node,
    given: Person,
    histories: Mapping[int, Sequence[Event]],
    instants: Mapping[int, int],
) -> set[int]:
    """Return those for whom a condition holds by the plain interpreter.

    Args:
        node: The condition.
        given: What it may refer to.
        histories: By profile id what they did; all of it is known when they are asked.
        instants: By profile id, when it is asked; microseconds UTC.
    """
    found = set()
    for profile_id, at in instants.items():
        history = [Known(event.timestamp, event) for event in histories.get(profile_id, ())]
        if value_at(node, history, at, given) is True:
            found.add(profile_id)
    return found


def report_of(verdicts: Sequence[Verdict], at: int, seconds: float) -> dict[str, Any]:
    """Return a report as JSON: people, missing, extra and mismatch in all and by segment."""
    missing = sum(len(one.missing) for one in verdicts)
    extra = sum(len(one.extra) for one in verdicts)
    return {
        "at": format_micros(at),
        "seconds": round(seconds, 1),
        "people": max((one.people for one in verdicts), default=0),
        "missing": missing,
        "extra": extra,
        "mismatch": missing + extra,
        "segments": [
            {
                **asdict(one),
                "missing": len(one.missing),
                "extra": len(one.extra),
                "examples": [
                    public_profile_id(profile_id)
                    for profile_id in (*one.missing, *one.extra)[:SHOWN]
                ],
            }
            for one in verdicts
        ],
    }
