"""Rows are read from files and databases; what is no row is told with its line."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from tailorbird.adapters.tables import (
    CsvOptions,
    CsvTable,
    TableProblem,
    files_of,
    open_file,
    open_query,
)
from tailorbird.ports.table import Row


def rows_of(path: Path, options: CsvOptions | None = None) -> list[Row]:
    return list(open_file(path, options).rows())


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n\n[2]\n{"a": {"b": [2]}}\n{"a": "\\ud800', encoding="utf-8")
    first, bad, last, cut = rows_of(path)
    assert (first.number, first.values) == (1, {"a": 1})
    assert bad.number == 3
    assert "no JSON object" in bad.fault
    assert bad.raw == b"[2]"
    assert (last.number, last.values) == (4, {"a": {"b": [2]}})
    assert cut.fault


def test_a_line_of_any_length_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": "' + b"x" * 3_000_000 + b'"}\n{"a": 2}\n')
    long, next_one = rows_of(path)
    assert "longer than" in long.fault
    assert len(long.raw) <= 1 << 20
    assert next_one.values == {"a": 2}


@pytest.mark.parametrize(
    ("text", "encoding", "delimiter"),
    [
        ("name,city\nZoë,Köln\n", "utf-8", ","),
        ("\ufeffname;city\nZoë;Köln\n", "utf-8", ";"),
        ("name\tcity\nZoë\tKöln\n", "utf-16", "\t"),
        ("name|city\nZoë|Köln\n", "cp1252", "|"),
        ('"name", "city"\r\n"Zoë", "Köln"\r\n', "utf-8", ","),
        (" name   city\n Zoë  Köln\n", "utf-8", " "),
    ],
)
def test_how_csv_is_written_is_found(
    tmp_path: Path, text: str, encoding: str, delimiter: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    table = CsvTable(path)
    assert table.delimiter == delimiter
    assert list(table.columns) == ["name", "city"]
    assert [row.values for row in table.rows()] == [{"name": "Zoë", "city": "Köln"}]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_two_bytes_a_character_are_noticed_without_a_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id,name\n1,Zoë\n".encode(encoding))
    assert [row.values for row in rows_of(path)] == [{"id": "1", "name": "Zoë"}]


def test_a_first_line_that_tells_excel_the_delimiter_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('sep=;\nid;note\n1;"a, b"\n2;c;d\n', encoding="utf-8-sig")
    first, bad = rows_of(path)
    assert (first.number, first.values) == (3, {"id": "1", "note": "a, b"})
    assert (bad.number, bad.fault) == (4, "the line has 3 cells instead of 2")


def test_a_line_of_empty_cells_is_as_good_as_an_empty_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",,\nid,name,\n,,\n1,Zoe,\n , ,\n", encoding="utf-8")
    (only,) = rows_of(path)
    assert (only.number, only.values) == (4, {"id": "1", "name": "Zoe", "column_3": ""})


def test_packed_files_are_read(tmp_path: Path) -> None:
    for name, text in (("a.csv.gz", "a\nx\n"), ("a.jsonl.gz", '{"a": "x"}\n')):
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
        assert [row.values for row in rows_of(tmp_path / name)] == [{"a": "x"}]
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"a,b\n" * 90_000)[:-20])
    with pytest.raises(TableProblem, match="cannot be read"):
        rows_of(tmp_path / "b.csv.gz")


def test_a_line_that_does_not_fit_is_told_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,note\n1,"two\nlines"\n2\n3,x,y\n\n4,ok\n', encoding="utf-8")
    found = rows_of(path)
    assert [row.number for row in found] == [2, 4, 5, 7]
    assert found[0].values == {"id": "1", "note": "two\nlines"}
    assert found[1].fault == "the line has 1 cells instead of 2"
    assert found[2].raw == b'["3","x","y"]'
    assert found[3].values == {"id": "4", "note": "ok"}


def test_a_quote_that_is_never_closed_swallows_no_rows_silently(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('name,city\nAnn,"Bonn\nNord"\nZoë,"Köln\nBob,Rome\nEve,Oslo\n', "utf-8")
    sound, open_ended = rows_of(path)
    assert sound.values == {"name": "Ann", "city": "Bonn\nNord"}
    assert (open_ended.number, open_ended.values) == (4, {})
    assert "never closed" in open_ended.fault
    assert json.loads(open_ended.raw) == ['Zoë,"Köln\nBob,Rome\nEve,Oslo\n']


@pytest.mark.parametrize(
    "text", ['name,city\nZoë,"Köln"', "name,city\nZoë,Köln", 'name\n"Zoë"\n\n']
)
def test_a_last_line_need_not_end(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, "utf-8")
    (row,) = rows_of(path)
    assert not row.fault
    assert row.values["name"] == "Zoë"


def test_a_cell_that_is_too_long_is_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("name,city\nZoë," + "x" * 3_000_000 + "\nBob,Rome\n", "utf-8")
    long, next_one = rows_of(path)
    assert (long.number, next_one.number) == (2, 3)
    assert "larger than field limit" in long.fault
    assert json.loads(long.raw)[0].startswith("Zoë,xxx")
    assert len(long.raw) < 1 << 21


def test_a_file_without_a_header_gets_names(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(" 00004 0001 19970101  2   29.33\n 00021 0002 19970101  3   63.34\n")
    assert list(CsvTable(path).columns) == [f"column_{n}" for n in range(1, 6)]
    named = CsvOptions(columns=("id", "sample", "date", "count", "dollars"))
    assert rows_of(path, named)[1].values["dollars"] == "63.34"
    assert rows_of(path)[0].number == 1


def test_parquet(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "it's.parquet"
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT 'u' AS user_id, [{'id': 1}] AS products")
        connection.table("t").write_parquet(str(path))
    assert list(open_file(path).columns) == ["user_id", "products"]
    assert [row.values for row in rows_of(path)] == [{"user_id": "u", "products": [{"id": 1}]}]
    path.write_bytes(b"x")
    with pytest.raises(TableProblem, match="cannot be read"):
        rows_of(path)


def test_databases_answer(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, at TEXT)")
        connection.executemany(
            "INSERT INTO orders VALUES (?, ?)", [(n, "10:30 100%") for n in range(5_000)]
        )
        connection.commit()
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    table = open_query(url, "SELECT * FROM orders WHERE at LIKE '10:3%'")
    assert list(table.columns) == ["id", "at"]
    found = list(table.rows())
    assert len(found) == 5_000
    assert found[-1] == Row(5_000, {"id": 4_999, "at": "10:30 100%"})
    with pytest.raises(TableProblem, match="no such table"):
        list(open_query(url, "SELECT * FROM gone").rows())
    with pytest.raises(TableProblem, match="no database URL") as caught:
        list(open_query("shop:secret@db", "SELECT 1").rows())
    assert "secret" not in str(caught.value)
    if find_spec("MySQLdb") is None:
        with pytest.raises(TableProblem, match="pip install mysqlclient"):
            list(open_query("mysql://shop@localhost/shop", "SELECT 1").rows())


def test_a_query_is_told_from_another_but_not_by_its_password() -> None:
    def prints(url: str, sql: str = "SELECT 1") -> str:
        return open_query(url, sql).fingerprint()

    assert prints("postgresql://a:old@db/shop") == prints("postgresql://a:new@db/shop")
    assert prints("postgresql://a@db/shop") != prints("postgresql://a@db/other")
    assert prints("postgresql://a@db/shop") != prints("postgresql://a@db/shop", "SELECT 2")


def test_duckdb_answers(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS n FROM range(3)")
    found = [row.values for row in open_query(f"duckdb:///{path}", "SELECT n FROM t").rows()]
    assert found == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert [row.values for row in open_query("duckdb://", "SELECT 1 AS a").rows()] == [{"a": 1}]
    with pytest.raises(TableProblem, match="there is no DuckDB file"):
        open_query(f"duckdb:///{tmp_path / 'gone'}", "SELECT 1")


def test_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("b.csv", "a.jsonl", "notes.md"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert [one.name for one in files_of(str(tmp_path))] == ["a.jsonl", "b.csv"]
    assert [one.name for one in files_of(str(tmp_path / "*.csv"))] == ["b.csv"]
    with pytest.raises(TableProblem, match="there is no file"):
        files_of(str(tmp_path / "gone.csv"))
    with pytest.raises(TableProblem, match=r"\.jsonl, \.csv or \.parquet"):
        open_file(tmp_path / "notes.md")
