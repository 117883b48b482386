"""The log's writer: what one commit holds, and what a restart finds again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailorbird.adapters.files.seen_days import FileSeenDays
from tailorbird.adapters.memory.event_log import MemoryEventLog
from tailorbird.adapters.memory.identity_store import MemoryIdentityStore
from tailorbird.adapters.memory.suppression_store import MemorySuppressionStore
from tailorbird.base.hashing import hash64
from tailorbird.delivery.suppression import address_hash, changes_of
from tailorbird.events.event import (
    EVENT,
    LINK,
    MERGE_IN,
    MERGE_OUT,
    Record,
    decode_event,
    partition_of,
    profile_id_of,
)
from tailorbird.ports.event_log import Draft, LogProblem
from tailorbird.ports.log_writer import EventDraft
from tailorbird.services.append import Appender
from tailorbird.testing.building import DAY, START, workspace_of
from tailorbird.testing.embedded import World, event_draft


def world_of(log: MemoryEventLog | None = None) -> World:
    return World({"v1": workspace_of()}, log=log)


def kinds(records: list[Record]) -> list[tuple[str, int]]:
    return [(record.kind, record.profile_id) for record in records]


def test_a_commit_links_before_it_tells() -> None:
    world = world_of()
    (answer,) = world.add(event_draft("viewed", "m1", START, "u", "a"))
    records = world.log.read(0, 10)
    assert kinds(records) == [(LINK, answer.profile_id), (EVENT, answer.profile_id)]
    assert answer.offset == records[1].offset
    assert decode_event(records[1]).message_id == "m1"
    world.add(event_draft("viewed", "m2", START, "u", "a"))
    assert kinds(world.log.read(2, 10)) == [(EVENT, answer.profile_id)]


def test_events_of_one_commit_know_what_the_ones_before_said() -> None:
    world = world_of()
    answers = world.add(
        event_draft("viewed", "m1", START, None, "a"),
        event_draft("viewed", "m2", START, "u", None),
        event_draft("identified", "m3", START, "u", "a"),
        event_draft("viewed", "m4", START, None, "a"),
    )
    visitor, user, *rest = (answer.profile_id for answer in answers)
    assert visitor != user
    assert rest == [user, user]
    assert kinds(world.log.read(4, 10)) == [
        (MERGE_OUT, visitor),
        (MERGE_IN, user),
        (EVENT, user),
        (EVENT, user),
    ]
    assert world.identity.find("anonymous_id", "a") == user


def test_our_own_events_find_their_profile_through_merges_and_link_nothing() -> None:
    world = world_of()
    visitor = world.add(event_draft("viewed", "m1", START, None, "a"))[0].profile_id
    user = world.add(event_draft("viewed", "m2", START, "u", None))[0].profile_id
    world.add(event_draft("identified", "m3", START, "u", "a"))
    own = event_draft("email_sent", "m4", START)
    own.identifiers = [("profile_id", str(visitor))]
    end = world.log.end()
    assert world.add(own)[0].profile_id == user
    assert kinds(world.log.read(end, 10)) == [(EVENT, user)]


def test_stamps_rise_when_the_clock_goes_back() -> None:
    world = world_of()
    world.add(event_draft("viewed", "m1", START, "u"))
    world.clock.at -= DAY
    world.add(event_draft("viewed", "m2", START, "u"))
    stamps = [record.now for record in world.log.read(0, 10)]
    assert stamps == [START, START + 1, START + 2]
    assert world.appender.now() == START + 2


def test_duplicates_are_known_for_a_day_and_after_a_restart() -> None:
    log = MemoryEventLog()
    world = world_of(log)
    world.add(event_draft("viewed", "m1", START, "u"))
    world.clock.at += DAY - 1
    assert world.add(event_draft("viewed", "m1", START, "u"))[0].status == "duplicate"
    world.add(event_draft("viewed", "m2", START, "u"))
    again = world_of(log)
    assert again.add(event_draft("viewed", "m1", START, "u"))[0].status == "duplicate"
    for days in range(3):
        again.clock.at = START + (days + 2) * DAY
        again.add(event_draft("viewed", f"later{days}", START, "u"))
    assert again.add(event_draft("viewed", "m1", START, "u"))[0].status == "accepted"


def test_the_same_message_id_in_two_lanes_is_two_events() -> None:
    world = world_of()
    first, second = world.add(
        event_draft("viewed", "m1", START, "u1"), event_draft("viewed", "m1", START, "u2")
    )
    assert [first.status, second.status] == ["accepted", "accepted"]


def test_ready_records_share_the_commit_and_the_deduplication() -> None:
    world = world_of()
    person = profile_id_of("user_id", "u")
    absorb = Draft(partition_of(person), "absorb", person, b"", hash64("effect"))
    events, drafts = world.appender.write(
        [event_draft("viewed", "m1", START, "u")], [absorb, absorb]
    )
    assert [one.status for one in [*events, *drafts]] == ["accepted", "accepted", "duplicate"]
    assert drafts[0].offset == world.log.end()


def test_records_without_a_key_all_count_and_are_not_remembered() -> None:
    world = world_of()
    _, told = world.appender.write([], [Draft(one, "tick", 0, b"") for one in (1, 1, 2)])
    assert [one.status for one in told] == ["accepted"] * 3
    assert 0 not in world.appender._seen


def test_an_unsubscribe_counts_before_the_answer_and_after_a_restart() -> None:
    log = MemoryEventLog()
    world = world_of(log)
    leaving = event_draft(
        "unsubscribed", "m1", START, "u", properties={"email": "Ann@shop.example", "topic": "*"}
    )
    world.add(leaving)
    address = address_hash("ann@shop.example")
    assert world.suppression.reason(address, "offers") is not None
    assert world_of(log).suppression.reason(address, "offers") is not None


def test_identity_is_found_again_from_the_log_alone() -> None:
    log = MemoryEventLog()
    world = world_of(log)
    world.add(event_draft("viewed", "m1", START, None, "a"))
    world.add(event_draft("viewed", "m2", START, "u", None))
    world.add(event_draft("identified", "m3", START, "u", "a", email="e@shop.example"))
    again = world_of(log)
    for kind, value in (("user_id", "u"), ("anonymous_id", "a"), ("email", "e@shop.example")):
        assert again.identity.find(kind, value) == world.identity.find(kind, value) is not None
    assert again.identity.offset() == log.end()


def test_bytes_that_are_no_event_do_not_stop_a_restart() -> None:
    log = MemoryEventLog()
    world_of(log).add(EventDraft([("user_id", "u")], 5, b"\xc1 not msgpack"))
    assert world_of(log).identity.find("user_id", "u") is not None


class RefusingLog(MemoryEventLog):
    is_full = False

    def append(self, drafts: list[Draft], now: int) -> list[Record]:  # type: ignore[override]
        if self.is_full:
            raise LogProblem("disk full", is_retry_safe=True)
        return super().append(drafts, now)


def test_what_the_log_refuses_leaves_no_trace() -> None:
    log = RefusingLog()
    world = world_of(log)
    log.is_full = True
    event = event_draft("viewed", "m1", START, "u")
    with pytest.raises(LogProblem):
        world.add(event)
    assert world.identity.find("user_id", "u") is None
    log.is_full = False
    assert world.add(event)[0].status == "accepted"


def test_how_far_derived_stores_have_come_is_noted_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tailorbird.services.append._OFFSETS_PER_NOTE", 10)
    world = world_of()
    for number in range(12):
        world.add(event_draft("viewed", f"m{number}", START, "u"))
    assert world.suppression.offset() >= 10
    # A store whose last notes are lost is caught up.
    fresh = MemoryIdentityStore()
    Appender(world.log, fresh, MemorySuppressionStore(), world.clock, changes_of)
    assert fresh.find("user_id", "u") == world.identity.find("user_id", "u")


def test_a_message_sent_again_after_days_is_known(tmp_path: Path) -> None:
    world, days = world_of(), FileSeenDays(tmp_path)
    appender = Appender(
        world.log, world.identity, world.suppression, world.clock, changes_of, days=days
    )
    world.clock.at = START
    first = event_draft("viewed", "m1", START, "u")
    assert appender.write([first])[0][0].status == "accepted"
    world.clock.at = START + 4 * DAY
    appender.write([event_draft("viewed", "m2", world.clock.at, "u")])
    appender.tidy()
    again = event_draft("viewed", "m1", START, "u")
    again.is_late = True
    assert appender.write([again])[0][0].status == "duplicate"
    other = event_draft("viewed", "m3", START, "u")
    other.is_late = True
    assert appender.write([other])[0][0].status == "accepted"
