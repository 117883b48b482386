"""The SQL of each construct for each engine, as files: what changes is seen in a review.

Renew them with UPDATE_DOCS=1 .venv/bin/pytest tests/golden/test_warehouse_sql.py
"""

from __future__ import annotations

import os
import unicodedata
from contextlib import suppress
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from tailorbird.base.time import parse_micros
from tailorbird.language import constructs, warehouse_prelude, warehouse_sql
from tailorbird.language.api import read_question
from tailorbird.language.warehouse.engines import ENGINES
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.language.warehouse.frame import Frame
from tailorbird.language.warehouse.query import members_query, value_query

FOLDER = Path(__file__).parent / "warehouse"
PERSONAL = ("traits", "context", "predictions", "clusters")
GIVEN = {name: one for name, one in constructs.GIVEN.items() if name not in PERSONAL}
# Asked at rows of people and instants, not at one instant.
AS_OF = {
    "as-of-count": "count(order_completed within 30d)",
    "as-of-months": "any(order_completed within 1mo)",
    "as-of-sequence": "sequence(email_delivered, email_opened within 3d)",
    "as-of-trait": "traits.city = 'New York'",
}
PROMOTED = {"promoted": "sum(product_viewed.price where category = 'shoes')"}


@pytest.mark.parametrize("dialect", ENGINES)
def test_queries_are_those_of_the_files(dialect: str) -> None:
    folder, written = FOLDER / dialect, queries(dialect)
    if os.environ.get("UPDATE_DOCS"):
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.sql"):
            path.unlink()
        for name, text in written.items():
            (folder / f"{name}.sql").write_text(text, encoding="utf-8")
    kept = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.sql")}
    assert kept == written, "renew them: UPDATE_DOCS=1 .venv/bin/pytest tests/golden"


def test_a_query_is_as_it_was_after_it_was_written() -> None:
    for example in (*(one.example for one in constructs.constructs()), *PROMOTED.values()):
        node, person = read_question(example, GIVEN)
        for promoted in ({}, {"category": ("text",), "price": ("number",)}):
            frame = Frame(now=parse_micros(constructs.NOW), promoted=promoted)
            try:
                queries = [value_query(node, frame, person), members_query(node, frame, person)]
            except WarehouseError:
                continue
            for query in queries:
                before = repr(query.select)
                for engine in ENGINES.values():
                    with suppress(WarehouseError):
                        query.text(engine)
                    assert repr(query.select) == before, (example, engine.name)


@pytest.mark.parametrize("dialect", ENGINES)
def test_queries_are_read_again_as_they_were_written(dialect: str) -> None:
    for name, text in queries(dialect).items():
        read = sqlglot.parse_one(text, dialect=dialect)
        assert isinstance(read, exp.Select), name
        # Once written by sqlglot, which leaves out what an engine takes for granted.
        written = sqlglot.parse_one(read.sql(dialect=dialect), dialect=dialect)
        assert sqlglot.parse_one(written.sql(dialect=dialect), dialect=dialect) == written, name


@pytest.mark.parametrize("dialect", ENGINES)
def test_a_query_calls_no_function_that_its_engine_lacks(dialect: str) -> None:
    prelude = warehouse_prelude(dialect)
    for name, text in queries(dialect).items():
        for call in sqlglot.parse_one(text, dialect=dialect).find_all(exp.Anonymous):
            if call.name.startswith("tb_"):
                assert f"{call.name}(" in prelude or f"{call.name} AS" in prelude, name


def queries(dialect: str) -> dict[str, str]:
    """Return the SQL of all constructs that the engine is asked, by name."""
    asked = {_name_of(one.words): one.example for one in constructs.constructs()}
    found = {}
    for name, example in {**asked, **AS_OF, **PROMOTED}.items():
        now = None if name in AS_OF else constructs.NOW
        promoted = {"category": ["text"], "price": ["number"]} if name in PROMOTED else {}
        try:
            text = warehouse_sql(example, dialect, now, promoted=promoted, **GIVEN)
        except WarehouseError:
            continue
        found[name] = f"-- {example}\n{text};\n"
    return found


def _name_of(words: str) -> str:
    if words.replace(" ", "").isalnum():
        return words.replace(" ", "-")
    return "-".join(unicodedata.name(sign).replace(" ", "-").lower() for sign in words)
