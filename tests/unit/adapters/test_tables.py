"""Rows are read from JSON lines, CSV and Parquet; what cannot be read is said with its place."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tailorbird.adapters.tables import TableProblem, read_rows


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n\n{"a": {"b": [2]}}\n', encoding="utf-8")
    assert list(read_rows(path)) == [{"a": 1}, {"a": {"b": [2]}}]


def test_csv_is_typed(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    path = tmp_path / "a.csv"
    path.write_text("user_id,total,at\nu1,2.5,2026-01-02 03:04:05\nu2,,\n", encoding="utf-8")
    rows = list(read_rows(path))
    assert rows[0] == {"user_id": "u1", "total": 2.5, "at": datetime(2026, 1, 2, 3, 4, 5)}  # noqa: DTZ001
    assert rows[1] == {"user_id": "u2", "total": None, "at": None}


def test_parquet(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "it's.parquet"
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT 'u' AS user_id, [{'id': 1}] AS products")
        connection.table("t").write_parquet(str(path))
    assert list(read_rows(path)) == [{"user_id": "u", "products": [{"id": 1}]}]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(TableProblem, match="there is no file"):
        read_rows(tmp_path / "gone.csv")
    (tmp_path / "a.xlsx").write_bytes(b"x")
    with pytest.raises(TableProblem, match=r"\.jsonl, \.csv or \.parquet"):
        read_rows(tmp_path / "a.xlsx")
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n[2]\n', encoding="utf-8")
    rows = read_rows(tmp_path / "a.jsonl")
    assert next(rows) == {"a": 1}
    with pytest.raises(TableProblem, match=r"a\.jsonl:2 is no JSON object"):
        next(rows)
    pytest.importorskip("duckdb")
    (tmp_path / "a.parquet").write_bytes(b"x")
    with pytest.raises(TableProblem, match="cannot be read"):
        list(read_rows(tmp_path / "a.parquet"))
