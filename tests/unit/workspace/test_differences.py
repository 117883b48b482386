"""Changes are classed by what they mean, not by how they are written."""

from __future__ import annotations

import pytest

from tailorbird.workspace.differences import FORWARD, NONE, REWRITES, differences
from tailorbird.workspace.loader import parse_workspace

FILES = {
    "segments/keen.yaml": (
        "title: Keen\nwhen: count(viewed within 2d) > 2 and traits.city = 'Bern'\n"
    ),
    "scores/heat.yaml": "points:\n  - {event: viewed, points: 1}\nhalf_life: 7d\n",
    "lists/cities.txt": "Bern\nBasel\n",
    "templates/hello.liquid": "---\nsubject: Hello\n---\n<p>Hi {{ unsubscribe_url }}</p>\n",
    "journeys/hello.yaml": (
        "enter: {segment: keen}\nsteps:\n  - {id: pause, wait: 1h}\n"
        "  - {id: skip, unless: count(viewed) < 2}\n  - {id: mail, send: hello}\n"
    ),
}


def classed(path: str, old: str, new: str) -> list[tuple[str, str, str, str]]:
    before, problems = parse_workspace(FILES)
    assert before is not None, problems
    assert old in FILES[path]
    after, problems = parse_workspace({**FILES, path: FILES[path].replace(old, new)})
    assert after is not None, problems
    return [(one.kind, one.name, one.what, one.reach) for one in differences(before, after)]


@pytest.mark.parametrize(
    ("path", "old", "new", "reach"),
    [
        ("segments/keen.yaml", "title: Keen", "title: Eager", NONE),
        ("segments/keen.yaml", "count(viewed within 2d) > 2", "2 < count(viewed within 2d)", NONE),
        (
            "segments/keen.yaml",
            "count(viewed within 2d) > 2 and traits.city = 'Bern'",
            "traits.city = 'Bern' and count(viewed within 48h) > 2",
            NONE,
        ),
        ("segments/keen.yaml", "> 2 and", ">= 2 and", REWRITES),
        ("scores/heat.yaml", "half_life: 7d", "half_life: 8d", REWRITES),
        ("lists/cities.txt", "Basel", "Biel", REWRITES),
        ("templates/hello.liquid", "Hi", "Hey", FORWARD),
        ("journeys/hello.yaml", "wait: 1h", "wait: 2h", FORWARD),
        ("journeys/hello.yaml", "count(viewed) < 2", "2 > count(viewed)", NONE),
    ],
)
def test_reach(path: str, old: str, new: str, reach: str) -> None:
    found = classed(path, old, new)
    assert [one[2:] for one in found] == [("changed", reach)], found


def test_equal_definitions_differ_in_nothing() -> None:
    assert classed("segments/keen.yaml", "Keen", "Keen") == []


def test_what_comes_and_goes_is_told() -> None:
    before, _ = parse_workspace({"segments/a.yaml": "when: true\n"})
    after, _ = parse_workspace({"segments/b.yaml": "when: true\n"})
    assert after is not None
    found = [(one.name, one.what) for one in differences(before, after)]
    assert found == [("a", "removed"), ("b", "added")]
    assert [(one.name, one.what) for one in differences(None, after)] == [("b", "added")]
