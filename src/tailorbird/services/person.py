"""The person behind a profile id, as deliver reads them: across merges, from several states."""

from __future__ import annotations

from collections.abc import Sequence

from tailorbird.events.event import partition_of
from tailorbird.ports.state_store import StateStore
from tailorbird.profiles.state import decode
from tailorbird.services.message_record import ReadProfile

_REDIRECTS_MAX = 20


def read_person(
    states: Sequence[StateStore], offsets: Sequence[int], profile_id: int
) -> tuple[ReadProfile | None, bool]:
    """Return who a profile is by now, and whether all that is known of the person is in it.

    Between the records of a merge a winner lacks what the loser knew, an address or a withdrawn
    consent; and its engine may not have come to the merge yet. `offsets` are what the states had
    reached before they are read here.
    """
    merged_at = 0
    for _ in range(_REDIRECTS_MAX):
        index = partition_of(profile_id) % len(states)
        found = states[index].profiles([profile_id])
        if not found:
            return None, not merged_at
        state = decode(found[profile_id])
        if not state.merged_into:
            read = ReadProfile(data=found[profile_id], offset=offsets[index], state=state)
            is_awaiting = state.expected or state.waiting_for or state.parked
            return read, not is_awaiting and state.updated_at >= merged_at
        if state.updated_at < merged_at:
            return None, False
        profile_id, merged_at = state.merged_into, state.updated_at
    return None, True
