"""What a mend does to an item; that replayed items keep their numbers is tested with replaying."""

from __future__ import annotations

from typing import Any

import pytest

from tailorbird.base.problems import ProblemsError
from tailorbird.services.mend import NoObject, mend_from


def mended(mend: dict[str, Any], **item: Any) -> dict[str, Any]:
    before = repr(item)
    found = mend_from(mend).apply(item, 0)
    assert repr(item) == before
    return found


@pytest.mark.parametrize(
    ("mend", "item", "after"),
    [
        ({"rename": {"a": "b.c"}}, {"a": 1}, {"b": {"c": 1}}),
        (
            {"rename": {"l.*.cost": "l.*.price"}},
            {"l": [{"cost": 1}, {}]},
            {"l": [{"price": 1}, {}]},
        ),
        (
            {"rename": {"l.*.m.*.a": "l.*.m.*.b"}},
            {"l": [{"m": [{"a": 1}, {"a": 2}]}, {"m": []}]},
            {"l": [{"m": [{"b": 1}, {"b": 2}]}, {"m": []}]},
        ),
        (
            {"set": {"l.*.price": "l.*.cost"}},
            {"l": [{"cost": 1}]},
            {"l": [{"cost": 1, "price": 1}]},
        ),
        ({"set": {"l.*.currency": "'EUR'"}}, {"l": [{}, {}]}, {"l": [{"currency": "EUR"}] * 2}),
        ({"set": {"l.1": 5}}, {"l": [1, 2, 3]}, {"l": [1, 5, 3]}),
        ({"set": {"first": "l.0.sku"}}, {"l": [{"sku": "x"}]}, {"l": [{"sku": "x"}], "first": "x"}),
        ({"set": {"l.*.a": 1}}, {"l": None}, {"l": None}),
        ({"set": {"l.*.a.b": 1}}, {"l": [{"a": None}]}, {"l": [{"a": {"b": 1}}]}),
        (
            {"rename": {"properties.when": "timestamp"}},
            {"properties": {"when": 1769853600}},
            {"properties": {}, "timestamp": "2026-01-31T10:00:00Z"},
        ),
        (
            {"set": {"timestamp": "timestamp"}},
            {"timestamp": "2026-01-31 10:00:00 UTC"},
            {"timestamp": "2026-01-31T10:00:00Z"},
        ),
        ({"set": {"timestamp": "at"}}, {"at": "soon"}, {"at": "soon", "timestamp": "soon"}),
        ({"drop": ["a"]}, {"a": 1, "timestamp": 5}, {"timestamp": 5}),
        ({"drop": ["l.*.a"]}, {"l": [{"a": 1, "b": 2}, 3]}, {"l": [{"b": 2}, 3]}),
        ({"drop": ["l.0"]}, {"l": [1, 2, 3]}, {"l": [2, 3]}),
        ({"drop": ["l.*"]}, {"l": [1, 2, 3]}, {"l": []}),
        ({"drop": ["l.7", "m.*.a"]}, {"l": [1], "m": {"a": 1}}, {"l": [1], "m": {"a": 1}}),
    ],
)
def test_paths_lead_through_objects_and_lists(
    mend: dict[str, Any], item: dict[str, Any], after: dict[str, Any]
) -> None:
    assert mended(mend, **item) == after


@pytest.mark.parametrize(
    ("path", "item", "message"),
    [
        ("a.b", {"a": 5}, "a.b leads through 5, which is no object"),
        ("l.3.b", {"l": [1]}, "which is a list of 1: 0 is its first place, [*] is each"),
        ("l.0.b", {"l": [1]}, "leads through 1, which is no object"),
    ],
)
def test_where_a_path_leads_nowhere_is_told(path: str, item: dict[str, Any], message: str) -> None:
    with pytest.raises(NoObject, match=message):
        mended({"set": {path: 1}}, **item)


@pytest.mark.parametrize(
    "mend",
    [
        {"rename": {"l.*.a": "b"}},
        {"rename": {"a": "l.*.b"}},
        {"set": {"a": "l.*.b"}},
    ],
)
def test_each_of_a_list_has_no_single_place(mend: dict[str, Any]) -> None:
    with pytest.raises(ProblemsError, match="do not name each of the same lists"):
        mended(mend)
