"""The written pages name every step, reason, rule and function, and their examples hold."""

from __future__ import annotations

import re
from pathlib import Path

from tailorbird.events import standardise as st
from tailorbird.events.refusal import Rule
from tailorbird.events.standardise.plans import Demand, Plan
from tailorbird.workspace.kinds.schema import plan_of, read_schema
from tailorbird.workspace.source import Source

DOCS = Path(__file__).resolve().parents[4] / "docs"
REFERENCE = (DOCS / "reference" / "standardising.md").read_text(encoding="utf-8")
HOW_TO = (DOCS / "how-to" / "tracking-plan.md").read_text(encoding="utf-8")
_EXAMPLE = re.compile(r"`(\w+\([^`]*\))` is `([^`]+)`")


def test_every_step_and_reason_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", REFERENCE, re.MULTILINE)
    assert {step.name for step in st.STEPS} <= set(rows)
    assert {reason.value for reason in st.Unfit} <= set(rows)


def test_every_function_is_there() -> None:
    functions = {name for name in st.__all__ if name.islower() and name not in ("close", "way_of")}
    assert functions == set(re.findall(r"^\| `(\w+)\(", REFERENCE, re.MULTILINE))


def test_the_examples_are_answered_as_written() -> None:
    found = _EXAMPLE.findall(REFERENCE)
    assert len(found) >= 9
    for call, answer in found:
        assert eval(call, {**vars(st)}) == answer, call


def test_every_rule_of_plans_is_explained() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", HOW_TO, re.MULTILINE))
    assert {demand.value for demand in Demand} <= rows
    assert {rule.value for rule in Rule if rule.value.startswith("plan_")} <= rows


def test_the_plan_on_the_page_is_one() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", HOW_TO, re.DOTALL)
    source = Source("schema.yaml", block)
    plan = plan_of(read_schema(source))
    assert source.problems == []
    assert isinstance(plan, Plan)
    demands = {one.name: one.demand for one in plan.events["order_completed"].properties}
    assert demands == {
        "order_id": Demand.DEMAND,
        "revenue": Demand.TYPE,
        "card_number": Demand.FORBID,
        "currency": Demand.WATCH,
    }
