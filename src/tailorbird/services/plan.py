"""A plan: what making some definitions live would do, in numbers, with a name to apply it by.

`bootstrap.plan` gathers the parts from a data folder; here they become one document.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailorbird.base.hashing import hash_text
from tailorbird.base.problems import Problem
from tailorbird.base.time import format_micros
from tailorbird.ports.control_store import ControlStore
from tailorbird.services.backtest import Tally
from tailorbird.services.forecast import Ahead, Forecast
from tailorbird.services.template_trial import Trial
from tailorbird.workspace.differences import FORWARD, NONE, REWRITES, Difference

PREFIX = "plan:"
PLANS_MAX = 20
_REACHES = (NONE, FORWARD, REWRITES)

# How a person is known, for samples: (kind, value) pairs.
Known = Callable[[int], Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that a plan tells."""

    base: str | None  # the live version
    version: str  # the one that would go live
    offset: int  # of the log
    now: int
    differences: Sequence[Difference]
    files_before: Mapping[str, str]
    files: Mapping[str, str]
    forecast: Forecast
    problems: Sequence[Problem]
    trials: Sequence[Trial]
    past_days: int
    past: Tally | None  # what the draft would have sent in those days
    past_before: Tally | None  # what the live version would have


def plan_of(found: Findings, known: Known) -> dict[str, Any]:
    """Return a plan as plain JSON values; effects stand first, the texts last."""
    changed = {one.name for one in found.differences if one.kind == "segment"}
    crossings = {
        name: one
        for name, one in sorted(found.forecast.segments.items())
        if one.entering or one.leaving or name in changed
    }
    reach = max((one.reach for one in found.differences), key=_REACHES.index, default=NONE)
    body: dict[str, Any] = {
        "base": found.base,
        "version": found.version,
        "offset": found.offset,
        "at": format_micros(found.now),
        "reach": reach,
        "people": found.forecast.people,
        "in_a_merge": found.forecast.waiting,
        "segments": {
            name: {
                "before": one.before,
                "after": one.after,
                "entering": one.entering,
                "leaving": one.leaving,
                "entering_sample": [_person(who, known) for who in one.entering_sample],
                "leaving_sample": [_person(who, known) for who in one.leaving_sample],
            }
            for name, one in crossings.items()
        },
        "journeys": {
            name: {
                "inside": one.people,
                "go_on": one.go_on,
                "finish_former": one.finish_former,
                "leave": one.leave,
                "mailed_at_once": one.mailed_at_once,
            }
            for name, one in sorted(found.forecast.journeys.items())
        },
        "ahead": _ahead(found.forecast.ahead_before, found.forecast.ahead),
        "clashes": [
            {"profile": _person(who, known), "day": day, "journeys": list(journeys)}
            for _, who, day, journeys in found.forecast.ahead.crowded
        ],
        "past": _past(found),
        "templates": [one.to_json() for one in found.trials],
        "problems": [one.to_json() for one in found.problems],
        "changes": [
            {"kind": one.kind, "name": one.name, "what": one.what, "reach": one.reach}
            for one in found.differences
        ],
        "text": list(text_differences(found.files_before, found.files)),
    }
    body["plan"] = hash_text("plan", json.dumps(body, sort_keys=True))[:12]
    return body


def _person(profile_id: int, known: Known) -> dict[str, Any]:
    names = [f"{kind}:{value}" for kind, value in known(profile_id)]
    return {"id": f"p_{profile_id:016x}", "known_as": names[:3]}


def _ahead(before: Ahead, after: Ahead) -> dict[str, Any]:
    def sums(ahead: Ahead, name: str) -> dict[str, int]:
        return {
            "entering": ahead.entered.get(name, Counter()).total(),
            "leaving": ahead.left.get(name, Counter()).total(),
        }

    segments = sorted({*before.entered, *before.left, *after.entered, *after.left})
    journeys = sorted({*before.messages, *after.messages})
    return {
        "segments": {
            name: {"live": sums(before, name), "planned": sums(after, name)} for name in segments
        },
        "messages": {
            name: {
                "live": dict(sorted(before.messages.get(name, Counter()).items())),
                "planned": dict(sorted(after.messages.get(name, Counter()).items())),
            }
            for name in journeys
        },
    }


def _past(found: Findings) -> dict[str, Any] | None:
    """Return the messages of each day that both versions would have sent."""
    if found.past is None or found.past_before is None:
        return None
    journeys = sorted({*found.past.messages, *found.past_before.messages})

    def by_day(tally: Tally, name: str) -> dict[str, int]:
        return dict(sorted(tally.messages.get(name, Counter()).items()))

    return {
        "days": found.past_days,
        "messages": {
            name: {"live": by_day(found.past_before, name), "planned": by_day(found.past, name)}
            for name in journeys
        },
        "same_day": [
            {"journeys": list(names), "times": times}
            for names, times in found.past.together.most_common(10)
        ],
        "crowded": [
            {"profile": f"p_{who:016x}", "week_from": day, "messages": count}
            for count, who, day in found.past.crowded
            if count > 2
        ],
    }


def text_differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a unified difference of all files that changed."""
    for path in sorted({*before, *after}):
        old, new = before.get(path, ""), after.get(path, "")
        if old != new:
            yield from difflib.unified_diff(
                old.splitlines(), new.splitlines(), f"live/{path}", f"planned/{path}", lineterm=""
            )


# -- keeping plans -------------------------------------------------------------------------------


def keep_plan(control: ControlStore, plan: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Keep a plan with its files, so that just this can be applied; the oldest are forgotten."""
    kept = sorted(
        (json.loads(text)["kept_at"], name) for name, text in control.named(PREFIX).items()
    )
    for _, name in kept[: max(0, len(kept) - PLANS_MAX + 1)]:
        control.remove(name)
    text = json.dumps({"plan": plan, "files": dict(files), "kept_at": plan["at"]})
    control.set(PREFIX + str(plan["plan"]), text)


def kept_plan(control: ControlStore, name: str) -> tuple[dict[str, Any], dict[str, str]] | None:
    """Return a kept plan and its files, by its name or the beginning of it."""
    found = [text for key, text in control.named(PREFIX + name).items() if name]
    if len(found) != 1:
        return None
    kept = json.loads(found[0])
    return kept["plan"], kept["files"]


def promises_broken(plan: Mapping[str, Any], again: Mapping[str, Any]) -> list[str]:
    """Return, in words, how a plan made again differs in what it promises."""
    found = []
    for name in sorted({*plan["segments"], *again["segments"]}):
        mine, theirs = (one["segments"].get(name) for one in (plan, again))
        for part in ("after", "entering", "leaving"):
            then = mine[part] if mine else 0
            now = theirs[part] if theirs else 0
            if then != now:
                found.append(f"segment {name}: {part} {then:,} then, {now:,} now")
    for name in sorted({*plan["journeys"], *again["journeys"]}):
        mine, theirs = (one["journeys"].get(name, {}) for one in (plan, again))
        for part in ("leave", "mailed_at_once"):
            if mine.get(part, 0) != theirs.get(part, 0):
                then, now = mine.get(part, 0), theirs.get(part, 0)
                word = part.replace("_", " ")
                found.append(f"journey {name}: {word} {then:,} then, {now:,} now")
    return found
