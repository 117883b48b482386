"""The log's writer: deduplicate, resolve identity, stamp, append durably, then answer.

One `Appender` owns the log, the identity store and the suppression store of a data folder. The
stores are derived from the log right after each commit and caught up from it at start, so a crash
between the two loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from tailorbird.base.hashing import hash_text
from tailorbird.events.event import (
    ABSORB,
    ACTIVATE,
    ERASE,
    EVENT,
    LINK,
    MERGE_IN,
    MERGE_OUT,
    NOISY_EVENT,
    PARTITIONS,
    UNMERGE,
    Activate,
    Erase,
    Event,
    Links,
    Merge,
    Record,
    Unmerge,
    decode_event,
    encode,
)
from tailorbird.events.identifiers import DEFAULT_RULES, Identifier, IdentityRules
from tailorbird.ports.clock import Clock
from tailorbird.ports.event_log import Draft, EventLog
from tailorbird.ports.identity_store import IdentityStore
from tailorbird.ports.log_writer import ACCEPTED, DUPLICATE, NOISY, Answer, EventDraft
from tailorbird.ports.seen_days import SeenDays
from tailorbird.ports.suppression_store import SuppressionChange, SuppressionStore
from tailorbird.profiles.identity import PROFILE, resolve
from tailorbird.services.floods import Floods
from tailorbird.services.seen import Seen

SuppressionRule = Callable[[Event, int], Sequence[SuppressionChange]]

_DUPLICATE = Answer(DUPLICATE)
_CATCH_UP_BATCH = 5_000
# Records between two notes of how far the derived stores have come: a restart reads on from there.
_OFFSETS_PER_NOTE = 50_000
_decode_erase = msgspec.msgpack.Decoder(Erase).decode
_decode_activate = msgspec.msgpack.Decoder(Activate).decode
_decode_links = msgspec.msgpack.Decoder(Links).decode
_decode_unmerge = msgspec.msgpack.Decoder(Unmerge).decode
_decode_merge = msgspec.msgpack.Decoder(Merge).decode


class Appender:
    """The only one who appends to a log. Not thread-safe: one call at a time."""

    def __init__(
        self,
        log: EventLog,
        identity: IdentityStore,
        suppression: SuppressionStore,
        clock: Clock,
        suppression_rule: SuppressionRule,
        rules: IdentityRules = DEFAULT_RULES,
        rules_of: Callable[[str], IdentityRules] | None = None,
        days: SeenDays | None = None,
        on_erase: Callable[[Record], None] = lambda record: None,
    ) -> None:
        """`rules` say which identifiers count; they concern what is written from here on.

        `rules_of` tells them for a version: they take over once it is activated in the log.
        `on_erase` is told of an erasure before the stores are past it: it may be told again.
        `days` keeps what is needed to know a message again after more than a day.
        """
        self._on_erase = on_erase
        self._rules_of = rules_of
        self._version = ""
        self._rules = rules
        self._log = log
        self._identity = identity
        self._suppression = suppression
        self._clock = clock
        self._suppression_rule = suppression_rule
        self._seen = Seen(log, days)
        self._floods = Floods()
        self._noted = 0
        self._catch_up()

    def write(
        self, events: Sequence[EventDraft], drafts: Sequence[Draft] = ()
    ) -> tuple[list[Answer], list[Answer]]:
        """Append events and ready drafts in one durable commit; one answer each, in order.

        Raises:
            LogProblem: the log refuses; nothing was stored, the same call may be repeated.
        """
        now = self._clock.now()
        batch = _Batch(self._identity, self._log, self._rules, self._floods, now)
        fresh: set[int] = set()
        of_events: list[Answer] = []
        known = self._seen.known([event.dedup for event in events])
        for event in events:
            dedup = event.dedup
            if dedup and (
                dedup in fresh or dedup in known or (event.is_late and self._seen.holds_late(dedup))
            ):
                of_events.append(_DUPLICATE)
                continue
            fresh.add(dedup)
            of_events.append(batch.add(event))
        of_drafts: list[Answer] = []
        for draft in drafts:
            if (draft.dedup and (draft.dedup in fresh or draft.dedup in self._seen)) or (
                draft.kind == ABSORB and batch.is_gone(draft.profile_id)
            ):
                of_drafts.append(_DUPLICATE)
                continue
            fresh.add(draft.dedup)
            of_drafts.append(batch.add_draft(draft))
        records = self._log.append(batch.drafts, now) if batch.drafts else []
        fresh.discard(0)  # what is not deduplicated
        self._seen.add(fresh, now)
        self._derive(records, batch.concerning, has_others=batch.has_others)
        return of_events, of_drafts

    @property
    def is_untidy(self) -> bool:
        """Whether `tidy` has something to do."""
        return self._seen.is_untidy

    def tidy(self) -> None:
        """Put the keys of days that are over to rest; may run in a thread beside `write`."""
        self._seen.tidy()

    def now(self) -> int:
        """Return the present instant of the log."""
        return max(self._clock.now(), self._log.last_now())

    def _derive(
        self, records: Sequence[Record], concerning: Sequence[int], *, has_others: bool
    ) -> None:
        """Bring the derived stores on; see `_Batch` for `concerning` and `has_others`."""
        if not records:
            return
        end = records[-1].offset
        if has_others:
            self._take_over_identity(records)
            changes = [one for record in records for one in _still_suppressed(record)]
            if changes:
                self._suppression.apply(changes, end)
        changes = [change for index in concerning for change in self._changes_of(records[index])]
        if changes:
            self._suppression.apply(changes, end)
        if end - self._noted >= _OFFSETS_PER_NOTE:
            self._note(end)
        if has_others:
            self._take_over_rules(records)

    def _take_over_rules(self, records: Sequence[Record]) -> None:
        if self._rules_of is None:
            return
        for record in records:
            if record.kind == ACTIVATE:
                version = _decode_activate(record.body).version
                if version != self._version:
                    self._rules, self._version = self._rules_of(version), version

    def _note(self, offset: int) -> None:
        self._identity.apply((), (), offset)
        self._suppression.apply((), offset)
        self._noted = offset

    def _take_over_identity(self, records: Sequence[Record]) -> None:
        links: list[tuple[str, str, int, int]] = []
        merges: list[tuple[int, int, int]] = []
        for record in records:
            if not record.body:
                continue  # a tick, or a stub of somebody who was erased
            if record.kind == LINK:
                for kind, value in _decode_links(record.body).identifiers:
                    links.append((kind, value, record.profile_id, record.offset))
            elif record.kind == MERGE_IN:
                merge = _decode_merge(record.body)
                merges.append((merge.loser_id, merge.winner_id, record.offset))
            elif record.kind == UNMERGE:
                # What came before it comes before it here as well.
                undone = _decode_unmerge(record.body)
                apart = [(undone.loser_id, undone.winner_id)]
                self._identity.apply(links, merges, record.offset - 1)
                self._identity.apply((), (), record.offset, apart)
                links, merges = [], []
            elif record.kind == ERASE:
                self._on_erase(record)
                self._identity.apply(links, merges, record.offset - 1)
                self._identity.erase(_decode_erase(record.body).profile_ids, record.offset)
                links, merges = [], []
        if links or merges:
            self._identity.apply(links, merges, records[-1].offset)

    def _catch_up(self) -> None:
        """Bring the derived stores up to the log's end: they may lack the last commits."""
        after = self._identity.offset()
        while records := self._log.read(after, _CATCH_UP_BATCH):
            self._take_over_identity(records)
            after = records[-1].offset
        after = self._suppression.offset()
        while records := self._log.read(after, _CATCH_UP_BATCH):
            changes = [change for record in records for change in self._changes_of(record)]
            after = records[-1].offset
            if changes:
                self._suppression.apply(changes, after)
        self._note(self._log.end())

    def _changes_of(self, record: Record) -> Sequence[SuppressionChange]:
        if record.kind != EVENT:
            return _still_suppressed(record)
        try:
            return self._suppression_rule(decode_event(record), record.now)
        except msgspec.DecodeError:
            return ()  # no event at all: the engine puts it among the poison


