"""Merging two profiles' states: what `absorb` does. Reading the merged whole is the reducer's."""

from __future__ import annotations

from tailorbird.events.event import Merge, Record
from tailorbird.language.program import Program
from tailorbird.profiles.fold import merge_facts
from tailorbird.profiles.state import ProfileState, Run, Started, encode
from tailorbird.reducer.effects import HandOver

# How long a winner waits for the loser's state, and how many records it keeps meanwhile.
PARKED_MAX = 100
PATIENCE = 5_000_000  # microseconds of log time
_KEYS_MAX = 100
_ABSORBED_MAX = 100


def hand_over(state: ProfileState, merge: Merge, now: int) -> HandOver:
    """Return the effect that carries a loser's state to the winner."""
    return HandOver(
        effect_id=merge.merge_id,
        winner_id=merge.winner_id,
        loser_id=merge.loser_id,
        merge_id=merge.merge_id,
        loser_now=now,
        state=encode(state),
    )


def tombstone(state: ProfileState, merge: Merge, now: int) -> ProfileState:
    """Return what stays of a loser: where it went."""
    return ProfileState(
        profile_id=state.profile_id,
        created_at=state.created_at,
        updated_at=now,
        origin=state.origin,
        merged_into=merge.winner_id,
        absorbed=state.absorbed,
    )


def expect(winner: ProfileState, merge_id: str) -> None:
    """Note at once that a loser's state will come, also where the record itself has to wait."""
    if merge_id not in winner.absorbed:
        winner.expected.setdefault(merge_id, [])


def drop_filled(winner: ProfileState, loser: ProfileState, merge_id: str) -> None:
    """Take from a loser's state what a back-fill of the winner has read since they merged.

    Losers that the loser itself still expects come to the winner: it expects them from here on.
    """
    filled = winner.expected.pop(merge_id, [])
    for cell in filled:
        loser.cells.pop(cell, None)
    for other, before in loser.expected.items():
        if other not in winner.absorbed:
            known = winner.expected.get(other, [])
            winner.expected[other] = sorted({*known, *before, *filled})


def absorb(
    program: Program, winner: ProfileState, loser: ProfileState, merge_id: str, now: int
) -> None:
    """Merge the loser into the winner, in place: as if all had happened to one person."""
    merge_facts(winner, loser)
    winner.cells = program.merge(winner.cells, loser.cells, now)
    winner.created_at = min(winner.created_at, loser.created_at)
    winner.runs = _merge_runs([*winner.runs, *loser.runs])
    for journey, started in loser.started.items():
        mine = winner.started.get(journey, Started(0, []))
        keys = [*started.keys, *(key for key in mine.keys if key not in started.keys)]
        winner.started[journey] = Started(max(mine.last_at, started.last_at), keys[-_KEYS_MAX:])
    winner.absorbed = [*winner.absorbed, merge_id][-_ABSORBED_MAX:]


def _merge_runs(runs: list[Run]) -> list[Run]:
    """Of two runs of one journey and key the older goes on."""
    kept: dict[tuple[str, str], Run] = {}
    for run in sorted(runs, key=lambda run: (run.started_at, run.origin)):
        kept.setdefault((run.journey, run.key), run)
    return list(kept.values())


def must_park(state: ProfileState, record: Record) -> bool:
    """Say whether a record has to wait for a loser's state that is on its way."""
    if not state.waiting_for or len(state.parked) >= PARKED_MAX:
        return False
    return record.now < waits_until(state)


def waits_until(state: ProfileState) -> int:
    """Return the instant at which a winner stops waiting."""
    return max(state.waiting_for.values()) + PATIENCE
