"""Messages whose person is being put together: they wait, and nobody is refused meanwhile."""

from __future__ import annotations

import pytest

from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.events.event import Record
from tailorbird.ports.mail_sender import Accepted, Unreachable
from tailorbird.profiles.state import ProfileState, TraitValue
from tailorbird.testing.building import DAY, HOUR, MINUTE, SECOND, START
from tailorbird.testing.sending import World


def test_a_merged_person_gets_it_under_the_winner() -> None:
    world = World(states=[MemoryStateStore(), MemoryStateStore()])
    world.person(67)
    world.store(ProfileState(64, START, START, 1, merged_into=67))
    world.wants(64, "e1")
    world.works()
    assert world.mails[0][0] == "Ada67@shop.example"
    assert world.message("e1").profile_id == 67


def merging(*, at: int = START, **changes: object) -> ProfileState:
    """The winner of a merge, who has no address of its own."""
    state = ProfileState(67, START, at, 1)
    for name, value in changes.items():
        setattr(state, name, value)
    return state


@pytest.mark.parametrize(
    "winner",
    [
        None,
        merging(at=START - 1),
        merging(expected={"m": []}),
        merging(waiting_for={"m": START}),
        merging(parked=[Record(9, 3, START, "event", 67, b"")]),
        merging(at=START - 1, merged_into=65),
    ],
    ids=["not there yet", "behind", "expects", "waits", "parked", "merged before"],
)
def test_a_message_waits_while_its_person_is_put_together(winner: ProfileState | None) -> None:
    # Found by the simulation, seed 14: an order was "suppressed" for want of the address that
    # the loser's state brought a second later.
    world = World(states=[MemoryStateStore(), MemoryStateStore()])
    world.person(65)
    world.store(ProfileState(64, START, START, 1, merged_into=67))
    if winner is not None:
        world.store(winner)
    world.wants(64, "e1", kind="transactional")
    world.works()
    assert (world.status("e1"), world.mails) == ("intent", [])
    assert "a merge" in world.message("e1").reason
    assert world.ledger.unfinished(world.at) == 1
    world.person(67)
    world.works()
    assert (world.status("e1"), world.mails[0][0]) == ("sent", "Ada67@shop.example")


def test_after_an_hour_what_is_known_of_a_merging_person_has_to_do() -> None:
    world = World()
    world.store(
        merging(expected={"m": []}, traits={"email": TraitValue("ada@shop.example", START, 1)})
    )
    world.wants(67, "e1", kind="transactional", expires_at=START + DAY)
    world.works()
    world.at += HOUR - 1
    world.works()
    assert world.status("e1") == "intent"
    world.at += 1
    world.works()
    assert world.status("e1") == "sent"


@pytest.mark.parametrize(
    "winner", [None, merging(expected={"m": []})], ids=["not there yet", "expects"]
)
def test_a_merge_under_way_refuses_nobody_before_the_message_expires(
    winner: ProfileState | None,
) -> None:
    # Found by the simulation, seed 146868: the loser's engine lay down while the clock jumped an
    # hour, and an order was "suppressed" for want of the address that it had.
    world = World(states=[MemoryStateStore(), MemoryStateStore()])
    world.store(ProfileState(64, START, START, 1, merged_into=67))
    if winner is not None:
        world.store(winner)
    for effect_id in ("e1", "e2"):
        world.wants(64, effect_id, kind="transactional", expires_at=START + 3 * HOUR)
    world.works()
    world.at += 2 * HOUR
    world.works()
    assert "a merge" in world.message("e1").reason
    assert world.ledger.unfinished(world.at + SECOND) == 2
    if winner is None:
        world.at += HOUR + 1
        world.works()
        assert (world.status("e1"), world.mails) == ("expired", [])
    else:
        world.person(67)
        world.at += SECOND
        world.works()
        assert [world.status("e1"), world.status("e2")] == ["sent", "sent"]


def test_a_winner_whose_engine_fell_back_behind_the_merge_is_waited_for() -> None:
    world = World(states=[MemoryStateStore(), MemoryStateStore()])
    world.store(ProfileState(64, START, START, 1, merged_into=67))
    world.person(67, consent=None)
    world.wants(64, "e1", expires_at=START + DAY, kind="transactional")
    world.answer = lambda _: Unreachable(reason="no answer")
    world.works()
    assert world.message("e1").profile_id == 67
    world.states[1] = MemoryStateStore()
    world.delivery = world.opened()
    world.answer = lambda _: Accepted(answer="250 OK")
    world.at += HOUR // 2
    world.works()
    assert (world.status("e1"), world.mails) == ("intent", [])
    world.person(67)
    world.works()
    assert world.status("e1") == "sent"


def test_what_expired_while_its_engine_had_fallen_back_is_expired() -> None:
    # Found by the simulation, seed 701834: it was "failed", as if the person had been erased.
    world = World()
    world.wants(65, "e1", offset=9, expires_at=START + MINUTE)
    world.at += MINUTE + 1
    world.works()
    assert world.status("e1") == "expired"
