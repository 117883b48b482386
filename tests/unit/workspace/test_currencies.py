"""Amounts in several currencies are not added up unless one of them is named."""

from __future__ import annotations

import pytest

from tailorbird.base.problems import Problem
from tailorbird.workspace.loader import parse_workspace


def problems_of(when: str, currencies: str) -> list[Problem]:
    files = {
        "tailorbird.toml": f"currencies = {currencies}\n",
        "segments/rich.yaml": f"when: {when}\n",
    }
    return parse_workspace(files)[1]


@pytest.mark.parametrize("kind", ["sum", "avg", "min", "max"])
def test_mixed_amounts_are_an_error_with_a_mend_that_works(kind: str) -> None:
    (problem,) = problems_of(
        f"count(x) > 1 and {kind}(order_completed.revenue) > 5", '["EUR", "GBP"]'
    )
    assert f"`{kind}(order_completed.revenue)` mixes amounts in EUR and GBP" in problem.message
    assert problem.severity == "error"
    assert problem.mend is not None
    mended = problem.mend.removeprefix("Say which is meant: ").removesuffix(".")
    assert problems_of(f"{mended} > 5", '["EUR", "GBP"]') == []


@pytest.mark.parametrize(
    "when",
    [
        "sum(order_completed.revenue where coupon = 'X') > 5",
        "sum(order_completed.products.price) > 5",
        "sum(order_completed.revenue where currency in ('EUR', 'GBP')) > 5",
        "sum(order_completed.revenue where currency = 'EUR' or coupon = 'X') > 5",
    ],
)
def test_what_does_not_name_one_currency_mixes_them(when: str) -> None:
    assert len(problems_of(when, '["EUR", "GBP"]')) == 1


@pytest.mark.parametrize(
    ("when", "currencies"),
    [
        ("sum(order_completed.revenue) > 5", '["EUR"]'),
        ("sum(order_completed.revenue) > 5", "[]"),
        ("sum(order_completed.revenue where currency = 'EUR' and total > 3) > 5", '["EUR", "GBP"]'),
        ("sum(order_completed.quantity) > 5", '["EUR", "GBP"]'),
        ("sum(order_completed.revenue_in_eur) > 5", '["EUR", "GBP"]'),
        ("last(order_completed.revenue) > 5", '["EUR", "GBP"]'),
    ],
)
def test_all_else_is_no_fault(when: str, currencies: str) -> None:
    assert problems_of(when, currencies) == []


def test_currencies_are_known_by_code_and_by_sign() -> None:
    workspace, problems = parse_workspace({"tailorbird.toml": 'currencies = ["eur", "£", "EUR"]\n'})
    assert problems == []
    assert workspace is not None
    assert workspace.settings.currencies == ("EUR", "GBP")
    (problem,) = parse_workspace({"tailorbird.toml": 'currencies = ["EUR", "doubloon"]\n'})[1]
    assert "`doubloon` is no currency of ISO 4217" in problem.message
