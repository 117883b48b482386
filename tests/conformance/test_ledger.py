"""Both ledgers pass the same checks; the one on disk also survives being opened again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tailorbird.adapters.memory.ledger import MemoryLedger
from tailorbird.adapters.sqlite.ledger import SqliteLedger
from tailorbird.ports.ledger import Ledger
from tailorbird.testing.ledger_conformance import CHECKS, message


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_memory(check: Callable[[Ledger], None]) -> None:
    check(MemoryLedger())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_sqlite(check: Callable[[Ledger], None], tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db", is_writer=True)
    try:
        check(ledger)
    finally:
        ledger.close()


def test_a_reader_sees_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    writer = SqliteLedger(path, is_writer=True)
    writer.take_over(1, [message("a", record=b"r")], 4)
    writer.close()
    reader = SqliteLedger(path)
    found = reader.message("a")
    assert found is not None
    assert found.record == b"r"
    assert SqliteLedger.cursor_in(path, 1) == 4
    reader.close()
