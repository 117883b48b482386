"""Our Liquid answers as Liquid does: the golden cases, without escaping, in the strict environment.

A twin run of python-liquid as released shows that our settings, limits and recording of missing
values change nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from liquid import DictLoader, Environment
from liquid.exceptions import LiquidError

from tailorbird.content.environment import environment

DATA = Path(__file__).parent.parent / "data" / "golden-liquid" / "golden_liquid.json"
CASES: list[dict[str, Any]] = json.loads(DATA.read_text())["tests"]
# Where python-liquid 2.x itself answers otherwise than Liquid.
UPSTREAM = {
    "blank and empty, nil is equal to blank",
    "blank and empty, null is equal to blank",
    "tags, comment, incomplete tags are not parsed",
}


def outcome(made: Environment, case: dict[str, Any]) -> str | None:
    """What comes out; None where it fails."""
    made.loader = DictLoader(case.get("templates", {}))
    try:
        return made.from_string(case["template"]).render(**case.get("data", {}))
    except LiquidError:
        return None


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_golden(case: dict[str, Any], request: pytest.FixtureRequest) -> None:
    if case["name"] in UPSTREAM:
        request.applymarker(pytest.mark.xfail(reason="python-liquid differs", strict=True))
    expected = [None] if case.get("invalid") else case.get("results", [case.get("result")])
    assert outcome(environment(is_escaping=False, is_lax=False), case) in expected


def test_we_change_nothing() -> None:
    ours = [outcome(environment(is_escaping=False, is_lax=False), case) for case in CASES]
    assert ours == [outcome(Environment(), case) for case in CASES]
