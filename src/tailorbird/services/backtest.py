"""Backtest: what some definitions would have done with the history that really happened.

The same reducer lives each family of people again, as if the definitions had been live from the
first record on. Its messages go nowhere: `delivery.decide` says for each whether it would have
left, by the person's consents, address, quiet hours and cap of that moment. What history cannot
tell is how people would have answered to mails that they never got: `LIMITS` says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tailorbird.base.time import DAY, format_micros
from tailorbird.delivery.decide import Deliver, Hold
from tailorbird.delivery.suppression import EVERYTHING, NAMES, changes_of
from tailorbird.events.event import ABSORB, ERASE, UNMERGE, Absorb, Event, Record, Unmerge, encode
from tailorbird.journeys.effects import SendMessage
from tailorbird.language.calendar import local_of
from tailorbird.profiles.state import ProfileState
from tailorbird.reducer.effects import HandOver
from tailorbird.reducer.reducer import Facts as ProfileFacts
from tailorbird.reducer.reducer import Reducer
from tailorbird.reducer.reduction import Reduction
from tailorbird.services.lives import Moment
from tailorbird.services.outflow import Outflow

WEEK = 7 * DAY
LIMITS = (
    "Opens, clicks and orders are answers to the mails that really left: history has no others.",
    "A message counts when it was due and nothing held it. No mail server is asked.",
    "The definitions count as live since the first event: people begin where they would have been.",
    "Imported history counts from when it happened.",
)
_CROWDED_SHOWN = 10
_QUARTER = DAY // 96
_SENT = "email_sent"
_decode_absorb = msgspec.msgpack.Decoder(Absorb).decode
_decode_unmerge = msgspec.msgpack.Decoder(Unmerge).decode

# Makes a profile's facts anew from the log after an undone merge: (profile id, before offset).
Refold = Callable[[int, int], ProfileFacts | None]


@dataclass(slots=True)
class Tally:
    """What a backtest counted in its period; days are dates of the workspace's time zone."""

    people: int = 0
    events: int = 0
    members: Counter[str] = field(default_factory=Counter)  # by segment, at the end
    entered: dict[str, Counter[str]] = field(default_factory=dict)  # segment -> day -> people
    left: dict[str, Counter[str]] = field(default_factory=dict)
    messages: dict[str, Counter[str]] = field(default_factory=dict)  # journey -> day -> messages
    really: dict[str, Counter[str]] = field(default_factory=dict)  # the same, as it was
    hours: Counter[int] = field(default_factory=Counter)  # hour of the local day -> messages
    stopped: Counter[str] = field(default_factory=Counter)  # why a message did not leave
    held: Counter[str] = field(default_factory=Counter)  # why one left later
    weeks: Counter[int] = field(default_factory=Counter)  # messages in a week -> person-weeks
    crowded: list[tuple[int, int, str]] = field(default_factory=list)  # messages, profile, week
    together: Counter[tuple[str, ...]] = field(default_factory=Counter)  # journeys of one day

    def add(self, other: Tally) -> None:
        """Add what another share of the people came to."""
        self.people += other.people
        self.events += other.events
        for mine, theirs in (
            (self.members, other.members),
            (self.hours, other.hours),
            (self.stopped, other.stopped),
            (self.held, other.held),
            (self.weeks, other.weeks),
            (self.together, other.together),
        ):
            mine.update(theirs)  # type: ignore[arg-type]
        for mine_by, theirs_by in (
            (self.entered, other.entered),
            (self.left, other.left),
            (self.messages, other.messages),
            (self.really, other.really),
        ):
            for name, days in theirs_by.items():
                mine_by.setdefault(name, Counter()).update(days)
        self.crowded = sorted([*self.crowded, *other.crowded], reverse=True)[:_CROWDED_SHOWN]

    def message_count(self) -> int:
        """Return how many messages would have left."""
        return sum(days.total() for days in self.messages.values())

    def weeks_above(self, limit: int) -> int:
        """Return in how many person-weeks more than `limit` messages would have come."""
        return sum(times for count, times in self.weeks.items() if count > limit)


@dataclass(slots=True)
class _Held:
    until: int
    profile_id: int
    effect: SendMessage


