"""Shadows: a draft lives what happens, beside the live definitions, and sends nothing.

Two sets of states, copies of the live ones, are fed the same records: one goes on by the live
version, one by the draft, which becomes live in it as `apply` would make it. What they ask to send
is decided as delivery would, by `outflow`. Messages are named by effects alike in all versions, so
who is mailed by one and not by the other is found by name.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tailorbird.base.time import format_micros
from tailorbird.delivery.decide import Deliver, Hold
from tailorbird.events.event import (
    ABSORB,
    ACTIVATE,
    PARTITIONS,
    REFOLD,
    TICK,
    UNMERGE,
    Absorb,
    Activate,
    Record,
    encode,
)
from tailorbird.journeys.effects import SendMessage
from tailorbird.ports.event_log import LogReader
from tailorbird.ports.state_store import HAND_OVER, SEND, Commit, StateStore
from tailorbird.profiles.state import ProfileState
from tailorbird.profiles.state import decode as decode_state
from tailorbird.reducer.effects import HandOver
from tailorbird.services.advance import Engine
from tailorbird.services.outflow import Outflow
from tailorbird.workspace.definitions import Workspace

SAMPLES = 10
_PAGE = 5_000
_decode_message = msgspec.msgpack.Decoder(SendMessage).decode
_decode_hand_over = msgspec.msgpack.Decoder(HandOver).decode
_decode_absorb = msgspec.msgpack.Decoder(Absorb).decode
# The other side has made them by its own definitions, or they go back before the shadow.
_LEFT_OUT = (REFOLD, UNMERGE)


@dataclass(slots=True)
class Sent:
    """Messages of one journey: asked for by a side, those that left, and that the other lacks."""

    asked: int = 0
    count: int = 0
    hours: Counter[str] = field(default_factory=Counter)  # in which hour (UTC) how many left
    alone: dict[str, tuple[int, str, str, int]] = field(default_factory=dict)
    """By effect id: profile, step, template, when it left (microseconds UTC)."""


class Feed:
    """A log of what lies before the shadow, and of the records that it is given since."""

    def __init__(self, log: LogReader, base: int) -> None:
        """`base` is the last offset of the log that lies in the copied states."""
        self._log = log
        self._base = base
        self._given: list[Record] = []
        self._end = base

    def give(self, records: Sequence[Record]) -> None:
        """Let these be the next records, in this order; they get offsets of their own."""
        self._given = [
            msgspec.structs.replace(one, offset=self._end + number)
            for number, one in enumerate(records, 1)
        ]
        self._end += len(records)

    def read(
        self, after: int, limit: int, partitions: Collection[int] | None = None
    ) -> list[Record]:
        """Return records as a log does."""
        found: list[Record] = []
        if after < self._base:
            found = self._log.read(after, limit, partitions)
            found = [one for one in found if one.offset <= self._base]
        room = limit - len(found)
        given = (
            one
            for one in self._given
            if one.offset > after and (partitions is None or one.partition in partitions)
        )
        return [*found, *(one for one, _ in zip(given, range(room), strict=False))]

    def merges(self, before: int) -> Iterator[Record]:
        """Yield the merges before the shadow; those since come as records."""
        return self._log.merges(min(before, self._base + 1))

    def offset_before(self, now: int) -> int:
        """Return the last offset that was stamped before an instant."""
        return min(self._log.offset_before(now), self._base)

    def last_now(self) -> int:
        """Return the stamp of the last record that was given."""
        return self._given[-1].now if self._given else self._log.last_now()

    def end(self) -> int:
        """Return the last offset."""
        return self._end


class _Counted:
    """A state store that counts who enters and leaves segments."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self.entered: Counter[str] = Counter()
        self.left: Counter[str] = Counter()

    def commit(self, commit: Commit) -> None:
        for row in commit.memberships:
            (self.entered if row.is_member else self.left)[row.segment] += 1
        self._store.commit(commit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Side:
    """All engines of one version, over states that nobody else has."""

    def __init__(
        self,
        log: LogReader,
        base: int,
        stores: Sequence[StateStore],
        load_workspace: Callable[[str], Workspace],
        outflow: Outflow,
    ) -> None:
        self.stores: list[Any] = [_Counted(store) for store in stores]
        self._feed = Feed(log, base)
        self._engines = [
            Engine(self._feed, store, load_workspace, index=index, engines=len(stores))
            for index, store in enumerate(self.stores)
        ]
        self.sent: dict[str, Sent] = {}
        self.held: Counter[str] = Counter()  # why a message left later
        self.stopped: Counter[str] = Counter()  # why one did not leave
        self.waiting: list[tuple[int, str, SendMessage]] = []  # until when, by effect id
        self._named: set[str] = set()
        self._outflow = outflow
        self._hand_overs: dict[str, HandOver] = {}

    def live(self, records: Sequence[Record], now: int) -> Iterator[tuple[int, str, SendMessage]]:
        """Reduce records; yield the messages that leave up to `now`: when, effect id, message."""
        for effect_id, message in self._asked(records):
            if effect_id in self._named:
                continue  # a merge may lead to one effect twice; the ledger takes over the first
            self._named.add(effect_id)
            self.sent.setdefault(message.journey, Sent()).asked += 1
            heapq.heappush(self.waiting, (message.due_at, effect_id, message))
        while self.waiting and self.waiting[0][0] <= now:
            at, effect_id, message = heapq.heappop(self.waiting)
            state = self._state_of(message.profile_id)
            if state is None:
                continue  # erased meanwhile
            decision = self._outflow.decide(message, state, at)
            if isinstance(decision, Hold):
                self.held[decision.reason] += 1
                heapq.heappush(self.waiting, (decision.until, effect_id, message))
            elif isinstance(decision, Deliver):
                yield at, effect_id, message
            else:
                self.stopped[decision.reason] += 1

    def forget_asked(self) -> None:
        """Forget what waited in the outbox before the shadow."""
        list(self._asked([]))

    def _state_of(self, profile_id: int) -> ProfileState | None:
        for store in self.stores:
            for data in store.profiles([profile_id]).values():
                state = decode_state(data)
                return self._state_of(state.merged_into) if state.merged_into else state
        return None

    def _asked(self, records: Sequence[Record]) -> Iterator[tuple[str, SendMessage]]:
        self._feed.give([self._own(one) for one in records])
        for engine, store in zip(self._engines, self.stores, strict=True):
            while engine.step():
                pass
            for row in store.outbox(0, _PAGE, HAND_OVER):
                hand_over = _decode_hand_over(row.body)
                self._hand_overs[hand_over.merge_id] = hand_over
                engine.forget_outbox(HAND_OVER, row.seq)
            after = 0
            while rows := store.outbox(after, _PAGE, SEND):
                for row in rows:
                    yield row.effect_id, _decode_message(row.body)
                after = rows[-1].seq
                engine.forget_outbox(SEND, after)
            engine.step()

    def reset_counts(self) -> None:
        """Count entries and exits from here on."""
        for store in self.stores:
            store.entered.clear()
            store.left.clear()

    def crossed(self) -> tuple[Counter[str], Counter[str]]:
        """Return how many entered and left each segment since."""
        entered: Counter[str] = Counter()
        left: Counter[str] = Counter()
        for store in self.stores:
            entered += store.entered
            left += store.left
        return entered, left

    def members(self, segment: str) -> set[int]:
        """Return the profile ids of a segment's members."""
        found: set[int] = set()
        for store in self.stores:
            after = -1
            while page := store.members(segment, after, _PAGE):
                found.update(one for one, _ in page)
                after = page[-1][0]
        return found

    def due(self, now: int) -> set[int]:
        """Return the partitions in which somebody's deadline has come."""
        return {one for store in self.stores for one in store.due_partitions(now)}

    def _own(self, record: Record) -> Record:
        """Let a merged state that is handed over be this side's, not the server's."""
        if record.kind != ABSORB or not record.body:
            return record
        merge_id = _decode_absorb(record.body).merge_id
        own = self._hand_overs.pop(merge_id, None)
        if own is None:
            return record
        body = encode(Absorb(own.merge_id, own.loser_id, own.loser_now, own.state))
        return msgspec.structs.replace(record, body=body)


class Shadow:
    """The two sides, fed alike; counts what they do."""

    def __init__(self, live: Side, draft: Side, now: int) -> None:
        """Both stand at the same offset, and the draft is not live yet."""
        self.live, self.draft = live, draft
        self.begun_at = self.now = now
        self.records = 0
        self.replaced_by = ""  # the version that went live meanwhile, which ends the shadow

    def begin(self, version: str, release: str) -> None:
        """Make the draft live in its side, as an activation does."""
        body = encode(Activate(version, release))
        parts = range(PARTITIONS)
        for side in (self.live, self.draft):
            side.forget_asked()
        self._live(
            [Record(0, one, self.now, TICK, 0, b"") for one in parts],
            [Record(0, one, self.now, ACTIVATE, 0, body) for one in parts],
        )
        for side in (self.live, self.draft):
            side.reset_counts()

    def take(self, records: Sequence[Record]) -> None:
        """Live the next records of the log."""
        waiting: list[Record] = []
        for record in records:
            if record.kind == ACTIVATE:
                self.replaced_by = msgspec.msgpack.decode(record.body, type=Activate).version
                break
            if record.kind == ABSORB and waiting:
                # Its state is handed over by the records before it.
                self._live(waiting, waiting)
                waiting = []
            if record.kind not in _LEFT_OUT:
                waiting.append(record)
        self._live(waiting, waiting)
        # The log has ticks for the deadlines of the live version only.
        self.pass_time(self.now)

    def pass_time(self, now: int) -> None:
        """Let deadlines come up to an instant (microseconds UTC), before which nothing follows."""
        self.now = max(self.now, now)
        due = sorted(self.live.due(self.now) | self.draft.due(self.now))
        ticks = [Record(0, one, self.now, TICK, 0, b"") for one in due]
        self._live(ticks, ticks)

    def _live(self, live: Sequence[Record], draft: Sequence[Record]) -> None:
        self.records += sum(one.kind != TICK for one in live)
        self.now = max(self.now, live[-1].now if live else 0)
        for mine, other, records in (
            (self.live, self.draft, live),
            (self.draft, self.live, draft),
        ):
            for at, effect_id, message in mine.live(records, self.now):
                sent = mine.sent[message.journey]
                sent.count += 1
                sent.hours[format_micros(at)[:13]] += 1
                theirs = other.sent.get(message.journey)
                if theirs is None or theirs.alone.pop(effect_id, None) is None:
                    place = (message.profile_id, message.step, message.template, at)
                    sent.alone[effect_id] = place


def report_of(
    shadow: Shadow,
    segments: Mapping[str, Collection[str]],
    known: Callable[[int], Sequence[tuple[str, str]]],
    written: Callable[[int], str],
) -> dict[str, Any]:
    """Return what a shadow has seen as plain JSON values.

    Args:
        shadow: At its end.
        segments: The names that "live" and "draft" define.
        known: Identifiers of a profile.
        written: Writes an instant.
    """

    def person(profile_id: int) -> dict[str, Any]:
        names = [f"{kind}:{value}" for kind, value in known(profile_id)]
        return {"id": f"p_{profile_id:016x}", "known_as": names[:3]}

    def alone(sent: Sent) -> list[dict[str, Any]]:
        first = sorted(sent.alone.values(), key=lambda one: one[3])[:SAMPLES]
        return [
            {**person(who), "step": step, "template": template, "left_at": written(at)}
            for who, step, template, at in first
        ]

    sides = {"live": shadow.live, "draft": shadow.draft}
    crossed = {name: side.crossed() for name, side in sides.items()}
    told: dict[str, Any] = {}
    for name in sorted({*segments["live"], *segments["draft"]}):
        members = {side: one.members(name) for side, one in sides.items()}
        told[name] = {
            side: {
                "size": len(members[side]),
                "entered": crossed[side][0][name],
                "left": crossed[side][1][name],
            }
            for side in sides
        }
        for side, other in (("draft", "live"), ("live", "draft")):
            only = sorted(members[side] - members[other])
            told[name][f"only_{side}"] = len(only)
            told[name][f"only_{side}_sample"] = [person(one) for one in only[:SAMPLES]]
    nothing = Sent()
    journeys = {}
    for name in sorted({*shadow.live.sent, *shadow.draft.sent}):
        live, draft = (one.sent.get(name, nothing) for one in (shadow.live, shadow.draft))
        journeys[name] = {
            "asked": {"live": live.asked, "draft": draft.asked},
            "live": live.count,
            "draft": draft.count,
            "only_live": len(live.alone),
            "only_draft": len(draft.alone),
            "only_live_sample": alone(live),
            "only_draft_sample": alone(draft),
            "hours": {
                "live": dict(sorted(live.hours.items())),
                "draft": dict(sorted(draft.hours.items())),
            },
        }
    return {
        "from": written(shadow.begun_at),
        "to": written(shadow.now),
        "records": shadow.records,
        "segments": told,
        "journeys": journeys,
        "held": {side: dict(one.held.most_common()) for side, one in sides.items()},
        "stopped": {side: dict(one.stopped.most_common()) for side, one in sides.items()},
        "waiting": {side: len(one.waiting) for side, one in sides.items()},
        "replaced_by": shadow.replaced_by,
    }
