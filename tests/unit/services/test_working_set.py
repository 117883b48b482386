"""What an engine holds in memory is never another thing than what it will store."""

from __future__ import annotations

from collections import Counter

import pytest

from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.events.event import partition_of
from tailorbird.profiles.state import ProfileState, decode, encode
from tailorbird.reducer.reduction import Reduction
from tailorbird.services import working_set
from tailorbird.services.working_set import WorkingSet


@pytest.fixture
def store() -> MemoryStateStore:
    return MemoryStateStore()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each profile has been decoded."""
    counted: Counter[int] = Counter()

    def count(data: bytes) -> ProfileState:
        state = decode(data)
        counted[state.profile_id] += 1
        return state

    monkeypatch.setattr(working_set, "decode", count)
    return counted


def come(work: WorkingSet, profile_id: int, *, now: int = 1, rests: bool = True) -> None:
    """Let a record of a profile be reduced."""
    state = work.get(profile_id) or ProfileState(profile_id, 0, 0, 0)
    state.updated_at = now
    work.keep(Reduction(state), partition_of(profile_id), now)
    if rests:
        work.rest(profile_id)


def merge(work: WorkingSet, profile_id: int, winner_id: int) -> None:
    state = work.get(profile_id)
    assert state is not None
    state.merged_into = winner_id
    work.keep(Reduction(state), partition_of(profile_id), 1)
    work.rest(profile_id)


def stored(store: MemoryStateStore, profile_id: int) -> ProfileState:
    return decode(store.profiles([profile_id])[profile_id])


def test_the_latest_state_is_stored_however_often_a_profile_rested(
    store: MemoryStateStore,
) -> None:
    work = WorkingSet(store)
    come(work, 1, now=5)
    come(work, 1, now=6)
    come(work, 2, now=7, rests=False)
    work.commit(2, {})
    assert [stored(store, one).updated_at for one in (1, 2)] == [6, 7]
    come(work, 1, now=8)
    come(work, 1, now=9, rests=False)
    work.commit(4, {})
    assert stored(store, 1).updated_at == 9


def test_who_came_once_is_decoded_again_and_who_comes_again_stays_decoded(
    store: MemoryStateStore, decoded: Counter[int]
) -> None:
    work = WorkingSet(store)
    for one in (1, 2):
        come(work, one)
    work.commit(2, {})
    for now in range(3, 9):
        work.load([1])
        come(work, 1, now=now)
        work.commit(now, {})
    assert decoded == {1: 1}
    assert stored(store, 1).updated_at == 8


def test_memory_holds_no_more_profiles_than_allowed(store: MemoryStateStore) -> None:
    work = WorkingSet(store, hot_max=3)
    for now in range(1, 4):
        for one in range(1, 9):
            come(work, one, now=now)
        work.commit(now, {})
        assert len(work._decoded) <= 3
        assert len(work._encoded) <= 3
        assert work._new <= work._decoded.keys() | work._encoded.keys()
    assert {stored(store, one).updated_at for one in range(1, 9)} == {3}


def test_those_longest_not_asked_for_go_first(
    store: MemoryStateStore, decoded: Counter[int]
) -> None:
    work = WorkingSet(store, hot_max=2)
    for one in (1, 2):
        come(work, one)
        come(work, one)
    work.commit(2, {})
    decoded.clear()
    work.load([1])
    come(work, 3)
    come(work, 3)
    work.commit(4, {})
    come(work, 1)
    come(work, 2)
    assert decoded == {3: 1, 2: 1}


def test_a_reduction_that_failed_leaves_what_rested_before(store: MemoryStateStore) -> None:
    work = WorkingSet(store)
    come(work, 1, now=5)
    mark = work.mark(1)
    state = work.get(1)
    assert state is not None
    state.updated_at = 6  # and then it fails
    work.go_back(mark)
    work.rest(1)
    work.commit(1, {})
    assert stored(store, 1).updated_at == 5


def test_a_deadline_is_taken_away_after_a_rest(store: MemoryStateStore) -> None:
    work = WorkingSet(store)
    state = ProfileState(1, 0, 0, 0, deadline=7)
    out = Reduction(state)
    out.deadline = 7
    assert work.get(1) is None
    work.keep(out, 1, 1)
    work.rest(1)
    assert work.due(1, 7) == [1]
    work.silence(1)
    work.commit(1, {})
    assert store.due(1, 7) == []
    assert store.profiles([1]) == {1: encode(state)}


def test_the_store_is_told_how_many_live(store: MemoryStateStore) -> None:
    work = WorkingSet(store)
    for one in (1, 2, 3):
        come(work, one)
    come(work, 1)
    merge(work, 3, 1)  # born and merged away between two commits
    work.commit(1, {})
    assert store.count() == 2
    merge(work, 2, 1)
    assert work.get(4) is None  # somebody was only looked for
    come(work, 2)
    work.commit(2, {})
    assert store.count() == 1
    merge(work, 2, 1)
    work.commit(3, {})
    assert store.count() == 1
    merge(work, 2, 0)  # different people after all
    work.commit(4, {})
    assert store.count() == 2


def test_what_was_not_committed_is_forgotten_by_a_reset(store: MemoryStateStore) -> None:
    work = WorkingSet(store)
    come(work, 1, now=5)
    work.commit(1, {})
    come(work, 1, now=6)
    come(work, 2, now=6)
    work.reset()
    assert work.get(2) is None
    state = work.get(1)
    assert state is not None
    assert state.updated_at == 5
