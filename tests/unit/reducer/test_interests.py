"""Interests: what weighs most, when a weight crosses a limit, and what people see of it."""

from __future__ import annotations

from tailorbird.base.numbers import SCALE
from tailorbird.base.time import DAY
from tailorbird.language.needs import Interest
from tailorbird.reducer.reducer import Reducer
from tailorbird.testing.building import START, Person, segment
from tailorbird.workspace.definitions import InterestDefinition, Workspace
from tailorbird.workspace.loader import parse_workspace

CATEGORIES = InterestDefinition(
    name="categories",
    title="Categories",
    description="",
    weights=Interest(
        points=(
            ("viewed", SCALE, None, ("category",)),
            ("bought", 5 * SCALE, None, ("products", "category")),
        ),
        half_life=10 * DAY,
    ),
)
REDUCER = Reducer(
    Workspace(
        version="v1",
        segments={
            "shoes-first": segment("shoes-first", "interest('categories') = 'shoes'"),
            "hats": segment("hats", "interest('categories', 'hats') > 2.5"),
        },
        interests={"categories": CATEGORIES},
    )
)


def buyer() -> Person:
    person = Person(REDUCER, is_stored=True)
    person.does("viewed", 0, {"category": "shoes"})
    person.does("bought", 1, {"products": [{"category": "hats"}, {"category": "hats"}]})
    return person


def test_the_heaviest_value_leads_whatever_time_does() -> None:
    person = buyer()
    assert person.segments == {"hats"}
    for n in range(6):
        person.does("viewed", DAY + n, {"category": "shoes"})
    assert person.segments == {"hats", "shoes-first"}
    person.lives_until(500 * DAY)
    assert person.segments == {"shoes-first"}


def test_a_weight_crosses_a_limit_in_the_very_second() -> None:
    person = buyer()
    person.lives_until(30 * DAY)
    left = [
        change.at - START
        for change in person.changes
        if change.segment == "hats" and not change.is_member
    ]
    assert [round(at / DAY, 3) for at in left] == [10.0]


def test_people_see_the_weights() -> None:
    person = buyer()
    assert person.state is not None
    seen = REDUCER.snapshot(person.state, START + 1)["interests"]["categories"]
    assert [one["value"] for one in seen] == ["hats", "shoes"]
    assert [round(one["weight"], 3) for one in seen] == [5.0, 1.0]


def test_an_interest_file_is_read_and_its_faults_are_named() -> None:
    good = "by: category\npoints:\n - {event: Viewed, points: 1}\n"
    good += (
        " - {event: bought, points: 5, by: products.category, where: total > 3}\nhalf_life: 30d\n"
    )
    found, problems = parse_workspace({"interests/categories.yaml": good})
    assert problems == []
    assert found is not None
    weights = found.interests["categories"].weights
    assert [point[3] for point in weights.points] == [("category",), ("products", "category")]
    bad = "points: [{event: a, points: 1}]\nhalf_life: 1mo\n"
    segments = {"segments/x.yaml": "when: interest('categoris') = 'a'\n"}
    _, problems = parse_workspace({"interests/categories.yaml": bad, **segments})
    said = " ".join(f"{one.message} {one.mend}" for one in problems)
    assert "nothing says which property is weighed" in said
    assert "Add `by: category`" in said
    assert "cannot be counted in months" in said
    assert "Did you mean categories?" in said
