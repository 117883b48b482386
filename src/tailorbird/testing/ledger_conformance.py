"""What every ledger must do; adapters' tests call `check_ledger` with a fresh one for each check.

Each check is a function of one empty ledger; `CHECKS` lists them for parametrized tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailorbird.ports import ledger as standing
from tailorbird.ports.ledger import Ledger, Message

_SECOND = 1_000_000


def message(effect_id: str, **changes: Any) -> Message:
    """Return an intent to be varied."""
    values: dict[str, Any] = {
        "state": 0,
        "profile_id": 7,
        "journey": "welcome",
        "step": "mail",
        "template": "welcome",
        "kind": "marketing",
        "topic": "offers",
        "due_at": 10,
        "expires_at": 10 + 60 * _SECOND,
        "created_at": 20,
        "next_attempt_at": 10,
        "effect": b"effect",
        **changes,
    }
    return Message(effect_id=effect_id, **values)


def an_effect_becomes_one_message(ledger: Ledger) -> None:
    """Taking over again, after the state fell back, changes nothing."""
    ledger.take_over(0, [message("a"), message("b")], 2)
    (first, *_) = ledger.waiting(100, 10)
    first.status, first.finished_at, first.record = standing.SENT, 30, b"record"
    ledger.update([first])
    ledger.take_over(0, [message("a", subject="again")], 3)
    found = ledger.message("a")
    assert found is not None
    assert (found.status, found.subject, found.record) == (standing.SENT, "", b"record")
    assert ledger.counts() == {standing.SENT: 1, standing.INTENT: 1}


def each_state_has_its_own_cursor(ledger: Ledger) -> None:
    """Cursors start at 0, move alone, and also without messages."""
    ledger.take_over(0, [message("a")], 5)
    ledger.take_over(1, [], 9)
    assert [ledger.cursor(state) for state in (0, 1, 2)] == [5, 9, 0]


def only_what_is_due_waits(ledger: Ledger) -> None:
    """The longest due comes first; what is finished or later does not come."""
    ledger.take_over(
        0,
        [
            message("late", next_attempt_at=50),
            message("early", next_attempt_at=40),
            message("held", next_attempt_at=60, status=standing.HELD),
            message("tomorrow", next_attempt_at=101),
            message("done", status=standing.SENT),
        ],
        5,
    )
    assert [one.effect_id for one in ledger.waiting(100, 10)] == ["early", "late", "held"]
    assert [one.effect_id for one in ledger.waiting(100, 1)] == ["early"]


def a_crash_leaves_unknowns(ledger: Ledger) -> None:
    """What was being handed over is settled once, with a reason."""
    ledger.take_over(0, [message("a"), message("b")], 2)
    (first, *_) = ledger.waiting(100, 10)
    first.status = standing.HANDING_OVER
    ledger.update([first])
    assert ledger.recover(500) == 1
    assert ledger.recover(600) == 0
    found = ledger.message(first.effect_id)
    assert found is not None
    assert (found.status, found.finished_at, bool(found.reason)) == (standing.UNKNOWN, 500, True)


def what_a_crash_caught_can_be_sent_again(ledger: Ledger) -> None:
    """Up to a number of attempts it becomes an intent that is due at once."""
    ledger.take_over(0, [message("a"), message("b")], 2)
    first, second = ledger.waiting(100, 10)
    first.status = second.status = standing.HANDING_OVER
    first.attempts, second.attempts = 2, 3
    ledger.update([first, second])
    assert ledger.recover(500, resends_max=2) == 1
    assert [one.effect_id for one in ledger.waiting(500, 10)] == [first.effect_id]
    found = ledger.message(second.effect_id)
    assert found is not None
    assert found.status == standing.UNKNOWN


def what_is_due_can_wait_together(ledger: Ledger) -> None:
    """Postponing moves all that is due and nothing else."""
    ledger.take_over(
        0,
        [message("a"), message("b", status=standing.HELD), message("later", next_attempt_at=101)],
        3,
    )
    ledger.postpone(100, 150, "away")
    assert ledger.waiting(100, 10) == []
    assert [one.effect_id for one in ledger.waiting(149, 10)] == ["later"]
    assert {one.reason for one in ledger.waiting(150, 10)} == {"away", ""}
    assert ledger.counts() == {standing.INTENT: 2, standing.HELD: 1}


def caps_see_what_may_have_arrived(ledger: Ledger) -> None:
    """Sent and unknown marketing mail of the address counts, after the instant."""
    done = {"status": standing.SENT, "address": "a@x.example"}
    ledger.take_over(
        0,
        [
            message("old", finished_at=100, **done),
            message("new", finished_at=101, **done),
            message("perhaps", finished_at=102, **{**done, "status": standing.UNKNOWN}),
            message("failed", finished_at=103, **{**done, "status": standing.FAILED}),
            message("receipt", finished_at=104, kind="transactional", **done),
            message("other", finished_at=105, **{**done, "address": "b@x.example"}),
        ],
        6,
    )
    assert sorted(ledger.marketing_sent_at("a@x.example", 100)) == [101, 102]
    assert ledger.capped(100, 1) == {"a@x.example", "b@x.example"}
    assert ledger.capped(100, 2) == {"a@x.example"}
    assert ledger.capped(101, 2) == set()


def an_outcome_is_reported_once(ledger: Ledger) -> None:
    """Finished messages wait for their report."""
    ledger.take_over(
        0,
        [message("a", status=standing.SENT), message("b"), message("c", status=standing.FAILED)],
        3,
    )
    assert [one.effect_id for one in ledger.unreported(10)] == ["a", "c"]
    assert ledger.unfinished(100) == 3
    ledger.mark_reported(["a", "c"])
    assert ledger.unreported(10) == []
    assert ledger.unfinished(100) == 1
    assert ledger.unfinished(5) == 0


def lists_are_newest_first(ledger: Ledger) -> None:
    """Filters narrow, records are left out."""
    ledger.take_over(
        0,
        [
            message("a", created_at=1, record=b"r"),
            message("b", created_at=2, profile_id=8),
            message("c", created_at=3, status=standing.SENT),
        ],
        3,
    )
    listed = ledger.messages()
    assert [one.effect_id for one in listed] == ["c", "b", "a"]
    assert all(one.record == b"" for one in listed)
    assert [one.effect_id for one in ledger.messages(profile_ids=[7])] == ["c", "a"]
    assert [one.effect_id for one in ledger.messages(profile_ids=[])] == []
    assert [one.effect_id for one in ledger.messages(status=standing.SENT)] == ["c"]
    assert [one.effect_id for one in ledger.messages(before=3, limit=1)] == ["b"]
    assert ledger.message("nobody") is None


def counts_follow_every_change(ledger: Ledger) -> None:
    """By status, and by journey and status; nothing is listed with 0."""
    ledger.take_over(0, [message("a"), message("b", journey="thanks")], 2)
    (first, *_) = ledger.waiting(100, 1)
    first.status = standing.HELD
    ledger.update([first])
    assert ledger.counts() == {standing.HELD: 1, standing.INTENT: 1}
    assert ledger.counts_by_journey() == {
        "welcome": {standing.HELD: 1},
        "thanks": {standing.INTENT: 1},
    }


def the_first_rendering_stays(ledger: Ledger) -> None:
    """Later messages are compressed against it, so it must not change."""
    assert ledger.rendering("k") == b""
    assert ledger.rendering("k", b"one") == b"one"
    assert ledger.rendering("k", b"two") == b"one"
    assert ledger.rendering("k") == b"one"


def what_a_restore_holds_waits_to_be_released(ledger: Ledger) -> None:
    """Due by then, arisen behind the log's end, being handed over: nothing else may free them."""
    ledger.take_over(
        0,
        [
            message("due", due_at=10),
            message("later", due_at=500, next_attempt_at=500),
            message("lost", due_at=500, next_attempt_at=500, required_offset=9),
            message("leaving", due_at=500, next_attempt_at=10),
            message("done"),
        ],
        5,
    )
    for one in ledger.waiting(100, 10):
        if one.effect_id == "leaving":
            one.status, one.attempts = standing.HANDING_OVER, 1
        elif one.effect_id == "done":
            one.status, one.finished_at = standing.SENT, 30
        ledger.update([one])
    ledger.mark_reported(["done"])
    assert ledger.put_on_hold(100, 8) == 3
    assert ledger.recover(200, 2) == 0
    assert [one.effect_id for one in ledger.on_hold(10)] == ["due", "lost", "leaving"]
    assert [one.effect_id for one in ledger.waiting(1_000, 10)] == ["later"]
    assert ledger.count_on_hold() == 3
    assert ledger.release(600, ["due", "nobody", "done"]) == 1
    assert [one.effect_id for one in ledger.waiting(600, 10)] == ["later", "due"]
    assert ledger.drop(700, "dropped", ["leaving"]) == 1
    found = ledger.message("leaving")
    assert found is not None
    assert (found.status, found.reason, found.finished_at) == (standing.SUPPRESSED, "dropped", 700)
    assert ledger.release(800) == 1
    assert ledger.count_on_hold() == 0
    lost = ledger.message("lost")
    assert lost is not None
    assert (lost.required_offset, lost.next_attempt_at) == (8, 800)


def outcomes_can_be_reported_again(ledger: Ledger) -> None:
    """A log that was restored may lack what the ledger has reported."""
    ledger.take_over(0, [message("old"), message("new")], 2)
    for at, one in zip((50, 90), ledger.waiting(100, 10), strict=True):
        one.status, one.finished_at, one.reported = standing.SENT, at, True
        ledger.update([one])
    assert ledger.unreported(10) == []
    ledger.report_again(60)
    assert [one.effect_id for one in ledger.unreported(10)] == ["new"]


CHECKS: tuple[Callable[[Ledger], None], ...] = (
    an_effect_becomes_one_message,
    each_state_has_its_own_cursor,
    only_what_is_due_waits,
    a_crash_leaves_unknowns,
    what_a_crash_caught_can_be_sent_again,
    what_is_due_can_wait_together,
    caps_see_what_may_have_arrived,
    an_outcome_is_reported_once,
    lists_are_newest_first,
    counts_follow_every_change,
    the_first_rendering_stays,
    what_a_restore_holds_waits_to_be_released,
    outcomes_can_be_reported_again,
)
