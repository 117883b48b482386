"""What every state store must do. Each check is a function of one empty store; see `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailorbird.ports.state_store import (
    HAND_OVER,
    SEND,
    Commit,
    MembershipRow,
    OutboxRow,
    ProfileRow,
    StateStore,
    SweepRow,
)


def commit(offset: int = 1, **changes: Any) -> Commit:
    """Return a commit of nothing, to be varied."""
    values: dict[str, Any] = {"profiles": (), "memberships": (), "outbox": (), **changes}
    return Commit(offset=offset, **values)


def profile(profile_id: int, deadline: int | None = None, **changes: Any) -> ProfileRow:
    """Return a profile of partition `profile_id % 64`."""
    return ProfileRow(profile_id, profile_id % 64, b"state", deadline, **changes)


def effect(effect_id: str, kind: str = SEND) -> OutboxRow:
    """Return an outbox row to be numbered."""
    return OutboxRow(0, effect_id, kind, 1, 5, 65, b"body")


def check_a_new_store_is_empty(store: StateStore) -> None:
    """Nothing is in it, and asking does no harm."""
    assert store.offset() == 0
    assert store.count() == 0
    assert store.versions() == {}
    assert store.profiles([1, 2]) == {}
    assert store.due_partitions(10**18) == {}
    assert store.outbox(0, 10) == []
    assert store.segment_sizes() == {}
    assert store.members("none", -1, 10) == []
    assert store.poisoned(10) == []
    assert store.poison_count() == 0


def check_sweeps_come_further_and_end(store: StateStore) -> None:
    """Each partition's own sweep; who was activated ahead is forgotten with it."""
    rows = [SweepRow(1, 7, "v1"), SweepRow(2, 8, "v1", 130, 5)]
    store.commit(commit(8, sweeps=rows, swept=[1, 2]))
    assert store.sweeps() == rows
    store.commit(commit(9, sweeps=[SweepRow(1, 7, "v1", 65, 4)], swept=[66]))
    assert store.sweeps() == [SweepRow(1, 7, "v1", 65, 4), rows[1]]
    assert store.swept() == {1, 2, 66}
    store.commit(commit(9, sweeps_done=[2]))
    assert [row.partition for row in store.sweeps()] == [1]
    assert store.swept() == {1}


def check_profiles_are_replaced(store: StateStore) -> None:
    """The latest state of a profile counts; unknown ones are left out."""
    store.commit(commit(4, profiles=[profile(1), profile(65)], growth=2))
    store.commit(commit(9, profiles=[ProfileRow(1, 1, b"newer", None)], versions={1: "v1"}))
    assert store.profiles([1, 2, 65]) == {1: b"newer", 65: b"state"}
    assert store.offset() == 9
    assert store.count() == 2
    assert store.versions() == {1: "v1"}


def check_those_merged_away_do_not_count(store: StateStore) -> None:
    """A tombstone is kept but is no person."""
    store.commit(commit(1, profiles=[profile(1), profile(2)], growth=2))
    merged = [profile(1, is_merged=True), profile(3, is_merged=True)]
    store.commit(commit(2, profiles=merged, growth=-1))
    assert store.count() == 1
    assert set(store.profiles([1, 2, 3])) == {1, 2, 3}


def check_deadlines_are_found_by_partition(store: StateStore) -> None:
    """A deadline equal to the instant is due; the latest one of a profile counts."""
    store.commit(
        commit(1, profiles=[profile(65, 50), profile(1, 40), profile(2, 60), profile(129)])
    )
    assert store.due(1, 49) == [1]
    assert store.due(1, 50) == [1, 65]
    assert store.due_partitions(39) == {}
    assert store.due_partitions(60) == {1: 40, 2: 60}
    store.commit(commit(2, profiles=[profile(1, None), profile(2, 90)]))
    assert store.due(1, 100) == [65]
    assert store.due_partitions(60) == {1: 50}


