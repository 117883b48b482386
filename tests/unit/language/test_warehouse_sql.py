"""Expressions as SQL of other engines: what is refused, what a session runs before, and the parts
of Snowflake's functions that any JavaScript runs.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
from sqlglot import exp

from tailorbird.base.numbers import scaled
from tailorbird.base.time import DAY, parse_micros
from tailorbird.language import warehouse_prelude, warehouse_sql
from tailorbird.language.values import lookup
from tailorbird.language.warehouse import sql
from tailorbird.language.warehouse.engines import ENGINES, POSTGRES
from tailorbird.language.warehouse.errors import WarehouseError


def test_an_unknown_engine_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(WarehouseError, match="no engine is called oracle; write one of duckdb, "):
        warehouse_sql("count(a)", "oracle")
    with pytest.raises(WarehouseError, match="postgres"):
        warehouse_prelude("oracle")


def test_what_is_a_persons_own_is_read_from_profiles() -> None:
    with pytest.raises(ValueError, match="traits belong to a person: give them in the relation"):
        warehouse_sql("traits.city = 'Rome'", "spark", traits={"city": "Rome"})


def test_a_function_that_an_engine_lacks_is_refused_by_the_engines_name() -> None:
    select = exp.select(sql.call("faded", sql.integer(1)))
    with pytest.raises(WarehouseError, match=r"^Postgres is not asked this: it has no faded"):
        POSTGRES.write(select)


def test_to_write_a_query_leaves_it_as_it_was() -> None:
    select = exp.select(sql.call("get", sql.column("properties", "e"), sql.text("p")))
    before = select.sql()
    for engine in ENGINES.values():
        engine.write(select)
    assert select.sql() == before


def test_one_instant_and_rows_of_instants_are_asked() -> None:
    at_one = warehouse_sql("since(a) < 3d", "bigquery", "2026-03-01")
    at_each = warehouse_sql("since(a) < 3d", "bigquery")
    assert "asked_at" not in at_one
    assert at_each.startswith("WITH h1 AS (SELECT e.profile_id, e.asked_at")


def test_texts_are_compared_by_code_point_where_the_database_has_a_locale() -> None:
    found = warehouse_sql("traits.city < 'b' and traits.city = 'a'", "postgres", "2026-03-01")
    assert found.count('COLLATE "C"') == 1


def test_a_promoted_property_is_read_from_its_column() -> None:
    promoted = {"price": ["number"]}
    for dialect in ENGINES:
        found = warehouse_sql("sum(a.price) > 0.5", dialect, "2026-03-01", promoted=promoted)
        assert "e.price__number" in found
        assert "e.properties" not in found


@pytest.mark.parametrize("dialect", [one for one in ENGINES if one != "duckdb"])
def test_an_argument_that_is_nested_does_not_double_the_query(dialect: str) -> None:
    sizes = [
        len(warehouse_sql(f"sum(a.p){' / 3' * times}", dialect, "2026-03-01"))
        for times in (1, 2, 3, 4)
    ]
    assert sizes[3] - sizes[2] < 2 * (sizes[1] - sizes[0])


# -- Snowflake's functions in JavaScript -----------------------------------------------------------


def answers(function: str, arguments: list[dict[str, Any]]) -> list[Any]:
    """Run a JavaScript function of Snowflake's prelude; what is undefined becomes null."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    written = re.search(
        rf"FUNCTION tb_{function}\(.*?LANGUAGE JAVASCRIPT[^$]*\$\$(.*?)\$\$",
        warehouse_prelude("snowflake"),
        re.DOTALL,
    )
    assert written is not None
    names = list(arguments[0])
    script = (
        f"const f = ({', '.join(names)}) => {{{written[1]}}};"
        "const all = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        f"console.log(JSON.stringify(all.map(x => f({', '.join(f'x.{n}' for n in names)}))));"
    )
    done = subprocess.run(
        [node, "-e", script],
        input=json.dumps(arguments),
        text=True,
        capture_output=True,
        check=True,
    )
    return list(json.loads(done.stdout))


def test_snowflake_reads_numbers_half_even() -> None:
    numbers = [0, 1, -1, 0.1, 5e-10, 1.5e-9, 2.5e-9, -1.5e-9, 1e-10, -4e-10, 1e11, 1e12, 1.1e12,
               1e300, 99.9999999995, 0.0000000095, 123456789.123456789, 1e-324, 2.55]  # fmt: skip
    found = answers("keys", [{"ITEMS": numbers}])[0]
    assert found == [None if (n := scaled(one)) is None else f"n:{n}" for one in numbers]


def test_snowflake_tells_values_by_their_types() -> None:
    items = ["1", 1, True, [1], None, {}, "e\u0301"]
    expected = ["t:1", "n:1000000000", "b:true", "l:[1]", None, None, "t:\u00e9"]
    assert answers("keys", [{"ITEMS": items}])[0] == expected


def test_snowflake_follows_a_path_as_the_oracle_does() -> None:
    values: list[Any] = [
        {"n": 1}, {"m": 1}, [], [{"n": 1}, {"n": [2, None]}, 3, None, [{"n": 4}]], "x", None,
        [{"n": None}, {"n": {"n": 5}}], {"n": [1]},
    ]  # fmt: skip
    found = answers("at", [{"VALUE": one, "NAME": "n"} for one in values])
    assert found == [lookup(one, ("n",)) for one in values]


def test_snowflake_reads_instants() -> None:
    right = ["2024-01-31", "2024-01-31T10:00", "2024-01-31 10:00:00.5Z", "1850-03-01T10",
             "2024-01-31T10:00:00+05:30", "2024-01-31T10:00:00.1234567",
             "2024-02-29T23:59-0330"]  # fmt: skip
    found = answers("parts", [{"TEXT": one} for one in right])
    assert [days * DAY + micros for days, micros in found] == list(map(parse_micros, right))
    wrong = ["2024-13-31", "2024-02-30", "soon", "2024-01-31T25:00", "0000-01-01"]
    assert answers("parts", [{"TEXT": one} for one in wrong]) == [None] * len(wrong)
