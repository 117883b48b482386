"""Lists of objects in a column of their own: as Arrow, as Parquet, and as DuckDB reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorbird.adapters.lake import columns, items
from tailorbird.language.warehouse.engines import DUCKDB
from tailorbird.language.warehouse.items import Item, whole
from tailorbird.testing.odd_properties import properties as odd_properties


def to_text(properties: Any) -> str:
    return msgspec.json.encode(properties).decode()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lake") / "events.parquet"


@settings(deadline=None)
@given(st.lists(odd_properties, min_size=1, max_size=8))
def test_all_that_is_cut_is_json_and_comes_back(path: Path, found: list[dict[str, Any]]) -> None:
    texts = list(map(to_text, found))
    table = pa.table({"n": range(len(texts))} | items.properties_apart(texts))
    path.write_bytes(columns.to_parquet(table, columns.LEVEL_FRESH))
    with path.open("rb") as source:
        read = columns.read(source)
    rests = read["properties"].to_pylist()
    lists = read["items"].to_pylist() if "items" in read.column_names else [None] * len(texts)
    made = [None if one is None else [Item(**item) for item in one] for one in lists]
    assert list(map(whole, rests, made)) == texts
    for text in (*rests, *(one.item for row in made if row is not None for one in row)):
        assert isinstance(json.loads(text), dict)
    if "items" in read.column_names:
        assert_read_where_it_lies(path, texts)


def assert_read_where_it_lies(path: Path, texts: list[str]) -> None:
    """Ask for everything, for each property, and for the elements of each."""
    with duckdb.connect() as connection:
        connection.execute(DUCKDB.prelude())
        connection.execute(
            f"CREATE TABLE e AS SELECT n, properties AS rest, items FROM read_parquet('{path}')"
        )
        connection.execute(
            "CREATE TABLE kept AS SELECT unnest(?)::JSON AS properties, unnest(range(?)) AS n",
            [texts, len(texts)],
        )
        names = sorted({name for text in texts for name in json.loads(text) if '"' not in name})
        pairs = [("tb_whole(rest, items)", "properties")]
        for name in (one.replace("'", "''") for one in names):
            own, kept = f"tb_own(rest, items, '{name}')", f"tb_get(properties, '{name}')"
            pairs.append((own, kept))
            pairs.append((f"tb_each_own(rest, items, '{name}')", f"tb_each({kept})"))
        for ours, plain in pairs:
            (found, expected) = (
                [json.loads(json.dumps(row[0])) for row in connection.execute(query).fetchall()]
                for query in (
                    f"SELECT to_json({ours}) FROM e ORDER BY n",
                    f"SELECT to_json({plain}) FROM kept ORDER BY n",
                )
            )
            assert [one and json.loads(one) for one in found] == [
                one and json.loads(one) for one in expected
            ], ours


def test_one_row_that_is_odd_leaves_the_others_cut() -> None:
    odd, plain = '{"p":[{"a":1}],"note":"x}]"}', '{"p":[{"a":1}]}'
    apart = items.properties_apart([odd, plain, odd])
    assert apart["properties"].to_pylist() == [odd, '{"p":[{}]}', odd]
    assert apart["items"].to_pylist() == [None, [{"item": '{"a":1}', "quantity": None}], None]


def test_a_slice_holds_its_own_words_alone() -> None:
    texts = [to_text({"p": [{"a": n}, {"b": "same"}]}) for n in range(6)]
    table = pa.table(items.properties_apart(texts))
    part = items.with_words_of_its_own(table.slice(2, 2))
    assert part["items"].to_pylist() == table["items"].to_pylist()[2:4]
    words = part["items"].combine_chunks().values.field("item").dictionary.to_pylist()
    assert sorted(words) == ['{"a":2}', '{"a":3}', '{"b":"same"}']
