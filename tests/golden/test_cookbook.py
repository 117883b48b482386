"""The cookbook of segments: each has somebody inside and a near miss, by oracle and compiled form.

`cookbook.yaml` holds the people; its head tells how they are written down.
"""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
import yaml

from tailorbird.adapters.files import read_folder
from tailorbird.language import changes, evaluate, evaluate_streaming
from tailorbird.language.printer import format_expression
from tailorbird.services.publish import checked_workspace

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples"
STORIES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("cookbook.yaml").read_text())
PURPOSES = {
    path.stem: path.read_text().split("\n", 1)[0].removeprefix("# ")
    for path in sorted((FOLDER / "segments").glob("*.yaml"))
}
PAGE = ROOT / "docs" / "how-to" / "segments-cookbook.md"
AS_A_RULE = "2026-06-15T12:00:00Z"
_SPANS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_GIVEN = ("traits", "context", "predictions", "clusters")
_MOVES_WITH_TIME = re.compile(r"\b(within|since|over|after|age|anniversary|now|score|segment)\b")


def _workspace() -> Any:
    files, unreadable = read_folder(FOLDER)
    workspace, problems = checked_workspace(files)
    assert workspace is not None, problems
    assert [*unreadable, *problems] == []
    return workspace


WORKSPACE = _workspace()


def _span(text: str) -> timedelta:
    return timedelta(**{_SPANS[text[-1]]: int(text[:-1])})


class _Person:
    """One person of a story: events in the Segment shape, an instant, and what else is known."""

    def __init__(self, story: dict[str, Any], but: dict[str, Any] | None = None) -> None:
        self.text = ""
        self.now = datetime.fromisoformat(story.get("now", AS_A_RULE))
        rows = list(story.get("events", ()))
        self.given = {name: story[name] for name in _GIVEN if name in story}
        for key, value in (but or {}).items():
            match key:
                case "with":
                    rows.append(value)
                case "without":
                    del rows[value]
                case "instead":
                    rows[value[0]] = value[1]
                case "later":
                    pass
                case _:
                    assert key in _GIVEN, key
                    self.given[key] = value
        self.events = sorted(map(self._event, rows), key=lambda one: str(one["timestamp"]))
        if but and "later" in but:
            self.now += _span(but["later"])

    def _event(self, row: list[Any]) -> dict[str, Any]:
        age, name = row[:2]
        at = datetime.fromisoformat(age) if "T" in age else self.now - _span(age)
        content = row[2] if len(row) > 2 else {}
        if name == "identify":
            return {"type": "identify", "timestamp": at.isoformat(), "traits": content}
        return {"event": name, "timestamp": at.isoformat(), "properties": content}

    def ask(self, by: Any, now: datetime | None = None) -> Any:
        return by(self.text, self.events, now or self.now, **self.all_given)

    @property
    def all_given(self) -> dict[str, Any]:
        return {
            **self.given,
            "segments": {name: one.when for name, one in WORKSPACE.segments.items()},
            "scores": {name: _score(one) for name, one in WORKSPACE.scores.items()},
            "lists": WORKSPACE.lists,
        }

    def changes(self) -> list[datetime]:
        since = datetime.fromisoformat(self.events[0]["timestamp"]) if self.events else self.now
        until = self.now + timedelta(days=400)
        return changes(self.text, self.events, since=since, until=until, **self.all_given)