def _still_suppressed(record: Record) -> list[SuppressionChange]:
    """Return what stays of somebody who was erased: whom they did not want mail from."""
    if record.kind != ERASE:
        return []
    return [
        SuppressionChange(hashed, topic, True, reason, at)
        for hashed, topic, reason, at in _decode_erase(record.body).suppressed
    ]


class _Batch:
    """The drafts of one commit, and what they will mean for identity once they are stored."""

    def __init__(
        self,
        store: IdentityStore,
        log: EventLog,
        rules: IdentityRules,
        floods: Floods,
        now: int,
    ) -> None:
        self.drafts: list[Draft] = []
        self.concerning: list[int] = []  # the places of what suppresses
        self.has_others = False  # records of other kinds than events
        self._floods = floods
        self._now = max(now, log.last_now())
        self._rules = rules
        self._linked: dict[int, list[Identifier]] = {}
        self._losers: dict[int, list[int]] = {}
        self._store = store
        self._end = log.end()
        self._links: dict[tuple[str, str], int] = {}
        self._redirects: dict[int, int] = {}
        self._since: dict[int, int] = {}
        self._users: set[int] = set()

    def is_gone(self, profile_id: int) -> bool:
        """Say whether nothing points at a profile any more: the person was erased."""
        return profile_id not in self._since and self._store.known_since(profile_id) is None

    def add(self, event: EventDraft) -> Answer:
        """Add the records of one event: merges, new links, then the event itself.

        The answer holds once all are stored: offsets rise by one from the log's end. What became
        of a mail to somebody who was erased meanwhile is not stored.
        """
        kind, value = event.identifiers[0]
        is_flood = False
        if kind == PROFILE:
            profile_id = self._resolve(int(value))
            if self.is_gone(profile_id):
                return _DUPLICATE
        else:
            known = None if event.previous else self._known_by_all(event.identifiers)
            profile_id = self._resolved(event) if known is None else known
            # What was long ago comes as fast as it is read, and a wish to leave always counts.
            is_flood = not (
                event.is_historical or event.concerns_suppression
            ) and self._floods.is_flood(profile_id, self._now)
        kind = NOISY_EVENT if is_flood else EVENT
        drafts = self.drafts
        if event.concerns_suppression:
            self.concerning.append(len(drafts))
        drafts.append(Draft(profile_id % PARTITIONS, kind, profile_id, event.body, event.dedup))
        return Answer(NOISY if is_flood else ACCEPTED, self._end + len(drafts), profile_id)

    def add_draft(self, draft: Draft) -> Answer:
        """Add a record that is ready."""
        self.drafts.append(draft)
        self.has_others = True
        return Answer(ACCEPTED, self._end + len(self.drafts), draft.profile_id)

    def _known_by_all(self, identifiers: Sequence[Identifier]) -> int | None:
        """Return whom all identifiers lead to: somebody known, for nearly every event.

        That is what `resolve` says of it, without asking anything else.
        """
        find = self.find if self._links or self._redirects else self._store.find
        found = None
        for kind, value in identifiers:
            one = find(kind, value)
            if one is None or (found is not None and one != found):
                return None
            found = one
        return found

    def _resolved(self, event: EventDraft) -> int:
        """Return the profile of an event; add what makes it so, new links and merges."""
        found = resolve(event.identifiers, event.previous, self, self._rules)
        profile_id = found.profile_id
        for loser_id, winner_id in found.merges:
            # The place in the log tells two merges of the same two apart: one may have been undone.
            place = self._end + len(self.drafts)
            merge = Merge(hash_text("merge", winner_id, loser_id, place), winner_id, loser_id)
            self._append(MERGE_OUT, loser_id, encode(merge))
            self._append(MERGE_IN, winner_id, encode(merge))
            self._redirects[loser_id] = winner_id
            self._losers.setdefault(winner_id, []).append(loser_id)
            if self._store.has_user(loser_id) or loser_id in self._users:
                self._users.add(winner_id)
        if found.links:
            self._append(LINK, profile_id, encode(Links(found.links)))
            self._since.setdefault(profile_id, self._end + len(self.drafts))
            self._linked.setdefault(profile_id, []).extend(found.links)
            for link in found.links:
                self._links[link] = profile_id
                if link[0] == "user_id":
                    self._users.add(profile_id)
        return profile_id

    def find(self, kind: str, value: str) -> int | None:
        """Return the profile of an identifier, this batch's links included."""
        if kind == PROFILE:
            return self._resolve(int(value))
        found = self._links.get((kind, value)) if self._links else None
        if found is None:
            # The store has followed its redirects: only this batch's may lead on.
            found = self._store.find(kind, value)
            if found is None or not self._redirects:
                return found
        return self._resolve(found)

    def identifiers(self, profile_id: int) -> list[Identifier]:
        """Return the identifiers that point at a profile, this batch's links included."""
        found: dict[Identifier, None] = {}
        people = [profile_id]
        for one in people:
            found.update(dict.fromkeys(self._store.identifiers(one)))
            found.update(dict.fromkeys(self._linked.get(one, ())))
            people += self._losers.get(one, ())
        return [one for one in found if self.find(*one) == profile_id]

    def are_apart(self, left: int, right: int) -> bool:
        """Say whether a merge of these two was undone."""
        return self._store.are_apart(left, right)

    def has_user(self, profile_id: int) -> bool:
        """Say whether a user id points at the profile."""
        return profile_id in self._users or self._store.has_user(profile_id)

    def known_since(self, profile_id: int) -> int | None:
        """Return the offset of the profile's first link."""
        since = self._store.known_since(profile_id)
        return since if since is not None else self._since.get(profile_id)

    def _resolve(self, profile_id: int) -> int:
        profile_id = self._store.resolve(profile_id)
        while profile_id in self._redirects:
            profile_id = self._redirects[profile_id]
        return profile_id

    def _append(self, kind: str, profile_id: int, body: bytes) -> None:
        self.add_draft(Draft(profile_id % PARTITIONS, kind, profile_id, body))
