"""What a version would do to each person if it went live now, and in the days after.

The same steps as when it does: deadlines fire, accumulators that are new are filled from the log,
the conditions are asked. So what is counted here is what applying gives, as long as nothing comes
in between. States are read and never written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tailorbird.base.time import DAY
from tailorbird.events.event import PARTITIONS
from tailorbird.journeys.effects import SendMessage
from tailorbird.language.accumulators import Cells
from tailorbird.language.calendar import local_of
from tailorbird.ports.event_log import EventLog
from tailorbird.ports.state_store import StateStore
from tailorbird.profiles.state import ProfileState, decode
from tailorbird.reducer.reducer import Reducer
from tailorbird.reducer.reduction import Reduction
from tailorbird.services.backfill import backfill

DAYS_AHEAD = 7
SAMPLES = 5
_PAGE = 500


@dataclass(slots=True)
class Crossing:
    """Who is in a segment before and after, and who crosses its border by the change alone."""

    before: int = 0
    after: int = 0
    entering: int = 0
    leaving: int = 0
    entering_sample: list[int] = field(default_factory=list)  # profile ids
    leaving_sample: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Inside:
    """What becomes of the people who are in a journey."""

    people: int = 0
    go_on: int = 0
    finish_former: int = 0
    leave: int = 0
    mailed_at_once: int = 0


@dataclass(slots=True)
class Ahead:
    """What the coming days bring where nothing more happens: the deadlines are known."""

    entered: dict[str, Counter[str]] = field(default_factory=dict)  # segment -> day -> people
    left: dict[str, Counter[str]] = field(default_factory=dict)
    messages: dict[str, Counter[str]] = field(default_factory=dict)  # journey -> day -> messages
    crowded: list[tuple[int, int, str, tuple[str, ...]]] = field(default_factory=list)


@dataclass(slots=True)
class Forecast:
    """All counts of one change."""

    people: int = 0
    waiting: int = 0  # in the middle of a merge: not counted
    segments: dict[str, Crossing] = field(default_factory=dict)
    journeys: dict[str, Inside] = field(default_factory=dict)
    ahead: Ahead = field(default_factory=Ahead)
    ahead_before: Ahead = field(default_factory=Ahead)


def forecast(
    log: EventLog,
    stores: Sequence[StateStore],
    live: Reducer,
    draft: Reducer,
    now: int,
    *,
    days: int = DAYS_AHEAD,
) -> Forecast:
    """Forecast a change for all people.

    Args:
        log: Where new accumulators are filled from.
        stores: States that have come to one offset of that log.
        live: The definitions that the states were made by.
        draft: Those that would go live.
        now: The instant of going live, microseconds UTC.
        days: How far to look ahead.
    """
    only = draft.new_cells(live)
    filled = backfill(log, draft, only, log.end() + 1, lambda _: True) if only else {}
    found = Forecast()
    for data in _states(stores):
        _forecast_one(found, data, filled, live, draft, now, now + days * DAY)
    for ahead in (found.ahead, found.ahead_before):
        ahead.crowded = sorted(ahead.crowded, reverse=True)[:SAMPLES]
    return found


def _states(stores: Iterable[StateStore]) -> Iterator[bytes]:
    for store in stores:
        for partition in range(PARTITIONS):
            after = -1
            while ids := store.profile_ids(partition, after, _PAGE):
                yield from store.profiles(ids).values()
                after = ids[-1]


def _forecast_one(
    found: Forecast,
    data: bytes,
    filled: Mapping[int, Cells],
    live: Reducer,
    draft: Reducer,
    now: int,
    until: int,
) -> None:
    before = decode(data)
    if before.merged_into:
        return
    if before.waiting_for or before.parked:
        found.waiting += 1
        return
    found.people += 1
    before = live.fire(before, now).state
    after = live.fire(decode(data), now - 1).state
    runs = {(run.journey, run.key) for run in after.runs}
    for name, _ in runs:
        found.journeys.setdefault(name, Inside()).people += 1
    out = draft.activate(after, now, filled.get(after.profile_id, {}), live)
    # A wait that the change has shortened may be over by now.
    out.effects += draft.fire(out.state, now).effects
    after = out.state
    _cross(found.segments, before, after)
    _see_runs(found.journeys, runs, out)
    zone = draft.workspace.settings.timezone
    _look_ahead(found.ahead_before, live.fire(before, until), zone)
    _look_ahead(found.ahead, draft.fire(after, until), zone)


def _cross(segments: dict[str, Crossing], before: ProfileState, after: ProfileState) -> None:
    for name in before.segments.keys() | after.segments.keys():
        crossing = segments.setdefault(name, Crossing())
        was, is_now = name in before.segments, name in after.segments
        crossing.before += was
        crossing.after += is_now
        if was == is_now:
            continue
        sample = crossing.entering_sample if is_now else crossing.leaving_sample
        if is_now:
            crossing.entering += 1
        else:
            crossing.leaving += 1
        if len(sample) < SAMPLES:
            sample.append(after.profile_id)


def _see_runs(journeys: dict[str, Inside], runs: set[tuple[str, str]], out: Reduction) -> None:
    going_on = {(run.journey, run.key): run for run in out.state.runs}
    sent = Counter(effect.journey for effect in out.effects if isinstance(effect, SendMessage))
    for name, key in runs:
        inside, run = journeys[name], going_on.get((name, key))
        if run is None:
            # Whoever gets the journey's last mail at once has come to its end, not left it.
            inside.leave += not sent[name]
        elif run.version:
            inside.finish_former += 1
        else:
            inside.go_on += 1
    for name, count in sent.items():
        journeys.setdefault(name, Inside()).mailed_at_once += count


def _look_ahead(ahead: Ahead, out: Reduction, timezone: str) -> None:
    def day(at: int) -> str:
        return local_of(at, timezone).date().isoformat()

    for change in out.memberships:
        counts = ahead.entered if change.is_member else ahead.left
        counts.setdefault(change.segment, Counter())[day(change.at)] += 1
    by_day: dict[str, list[str]] = {}
    for effect in out.effects:
        if isinstance(effect, SendMessage):
            ahead.messages.setdefault(effect.journey, Counter())[day(effect.due_at)] += 1
            by_day.setdefault(day(effect.due_at), []).append(effect.journey)
    for when, journeys in by_day.items():
        if len(journeys) > 1:
            place = (len(journeys), out.state.profile_id, when, tuple(sorted(journeys)))
            ahead.crowded.append(place)
