"""An import brings each row once: interrupted, repeated, long after, and only as history."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tailorbird.adapters.sqlite.import_store import SqliteImportStore
from tailorbird.adapters.tables import open_file
from tailorbird.base.time import DAY
from tailorbird.delivery.suppression import address_hash
from tailorbird.events.event import EVENT, decode_event
from tailorbird.events.refusal import Refusal
from tailorbird.ports.dead_letters import Refused
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import RETRY, Answer, EventDraft
from tailorbird.services.imports.mapping import read_mapping
from tailorbird.services.imports.run import ROWS_AT_ONCE, Importer, ImportReport, LogAway, Ways
from tailorbird.testing.building import workspace_of
from tailorbird.testing.embedded import World, event_draft

MAPPING = "kind: events\nevent: e\nuser_id: u\ntimestamp: t\nothers: keep\n"


@dataclass
class Letters:
    kept: list[tuple[str, Refusal, bytes]] = field(default_factory=list)

    def keep(self, at: int, source: str, items: Sequence[Refused]) -> None:
        self.kept += [(source, one.refusal, one.raw) for one in items]


class Dying(World):
    """A log whose importer dies after so many commits, before it can note the last of them."""

    left = 1_000

    async def write(self, events: Sequence[EventDraft]) -> list[Answer]:
        answers = await super().write(events)
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return answers


class Folder:
    """A data folder as an import sees it, with a log that can die."""

    def __init__(self, path: Path) -> None:
        self.world = Dying({"v": workspace_of()})
        self.letters = Letters()
        self.path = path
        self.store = SqliteImportStore(path / "imports.db")

    def ways(self) -> Ways:
        return Ways(
            clock=self.world.clock,
            store=self.store,
            writer=self.world,
            letters=self.letters,
            taken_since=self.world.log.dedups_since,
            pause=no_pause,
        )

    def file(self, name: str, rows: Sequence[str], header: str = "e,u,t,n") -> Path:
        path = self.path / name
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    def bring(self, path: Path, text: str = MAPPING, ways: Ways | None = None) -> ImportReport:
        table = open_file(path)
        importer = Importer(ways or self.ways(), progress=lambda _: None)
        return asyncio.run(importer.run(table, read_mapping("m.yaml", text, table.columns)))

    def later(self, days: int) -> None:
        """Let days pass, with something live on the last: the log forgets what it saw before."""
        clock = self.world.clock
        clock.at += days * DAY
        self.world.add(event_draft("page_viewed", f"live-{clock.at}", clock.at, "somebody"))

    def brought(self) -> list[str]:
        found = [decode_event(one) for one in self.world.log.read(0, 100_000) if one.kind == EVENT]
        found = [one for one in found if one.user_id != "somebody"]
        assert all(one.is_historical and one.source == "import" for one in found)
        return [str(one.properties.get("n")) for one in found]


async def no_pause(seconds: float) -> None:
    """Pass no time."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.store.close()


def orders(first: int, last: int) -> list[str]:
    return [f"order_completed,u{n % 7},2020-01-01,{n}" for n in range(first, last)]