def _score(score: Any) -> dict[str, Any]:
    half_life = f"{score.half_life.micros // 86_400_000_000}d"
    rows = [{"event": row.event, "points": row.points // 10**9} for row in score.points]
    return {"points": rows, "half_life": half_life}


def _people(name: str) -> tuple[_Person, _Person]:
    story = STORIES[name]
    people = _Person(story), _Person(story, story["but"])
    for one in people:
        one.text = WORKSPACE.segments[name].text
    return people


def found_changes() -> dict[str, list[str]]:
    """Return what each story's `changes` should say."""
    found = {}
    for name in STORIES:
        if _MOVES_WITH_TIME.search(WORKSPACE.segments[name].text):
            instants = _people(name)[0].changes()
            found[name] = [at.isoformat().replace("+00:00", "Z") for at in instants]
    return found


_EVERYTHING = """
count any none sum avg min max first last since distinct most favourite rate abandoned followed
sequence where within over after by lower length coalesce age month anniversary now score
prediction cluster list segment timestamp like contains starts ends between in is null not and or
traits context geo weather
"""

_HEAD = """\
# Segments that marketers ask for

Copy a file of `examples/segments` into the folder `segments` of your workspace, put the names of
your own events and properties in, and run `tailorbird check`. Each of these segments has a test
with a person who is inside and one who is out by a single fact; the folder `examples` as a whole
is a workspace that loads without a warning. What the words of the conditions mean stands in
[Expressions](../reference/expressions.md).

Two things that a segment cannot ask, and what to do instead:

- *What hour or weekday is it?* Everybody would change in the same second. Ask it in a journey, or
  let the event carry it, as in [weekend-buyers](#place-day-and-device).
- *Whose birthday is within the coming week?* `anniversary` holds on the day itself. Start a
  journey on the day, or send the day a week before it as a trait of its own.
"""


def cookbook_page() -> str:
    """Return `docs/how-to/segments-cookbook.md`, written from the files."""
    purposes: dict[str, list[str]] = {}
    for name in STORIES:
        purposes.setdefault(PURPOSES[name], []).append(name)
    parts = [_HEAD]
    for purpose, names in purposes.items():
        parts.append(f"\n## {purpose}\n")
        for name in names:
            segment = WORKSPACE.segments[name]
            when = indent(_when_as_written(name), "    ")
            parts.append(f"\n**{segment.title}** (`{name}`)\n{segment.description}\n\n{when}\n")
    return "".join(parts)


def _when_as_written(name: str) -> str:
    text = (FOLDER / "segments" / f"{name}.yaml").read_text()
    return dedent(text.split("when:", 1)[1].removeprefix(" >-").strip("\n")).strip()


def test_the_page_is_fresh() -> None:
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(cookbook_page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == cookbook_page(), (
        "renew it: UPDATE_DOCS=1 .venv/bin/pytest tests/golden/test_cookbook.py"
    )


def test_there_are_forty_and_each_has_a_story() -> None:
    assert len(STORIES) >= 40
    assert sorted(WORKSPACE.segments) == sorted(STORIES)


def test_each_says_what_it_is_in_one_sentence() -> None:
    for name, segment in WORKSPACE.segments.items():
        assert segment.title, name
        assert re.fullmatch(r"[A-Z1-9].+\.", segment.description), name
        assert PURPOSES[name], name


@pytest.mark.parametrize("by", [evaluate, evaluate_streaming])
@pytest.mark.parametrize("name", STORIES)
def test_one_is_in_and_a_near_miss_is_out(name: str, by: Any) -> None:
    inside, outside = _people(name)
    assert (inside.ask(by), outside.ask(by)) == (True, False)


@pytest.mark.parametrize("name", STORIES)
def test_the_near_miss_differs_in_one_fact(name: str) -> None:
    assert len(STORIES[name]["but"]) == 1


@pytest.mark.parametrize("name", STORIES)
def test_people_enter_and_leave_at_the_instants_told(name: str) -> None:
    inside, _ = _people(name)
    is_timed = _MOVES_WITH_TIME.search(inside.text) is not None
    assert is_timed == ("changes" in STORIES[name]), "`changes` is for what time moves"
    if not is_timed:
        return
    instants = [datetime.fromisoformat(text) for text in STORIES[name]["changes"]]
    assert inside.changes() == instants
    moment = timedelta(microseconds=1)
    for at in instants:
        before, after = (inside.ask(evaluate, one) for one in (at - moment, at))
        assert before != after, f"the oracle sees no change at {at}"
    # Between two changes the oracle's answer stands still.
    for start, end in pairwise(instants):
        answers = {inside.ask(evaluate, start + (end - start) * k / 8) for k in range(8)}
        assert len(answers) == 1


def test_the_whole_language_is_used() -> None:
    words = set(re.findall(r"[a-z_]+", " ".join(one.text for one in WORKSPACE.segments.values())))
    assert set(_EVERYTHING.split()) - words == set()


def test_canonical_texts_mean_the_same() -> None:
    for name in STORIES:
        inside, outside = _people(name)
        for person, expected in ((inside, True), (outside, False)):
            person.text = format_expression(WORKSPACE.segments[name].when)
            assert person.ask(evaluate) is expected, name
