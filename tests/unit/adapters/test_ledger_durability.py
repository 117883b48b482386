"""What of the ledger is on disk when a call returns."""

from __future__ import annotations

from pathlib import Path

from tailorbird.adapters.sqlite.ledger import SqliteLedger
from tailorbird.ports.ledger import Message

_FULL = 2


def test_intents_are_on_disk_before_an_engine_can_read_the_cursor(tmp_path: Path) -> None:
    # Found by the simulation, seed 101: the engine took a row out of its outbox because the cursor
    # had passed it; a power loss took cursor and intent back, and the mail was lost.
    ledger = SqliteLedger(tmp_path / "ledger.db", is_writer=True)
    written_at: set[int] = set()
    for connection in (ledger._connection, ledger._repeatable):
        level = connection.execute("PRAGMA synchronous").fetchone()[0]

        def note(sql: str, level: int = level) -> None:
            if sql.startswith(("INSERT", "COMMIT")):
                written_at.add(level)

        connection.set_trace_callback(note)
    message = Message(
        effect_id="e",
        state=0,
        profile_id=1,
        journey="j",
        step="s",
        template="t",
        kind="transactional",
        topic="t",
        due_at=1,
        expires_at=2,
        created_at=1,
        effect=b"",
    )
    ledger.take_over(0, [message], 7)
    assert ledger.cursor(0) == 7
    ledger.close()
    assert written_at == {_FULL}