def test_an_import_that_dies_goes_on_and_brings_each_row_once(folder: Folder) -> None:
    path = folder.file("a.csv", orders(0, 5 * ROWS_AT_ONCE // 2))
    folder.world.left = 2
    with pytest.raises(KeyboardInterrupt):
        folder.bring(path)
    # Longer ago than the log by itself knows a message again.
    folder.later(30)
    report = folder.bring(path)
    assert report.resumed == ROWS_AT_ONCE
    assert report.counts == {"known": ROWS_AT_ONCE, "new": ROWS_AT_ONCE // 2}
    assert folder.brought() == [str(n) for n in range(5 * ROWS_AT_ONCE // 2)]


def test_what_is_finished_is_not_read_again(folder: Folder) -> None:
    path = folder.file("a.csv", [*orders(0, 3), "order_completed,,2020-01-01,x"])
    assert folder.bring(path).counts == {"new": 3, "refused": 1}
    again = folder.bring(path)
    assert again.was_finished
    assert (again.resumed, again.row_count) == (4, 0)
    assert len(folder.letters.kept) == 1


def test_another_file_with_some_of_the_rows_brings_the_others_however_late(folder: Folder) -> None:
    folder.bring(folder.file("may.csv", orders(0, 5)))
    folder.later(400)
    report = folder.bring(folder.file("june.csv", orders(3, 8)))
    assert report.counts == {"known": 2, "new": 3}
    assert folder.brought() == [str(n) for n in range(8)]


def test_equal_rows_are_one_unless_each_counts(folder: Folder) -> None:
    path = folder.file("a.csv", orders(1, 2) * 3)
    assert folder.bring(path).counts == {"new": 1, "known": 2}
    assert folder.bring(path, MAPPING + "same_rows: each\n").counts == {"new": 3}


def test_refused_rows_are_kept_with_their_line(folder: Folder) -> None:
    rows = [*orders(0, 1), "order_completed,u,soon,1", "x,y", "order_completed,,2020-01-01,2"]
    report = folder.bring(folder.file("a.csv", rows))
    assert [number for number, _ in report.refusals] == [3, 4, 5]
    details = [refusal.detail[:8] for _, refusal, _ in folder.letters.kept]
    assert details == ["a.csv:3:", "a.csv:4:", "a.csv:5:"]
    assert {source for source, _, _ in folder.letters.kept} == {"import"}
    assert folder.letters.kept[1][2] == b'["x","y"]'
    assert folder.brought() == ["0"]


def test_a_dry_run_writes_nothing(folder: Folder) -> None:
    path = folder.file("a.csv", [*orders(0, 4), "order_completed,,2020-01-01,x"])
    dry = Ways(clock=folder.world.clock, store=folder.store)
    report = folder.bring(path, ways=dry)
    assert report.counts == {"new": 4, "refused": 1}
    assert [one["properties"] for one in report.samples] == [{"n": "0"}, {"n": "1"}, {"n": "2"}]
    assert folder.brought() == []
    assert folder.letters.kept == []
    assert folder.bring(path).counts == {"new": 4, "refused": 1}


def test_a_log_that_takes_nothing_ends_the_import_and_loses_nothing(folder: Folder) -> None:
    class Away(World):
        async def write(self, events: Sequence[EventDraft]) -> list[Answer]:
            return [Answer(RETRY)] * len(events)

        async def append(self, drafts: Sequence[Draft]) -> list[Answer]:
            raise AssertionError

    path = folder.file("a.csv", orders(0, 3))
    away = Ways(
        clock=folder.world.clock,
        store=folder.store,
        writer=Away({"v": workspace_of()}),
        letters=folder.letters,
        pause=no_pause,
    )
    with pytest.raises(LogAway, match="it goes on from there"):
        folder.bring(path, ways=away)
    assert folder.bring(path).counts == {"new": 3}


def test_an_old_list_does_not_lift_what_was_asked_for_since(folder: Folder) -> None:
    consent = (
        "kind: people\ntypes: {at: timestamp, until: timestamp}\ntraits: {email: email}\n"
        "consent:\n  marketing: {given: 'true', at: at, withdrawn_at: until}\n"
    )
    header = "email,at,until"
    folder.bring(folder.file("left.csv", ["a@b.example,2020-01-01,2021-01-01"], header), consent)
    folder.bring(folder.file("old.csv", ["a@b.example,2019-06-01,"], header), consent)
    hashed = address_hash("a@b.example")
    assert folder.world.suppression.reason(hashed, "marketing") == "unsubscribed"
    folder.bring(folder.file("new.csv", ["a@b.example,2022-01-01,"], header), consent)
    assert folder.world.suppression.reason(hashed, "marketing") is None
