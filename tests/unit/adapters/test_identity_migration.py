"""An identity store of an earlier release reads the log anew and knows what brought everything."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tailorbird.adapters.memory.event_log import MemoryEventLog
from tailorbird.adapters.memory.suppression_store import MemorySuppressionStore
from tailorbird.adapters.sqlite import identity_store
from tailorbird.adapters.sqlite.identity_store import SqliteIdentityStore
from tailorbird.delivery.suppression import changes_of
from tailorbird.services.append import Appender
from tailorbird.testing.embedded import MovedClock, event_draft


def test_the_offsets_are_read_from_the_log_at_the_first_start(tmp_path: Path) -> None:
    log, clock = MemoryEventLog(), MovedClock()
    path = tmp_path / "identity.db"

    def start() -> tuple[Appender, SqliteIdentityStore]:
        store = SqliteIdentityStore(path, is_writer=True)
        return Appender(log, store, MemorySuppressionStore(), clock, changes_of), store

    appender, store = start()
    appender.write([event_draft("seen", "m1", clock.at, None, "browser")])
    appender.write([event_draft("bought", "m2", clock.at, "ada")])
    appender.write([event_draft("seen", "m3", clock.at, "ada", "browser")])
    ada = store.find("user_id", "ada")
    assert ada is not None
    links, merges = store.links(ada), store.merges(ada)
    assert all(row[3] for row in links)
    assert len(merges) == 1
    store.close()
    _as_before_the_offsets(path)
    _, store = start()
    with closing(store):
        assert (store.links(ada), store.merges(ada)) == (links, merges)
        assert store.offset() == log.end()


def _as_before_the_offsets(path: Path) -> None:
    names = sorted(one.name for one in identity_store._MIGRATIONS.iterdir())
    assert names[-1] == "0003_offsets.sql", "a later migration needs its own test"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP INDEX redirect_winner")
        connection.execute("ALTER TABLE identifier DROP COLUMN offset")
        connection.execute("ALTER TABLE redirect DROP COLUMN offset")
        connection.execute(f"PRAGMA user_version = {len(names) - 1}")
