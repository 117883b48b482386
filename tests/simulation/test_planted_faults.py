"""The simulation finds faults: each planted one is caught within some seeds."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from tailorbird.events.event import EVENT, Record
from tailorbird.ports.event_log import Draft
from tailorbird.ports.mail_sender import HandOverResult
from tailorbird.ports.state_store import SEND, Commit, ProfileRow
from tailorbird.services import append, send, working_set
from tailorbird.services.advance import Engine
from tailorbird.services.append import Appender
from tailorbird.services.publish import Publisher
from tailorbird.services.seen import Seen
from tailorbird.services.send import Delivery
from tailorbird.services.working_set import WorkingSet
from tailorbird.testing.simulation import simulate, storage

SEEDS = 200


def problems_found(words: str, **plan: Any) -> list[str]:
    """Return what the first seed that fails says; the words have to be in one of its problems.

    `plan` makes the trouble frequent under which a rare fault shows.
    """
    for seed in range(SEEDS):
        found = simulate(seed, **plan).problems
        if any(words in one for one in found):
            return list(found)
    raise AssertionError(f"no problem with '{words}' within {SEEDS} seeds")


def test_the_offset_is_committed_before_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    real = WorkingSet.commit

    def commit(self: WorkingSet, offset: int, outbox_done: Any) -> None:
        self._store.commit(Commit(offset, [], [], []))
        real(self, offset, outbox_done)

    monkeypatch.setattr(WorkingSet, "commit", commit)
    assert problems_found("was lost")


def test_deduplication_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seen, "__contains__", lambda self, key: False)
    monkeypatch.setattr(Seen, "known", lambda self, keys: set())
    assert problems_found("lies in the log 2 times")


def test_deduplication_is_forgotten_by_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seen, "_fill", lambda self, log: None)
    assert problems_found("lies in the log 2 times")


def test_the_outbox_is_emptied_before_the_ledger_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Engine.forget_outbox

    def forget(self: Engine, kind: str, seq: int) -> None:
        real(self, kind, seq + 1 if kind == SEND else seq)

    monkeypatch.setattr(Engine, "forget_outbox", forget)
    assert problems_found("was lost")


def test_intents_are_not_on_disk_when_the_engine_forgets_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repeatable = storage._LEDGER_REPEATABLE | {"take_over"}
    monkeypatch.setattr(storage, "_LEDGER_REPEATABLE", repeatable)
    assert problems_found("was lost", power_seconds=1.0, crash_writes={"deliver": 3})


def test_a_merge_is_split_from_its_event(monkeypatch: pytest.MonkeyPatch) -> None:
    class Split:
        """A log that commits events first and who is who after them."""

        def __init__(self, log: Any) -> None:
            self._log = log

        def append(self, drafts: Sequence[Draft], now: int) -> list[Record]:
            order = sorted(range(len(drafts)), key=lambda index: drafts[index].kind != EVENT)
            count = sum(one.kind == EVENT for one in drafts)
            parts = (order[:count], order[count:])
            records: dict[int, Record] = {}
            for part in parts:
                if part:
                    made = self._log.append([drafts[index] for index in part], now)
                    records.update(zip(part, made, strict=True))
            return [records[index] for index in range(len(drafts))]

        def __getattr__(self, name: str) -> Any:
            return getattr(self._log, name)

    real = Appender.__init__

    def start(self: Appender, log: Any, *rest: Any) -> None:
        real(self, Split(log), *rest)

    monkeypatch.setattr(append.Appender, "__init__", start)
    assert problems_found("people", crash_writes={"writer": 5})


def test_suppression_is_read_from_a_stale_store(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stale:
        """What was known when the process began."""

        def __init__(self, store: Any) -> None:
            self._store = copy.deepcopy(store._target)

        def reason(self, address_hash: int, topic: str) -> str | None:
            found: str | None = self._store.reason(address_hash, topic)
            return found

    real = Delivery.__init__

    def start(self: Delivery, **parts: Any) -> None:
        real(self, **{**parts, "suppression": Stale(parts["suppression"])})

    monkeypatch.setattr(Delivery, "__init__", start)
    assert problems_found("after the unsubscription", seconds=20.0, kill_seconds=0.0)


def test_a_deadline_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(profile_id: int, partition: int, state: bytes, *rest: Any) -> ProfileRow:
        return ProfileRow(profile_id, partition, state, None, rest[1])

    monkeypatch.setattr(working_set, "ProfileRow", row)
    assert problems_found("is wrong about")


def test_a_mail_leaves_before_the_ledger_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send.standing, "HANDING_OVER", "intent")
    assert problems_found("came 2 times")


def test_an_uncertain_mail_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    real = send.note

    def note(message: Any, answer: HandOverResult, now: int, resends_max: int = 0) -> None:
        real(message, answer, now, 1)

    monkeypatch.setattr(send, "note", note)
    assert problems_found("came 2 times", seconds=20.0)


def test_a_mail_does_not_wait_for_a_merge(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Delivery._profile
    monkeypatch.setattr(Delivery, "_profile", lambda self, one: (real(self, one)[0], True))
    slow = {"engine-0": 1.0, "engine-1": 1.0}
    assert problems_found("has no e-mail address", slow_seconds=slow)


def test_a_half_published_edit_is_taken_for_published(monkeypatch: pytest.MonkeyPatch) -> None:
    async def make_live(self: Publisher, version: str, filling: str = "") -> None:
        await self._activate(version)
        self._control.set("live_version", version)

    monkeypatch.setattr(Publisher, "_make_live", make_live)
    assert problems_found("engines live by", publish_seconds=0.7, crash_writes={"publisher": 4})