def check_profile_ids_are_paged(store: StateStore) -> None:
    """In rising order, of one partition."""
    store.commit(commit(1, profiles=[profile(64 * number + 3) for number in (4, 1, 3, 0, 2)]))
    store.commit(commit(2, profiles=[profile(5)]))
    assert store.profile_ids(3, -1, 3) == [3, 67, 131]
    assert store.profile_ids(3, 131, 3) == [195, 259]
    assert store.profile_ids(4, -1, 3) == []


def check_members_are_listed_and_counted(store: StateStore) -> None:
    """Changes are in order; one that says what is so already changes no count."""
    rows = [
        MembershipRow("vip", 1, True, 10, "record"),
        MembershipRow("vip", 2, True, 11, "time"),
        MembershipRow("vip", 1, False, 12, "record"),
        MembershipRow("vip", 1, True, 13, "record"),
        MembershipRow("new", 3, True, 14, "import"),
    ]
    store.commit(commit(1, memberships=rows))
    assert store.segment_sizes() == {"vip": 2, "new": 1}
    assert store.members("vip", -1, 10) == [(1, 13), (2, 11)]
    assert store.members("vip", 1, 10) == [(2, 11)]
    again = [MembershipRow("vip", 2, True, 9, "merge"), MembershipRow("new", 9, False, 20, "time")]
    store.commit(commit(2, memberships=again))
    assert store.segment_sizes() == {"vip": 2, "new": 1}
    assert store.members("vip", 1, 10) == [(2, 9)]
    store.commit(commit(3, memberships=[MembershipRow("new", 3, False, 21, "time")]))
    assert store.segment_sizes() == {"vip": 2, "new": 0}


def check_the_outbox_numbers_and_forgets(store: StateStore) -> None:
    """An effect that waits already is not put in twice; each kind is forgotten by itself."""
    store.commit(commit(1, outbox=[effect("a"), effect("h", HAND_OVER), effect("b")]))
    store.commit(commit(2, outbox=[effect("b"), effect("c")]))
    sends, hand_overs = store.outbox(0, 10), store.outbox(0, 10, HAND_OVER)
    assert [row.effect_id for row in sends] == ["a", "b", "c"]
    assert [row.effect_id for row in hand_overs] == ["h"]
    numbers = [row.seq for row in sends]
    assert numbers == sorted(set(numbers))
    assert store.outbox(numbers[0], 1) == [sends[1]]
    assert (sends[0].kind, sends[0].partition, sends[0].offset) == (SEND, 1, 5)
    assert (sends[0].profile_id, sends[0].body) == (65, b"body")
    store.commit(commit(3, outbox_done={SEND: numbers[1]}))
    assert [row.effect_id for row in store.outbox(0, 10)] == ["c"]
    assert store.outbox(0, 10, HAND_OVER) == hand_overs
    store.commit(commit(4, outbox_done={SEND: numbers[2], HAND_OVER: numbers[2]}))
    store.commit(commit(5, outbox=[effect("d")]))
    assert store.outbox(0, 10)[0].seq > numbers[2]


def check_numbers_can_be_made_to_go_on_above(store: StateStore) -> None:
    """After a fall back, readers of the outbox must not miss what comes."""
    store.number_outbox_after(100)
    store.commit(commit(1, outbox=[effect("a")]))
    assert store.outbox(100, 10)[0].seq == 101
    store.number_outbox_after(50)
    store.commit(commit(2, outbox=[effect("b")]))
    assert [row.seq for row in store.outbox(0, 10)] == [101, 102]


def check_poison_is_kept(store: StateStore) -> None:
    """Newest first."""
    store.commit(commit(9, poison=[(3, "three"), (9, "nine")]))
    assert store.poisoned(10) == [(9, "nine"), (3, "three")]
    assert store.poisoned(1) == [(9, "nine")]
    assert store.poison_count() == 2


CHECKS: tuple[Callable[[StateStore], None], ...] = (
    check_a_new_store_is_empty,
    check_sweeps_come_further_and_end,
    check_profiles_are_replaced,
    check_those_merged_away_do_not_count,
    check_deadlines_are_found_by_partition,
    check_profile_ids_are_paged,
    check_members_are_listed_and_counted,
    check_the_outbox_numbers_and_forgets,
    check_numbers_can_be_made_to_go_on_above,
    check_poison_is_kept,
)