class Backtest:
    """Lives families one after the other; `tally` is what they came to in [begin, end)."""

    def __init__(self, reducer: Reducer, begin: int, end: int, refold: Refold) -> None:
        self.tally = Tally()
        self._reducer = reducer
        self._settings = reducer.workspace.settings
        self._begin, self._end = begin, end
        self._refold = refold
        self._days: dict[int, str] = {}  # quarter of an hour -> date
        # Of the family that is being lived.
        self._states: dict[int, ProfileState] = {}
        self._handed: dict[tuple[str, int], bytes] = {}
        self._suppressed: dict[tuple[int, str], str] = {}
        self._outflow = Outflow(reader=reducer, suppressed_because=self._reason)
        self._named: set[str] = set()
        self._mails: list[tuple[int, str, int]] = []
        self._held: list[_Held] = []

    def live(self, moments: Iterable[Moment]) -> None:
        """Live one family's history up to the end of the period."""
        self._forget()
        states, reduce = self._states, self._reducer.reduce
        for moment in moments:
            record, event = moment.record, moment.event
            now = record.now
            if now >= self._end:
                break
            if event is None:
                if record.kind != ABSORB:  # the one who is waited for comes before time goes on
                    self._pass_time(record.profile_id, now)
                self._take(record)
                continue
            state = states.get(record.profile_id)
            if self._held or (
                state is not None and state.deadline is not None and state.deadline < now
            ):
                self._pass_time(record.profile_id, now)
                state = states.get(record.profile_id)
            self.tally.events += self._begin <= now
            if event.name in NAMES or event.name == _SENT:
                self._hear(event, now)
            out = reduce(state, record, event)
            states[out.state.profile_id] = out.state
            if out.memberships or out.effects:
                self._note(out)
        for profile_id in list(self._states):
            self._pass_time(profile_id, self._end)
        self._close()

    def _forget(self) -> None:
        for kept in (self._states, self._handed, self._suppressed, self._outflow.sent, self._named):
            kept.clear()
        self._mails, self._held = [], []

    # -- records ---------------------------------------------------------------------------------

    def _take(self, record: Record) -> None:
        profile_id = record.profile_id
        state = self._states.get(profile_id)
        if record.kind == ERASE:
            self._states.pop(profile_id, None)
        elif record.kind == UNMERGE:
            if state is not None:
                facts = self._refold(profile_id, record.offset + 1)
                undone = _decode_unmerge(record.body)
                self._note(self._reducer.unmerge(state, record.now, undone, facts))
        elif record.kind == ABSORB:
            # What the loser came to by these definitions, not what it came to by those of then.
            absorbed = _decode_absorb(record.body)
            handed = self._handed.get((absorbed.merge_id, profile_id))
            if handed is not None:
                body = encode(msgspec.structs.replace(absorbed, state=handed))
                record = msgspec.structs.replace(record, body=body)
                self._note(self._reducer.reduce(state, record))
        else:
            self._note(self._reducer.reduce(state, record))

    def _pass_time(self, profile_id: int, now: int) -> None:
        """Fire what falls due before an instant, and let go what was held until before it."""
        state = self._states.get(profile_id)
        if state is not None and state.deadline is not None and state.deadline < now:
            self._note(self._reducer.fire(state, now - 1))
        while self._held:
            first = min(self._held, key=lambda one: one.until)
            if first.until >= now:
                return
            self._held.remove(first)
            self._decide(first.effect, first.profile_id, first.until)

    def _note(self, out: Reduction) -> None:
        state = out.state
        self._states[state.profile_id] = state
        for change in out.memberships:
            if self._begin <= change.at < self._end and change.cause in ("record", "time"):
                counts = self.tally.entered if change.is_member else self.tally.left
                days = counts.get(change.segment)
                if days is None:
                    days = counts[change.segment] = Counter()
                days[self._day(change.at)] += 1
        for effect in out.effects:
            if isinstance(effect, HandOver):
                self._handed[effect.merge_id, effect.winner_id] = effect.state
            elif effect.due_at < self._end and effect.effect_id not in self._named:
                # A merge may lead to one effect twice; the ledger takes over the first.
                self._named.add(effect.effect_id)
                self._decide(effect, state.profile_id, effect.due_at)

    def _hear(self, event: Event, now: int) -> None:
        """Note what an event of before the end says of suppression, and of what was really sent."""
        if event.name in NAMES:
            for change in changes_of(event, now):
                place = (change.address_hash, change.topic)
                if change.is_suppressed:
                    self._suppressed[place] = change.reason
                elif self._suppressed.get(place) == change.reason:
                    del self._suppressed[place]
        if event.name == _SENT and self._begin <= now and event.source == "tailorbird":
            journey = event.properties.get("journey")
            if isinstance(journey, str):
                self.tally.really.setdefault(journey, Counter())[self._day(now)] += 1

    # -- messages --------------------------------------------------------------------------------

    def _decide(self, effect: SendMessage, profile_id: int, at: int) -> None:
        state = self._states.get(profile_id)
        while state is not None and state.merged_into in self._states:
            state = self._states[state.merged_into]
        if state is None:
            return  # erased meanwhile
        decision = self._outflow.decide(effect, state, at)
        is_inside = at >= self._begin
        if isinstance(decision, Hold):
            self.tally.held[decision.reason] += is_inside
            self._held.append(_Held(decision.until, profile_id, effect))
        elif isinstance(decision, Deliver):
            if is_inside:
                self._mails.append((at, effect.journey, state.profile_id))
        else:
            self.tally.stopped[decision.reason] += is_inside

    def _reason(self, hashed: int, topic: str) -> str | None:
        reasons = (self._suppressed.get((hashed, one)) for one in (topic, EVERYTHING))
        return next((one for one in reasons if one is not None), None)

    def _close(self) -> None:
        """Count the family's members and mails."""
        tally = self.tally
        for state in self._states.values():
            if not state.merged_into:
                tally.people += 1
                tally.members.update(dict.fromkeys(state.segments, 1))
        tally.stopped.update({"held beyond the end": len(self._held)} if self._held else {})
        weeks: Counter[tuple[int, int]] = Counter()
        days: dict[tuple[int, str], set[str]] = {}
        for at, journey, profile_id in self._mails:
            day = self._day(at)
            tally.messages.setdefault(journey, Counter())[day] += 1
            tally.hours[local_of(at, self._settings.timezone).hour] += 1
            weeks[profile_id, (at - self._begin) // WEEK] += 1
            days.setdefault((profile_id, day), set()).add(journey)
        tally.weeks.update(weeks.values())
        tally.together.update(tuple(sorted(names)) for names in days.values() if len(names) > 1)
        crowded = [
            (count, profile_id, self._day(self._begin + week * WEEK))
            for (profile_id, week), count in weeks.items()
            if count > 1
        ]
        tally.crowded = sorted([*tally.crowded, *crowded], reverse=True)[:_CROWDED_SHOWN]

    def _day(self, at: int) -> str:
        # Zones differ from UTC by whole quarters of an hour.
        quarter = at // _QUARTER
        day = self._days.get(quarter)
        if day is None:
            day = local_of(quarter * _QUARTER, self._settings.timezone).date().isoformat()
            self._days[quarter] = day
        return day


def to_json(tally: Tally, begin: int, end: int) -> dict[str, Any]:
    """Return a tally as plain JSON values; all counts are of the period [begin, end)."""

    def by_day(counts: dict[str, Counter[str]]) -> dict[str, dict[str, int]]:
        return {name: dict(sorted(days.items())) for name, days in sorted(counts.items())}

    names = sorted(tally.members | dict.fromkeys((*tally.entered, *tally.left), 0))
    return {
        "from": format_micros(begin),
        "to": format_micros(end),
        "people": tally.people,
        "events": tally.events,
        "messages": {"count": tally.message_count(), "by_journey": by_day(tally.messages)},
        "really_sent": {
            "count": sum(days.total() for days in tally.really.values()),
            "by_journey": by_day(tally.really),
        },
        "hours": {str(hour): tally.hours[hour] for hour in range(24)},
        "held": dict(tally.held.most_common()),
        "stopped": dict(tally.stopped.most_common()),
        "segments": {
            name: {
                "members": tally.members[name],
                "entered": dict(sorted(tally.entered.get(name, Counter()).items())),
                "left": dict(sorted(tally.left.get(name, Counter()).items())),
            }
            for name in names
        },
        "weeks": {str(count): times for count, times in sorted(tally.weeks.items())},
        "crowded": [
            {"profile": f"p_{profile_id:016x}", "week_from": day, "messages": count}
            for count, profile_id, day in tally.crowded
        ],
        "same_day": [
            {"journeys": list(names), "times": times}
            for names, times in tally.together.most_common(20)
        ],
        "limits": list(LIMITS),
    }
