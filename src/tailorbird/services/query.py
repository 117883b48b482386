"""What is known, for those who look: profiles, segments, messages, the standing of the whole."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from tailorbird.base.problems import TailorbirdError
from tailorbird.base.time import format_micros
from tailorbird.events.event import Unmerge, partition_of
from tailorbird.language.moves import Change
from tailorbird.ports.clock import Clock
from tailorbird.ports.control_store import MAIL_STATUS, SENDING_STOPPED, ControlStore
from tailorbird.ports.event_log import EventLog
from tailorbird.ports.identity_store import IdentityStore
from tailorbird.ports.ledger import HELD, INTENT, UNKNOWN, Ledger
from tailorbird.ports.state_store import StateStore
from tailorbird.ports.suppression_store import SuppressionStore
from tailorbird.profiles.state import Condition, ProfileState, decode
from tailorbird.reducer.reducer import Reducer
from tailorbird.services import identity_graph
from tailorbird.services.advance import LoadWorkspace
from tailorbird.services.consent_proofs import proofs, suppressed
from tailorbird.services.explain import (
    explanation,
    message_summary,
    public_profile_id,
)
from tailorbird.services.export import export
from tailorbird.services.filling_status import filling_status
from tailorbird.services.merges import merge_of
from tailorbird.services.message_record import decode_record, profile_of

_MERGES_MAX = 100
_PUBLIC_ID = re.compile(r"p_[0-7][0-9a-f]{15}")


class Query:
    """Reads the derived stores of a data folder; never writes."""

    def __init__(
        self,
        *,
        log: EventLog,
        states: Sequence[StateStore],
        identity: IdentityStore,
        ledger: Ledger,
        control: ControlStore,
        clock: Clock,
        load_workspace: LoadWorkspace,
        count_dead_letters: Callable[[], Mapping[str, int]] = dict,
        suppression: SuppressionStore | None = None,
    ) -> None:
        self._log = log
        self._states = states
        self._identity = identity
        self.ledger = ledger
        self._control = control
        self._clock = clock
        self._load_workspace = load_workspace
        self._count_dead_letters = count_dead_letters
        self._suppression = suppression
        self._reducer: tuple[str, Reducer] | None = None

    def reducer(self) -> Reducer | None:
        """Return the reducer of the live version, None before the first publication."""
        version = self._control.get("live_version")
        if version is None:
            return None
        if self._reducer is None or self._reducer[0] != version:
            self._reducer = (version, Reducer(self._load_workspace(version)))
        return self._reducer[1]

    def explanation(self, message_id: str) -> dict[str, Any] | None:
        """Explain a message, and say whether rendering it again gives the bytes that left."""
        message = self.ledger.message(message_id)
        if message is None or not message.effect:  # unknown, or to somebody who was erased
            return None
        record, key = decode_record(message), self._control.get("token_key")
        profile, same = None, None
        if record:
            # What an earlier release wrote may be more than this one can write again.
            with suppress(KeyError, TailorbirdError):
                reducer = self._reducer_of(record["workspace_version"])
                profile = profile_of(message, self.ledger, reducer)
                if key and "bytes" in record:
                    # Imported when first asked for: what renders takes 5 MB of a process.
                    from tailorbird.services.render_again import is_same_again

                    same = is_same_again(message, self.ledger, reducer, bytes.fromhex(key))
        return {**explanation(message, profile), "is_same_again": same}

    def _reducer_of(self, version: str) -> Reducer:
        live = self.reducer()
        if live is not None and live.workspace.version == version:
            return live
        return Reducer(self._load_workspace(version))

    def export(self, reference: str) -> dict[str, Any] | None:
        """Return all that is kept of a person, None where nobody is known under the reference."""
        known, profile_id = self.profile(reference), self.profile_id(reference)
        if known is None or profile_id is None:
            return None
        return export(profile_id, known, self._log, self._identity, self.ledger, self._clock.now)

    def consent(self, reference: str) -> dict[str, Any]:
        """Return the proofs of a person's consents, and which of their addresses get no mail.

        Reads the log of the person's partitions: for one person at a time.
        """
        profile_id = self.profile_id(reference)
        if profile_id is None or self._suppression is None:
            return {"consent_proofs": [], "suppressed": []}
        ids = {profile_id, *(loser for loser, _, _ in self._identity.merges(profile_id))}
        state = self.state(profile_id)
        email = None if state is None else state.traits.get("email")
        addresses = {
            value for kind, value in self._identity.identifiers(profile_id) if kind == "email"
        }
        if email is not None and isinstance(email.value, str):
            addresses.add(email.value.strip().lower())
        return {
            "consent_proofs": proofs(ids, self._log),
            "suppressed": suppressed(addresses, self._suppression),
        }

    def merge_of(self, reference: str) -> Unmerge | None:
        """Return how to undo the merge by which a person lost a self of their own.

        None where nobody is known so, or where that self never merged into another.
        """
        kind, _, value = unicodedata.normalize("NFC", reference).partition(":")
        is_id = reference.startswith("p_")
        first = read_profile_id(reference) if is_id else self._identity.linked(kind, value)
        return None if first is None else merge_of(self._log, self._identity, first)

    def token_key(self) -> bytes:
        """Return the key that signs links; empty before the first mail."""
        return bytes.fromhex(self._control.get("token_key") or "")

    def profile_id(self, reference: str) -> int | None:
        """Find a person by `p_...` or KIND:VALUE."""
        reference = unicodedata.normalize("NFC", reference)
        if reference.startswith("p_"):
            number = read_profile_id(reference)
            return None if number is None else self._identity.resolve(number)
        kind, _, value = reference.partition(":")
        value = value.strip()
        if kind == "email":
            value = value.lower()
        return self._identity.find(kind, value)

    def state(self, profile_id: int) -> ProfileState | None:
        """Return a person's state; of somebody merged away, the winner's."""
        for _ in range(_MERGES_MAX):
            store = self._states[partition_of(profile_id) % len(self._states)]
            data = store.profiles([profile_id]).get(profile_id)
            if data is None:
                return None
            state = decode(data)
            if not state.merged_into:
                return state
            profile_id = state.merged_into
        return None

    def profile(self, reference: str) -> dict[str, Any] | None:
        """Return all that is known of a person, None where nobody is known under the reference."""
        profile_id = self.profile_id(reference)
        reducer = self.reducer()
        state = None if profile_id is None else self.state(profile_id)
        if profile_id is None or state is None or reducer is None:
            return None
        seen = reducer.snapshot(state, self._clock.now())
        next_asked = dict(reducer.next_changes(state))
        return {
            "id": public_profile_id(state.profile_id),
            "identifiers": [
                {"kind": kind, "value": value}
                for kind, value in self._identity.identifiers(state.profile_id)
            ],
            "identity": identity_graph.identity(state.profile_id, self._log, self._identity),
            "timezone": reducer.workspace.settings.timezone,
            "traits": seen["traits"],
            "unfit": seen["unfit"],
            "context": seen["context"],
            "segments": sorted(seen["segments"]),
            "memberships": [
                {"name": name, "since": format_micros(since)}
                for name, since in sorted(seen["segments"].items())
            ],
            "next_changes": [
                {"segment": name, "at": format_micros(at)} for name, at in next_asked.items()
            ],
            "scores": seen["scores"],
            "interests": seen["interests"],
            "consents": seen["consents"],
            "journeys": [
                {
                    "journey": run.journey,
                    "step": run.position,
                    "started_at": format_micros(run.started_at),
                    "goes_on_at": format_micros(run.resume_at),
                }
                for run in state.runs
            ],
            "created_at": format_micros(seen["created_at"]),
            "updated_at": format_micros(seen["updated_at"]),
        }

    def why_not(self, reference: str, journey: str) -> dict[str, Any] | None:
        """Return what a journey asks of a person now, the first that fails, and what would do.

        `smallest_change` is the smallest change after which the first that fails would hold: text,
        wait_until, events [{event, more}], traits, verified (whether a copy of the person lived it
        and the condition held); None where nothing fails or nothing would do.

        Raises:
            KeyError: no such journey.
        """
        profile_id = self.profile_id(reference)
        reducer = self.reducer()
        state = None if profile_id is None else self.state(profile_id)
        if state is None or reducer is None:
            return None
        asked = reducer.why_not(state, journey, self._clock.now())
        first, change = next(((one, way) for one, way in asked if not one.holds), (None, None))
        return {
            "profile": public_profile_id(state.profile_id),
            "journey": journey,
            "stopped_by": None if first is None else _condition(first),
            "smallest_change": None if change is None else _change(change),
            "conditions": [_condition(one) for one, _ in asked],
        }

    def segments(self) -> list[dict[str, Any]]:
        """Return name, size, title and condition of every segment."""
        reducer = self.reducer()
        if reducer is None:
            return []
        sizes = self._sizes()
        return [
            {
                "name": one.name,
                "size": sizes.get(one.name, 0),
                "title": one.title,
                "description": one.description,
                "when": one.text,
            }
            for one in reducer.workspace.segments.values()
        ]

    def members(self, name: str, after: str, limit: int) -> dict[str, Any] | None:
        """Return a page of a segment's members, None where there is no such segment."""
        reducer = self.reducer()
        if reducer is None or name not in reducer.workspace.segments:
            return None
        start = -1 if not after else read_profile_id(after) or 0
        found = sorted(
            one for store in self._states for one in store.members(name, start, limit + 1)
        )
        page = found[:limit]
        return {
            "segment": name,
            "members": [
                {
                    "id": public_profile_id(profile_id),
                    "since": format_micros(since),
                    "identifiers": [
                        {"kind": kind, "value": value}
                        for kind, value in self._identity.identifiers(profile_id)
                    ],
                }
                for profile_id, since in page
            ],
            "next": public_profile_id(page[-1][0]) if len(found) > limit else None,
        }

    def messages(
        self, *, reference: str | None, status: str | None, limit: int
    ) -> list[dict[str, Any]] | None:
        """Return messages, newest first; None where the person is not known."""
        profile_ids = None
        if reference is not None:
            profile_id = self.profile_id(reference)
            if profile_id is None:
                return None
            profile_ids = [profile_id]
        found = self.ledger.messages(profile_ids=profile_ids, status=status, limit=limit)
        return [message_summary(one) for one in found]

    def journeys(self) -> list[dict[str, Any]]:
        """Return the journeys with what became of their messages."""
        reducer = self.reducer()
        if reducer is None:
            return []
        counts = self.ledger.counts_by_journey()
        return [
            {
                "name": one.name,
                "title": one.title,
                "description": one.description,
                "starts": f"entering {one.trigger.segment}"
                if one.trigger.segment
                else str(one.trigger.event),
                "messages": counts.get(one.name, {}),
            }
            for one in reducer.workspace.journeys.values()
        ]

    def status(self) -> dict[str, Any]:
        """Return how far each part has come; `drained` says that nothing is left to do now."""
        now, end = self._clock.now(), self._log.end()
        due = sum(len(store.due_partitions(now)) for store in self._states)
        pending = sum(
            len(store.outbox(self.ledger.cursor(index), 1_000))
            for index, store in enumerate(self._states)
        )
        unfinished = self.ledger.unfinished(now)
        return {
            "now": format_micros(now),
            "log_end": end,
            "engines": [
                {"offset": store.offset(), "profiles": store.count()} for store in self._states
            ],
            "people": sum(store.count() for store in self._states),
            "due_deadlines": due,
            "outbox_pending": pending,
            "messages_unfinished": unfinished,
            "drained": self.is_drained(),
            "messages": self.ledger.counts(),
            "messages_by_journey": self.ledger.counts_by_journey(),
            "segments": self._sizes(),
            "filling": self.filling(),
            "equality": {
                key: value
                for key, value in self.equality().items()
                if key not in ("segments", "values")
            },
            "sending_stopped": self._control.get(SENDING_STOPPED) == "1",
            "workspace": self.workspace_status(),
            "mail": self.mail_status(),
            "notice": self._control.get("notice") or "",
        }

    def filling(self) -> dict[str, Any] | None:
        """Return how far a version that goes live has come; see `filling_status`."""
        return filling_status(self._control, self._states, self._load_workspace)

    def equality(self) -> dict[str, Any]:
        """Return the last report of `services.equality`, {} before the first."""
        found: dict[str, Any] = json.loads(self._control.get("equality") or "{}")
        return found

    def is_drained(self) -> bool:
        """Say whether nothing is left to do at the present instant.

        An engine's offset may lie below the log's end where the last records are not its own.
        """
        now, end = self._clock.now(), self._log.end()
        for index, store in enumerate(self._states):
            offset = store.offset()
            if store.sweeps() or (offset < end and self._has_more(index, offset)):
                return False
            if store.due_partitions(now) or store.outbox(self.ledger.cursor(index), 1):
                return False
        return not self.ledger.unfinished(now)

    def engines(self) -> list[dict[str, Any]]:
        """Return for each engine whether definitions are live in it, and how far it is behind.

        An engine that has nothing of its own to do may stay some records behind.
        """
        end = self._log.end()
        return [
            {"ready": bool(store.versions()), "records_behind": max(end - store.offset(), 0)}
            for store in self._states
        ]

    def concerns(self) -> dict[str, Any]:
        """Return what did not go its way, counted, and as `mends` what to do about it, in words.

        What could not be reduced is a fault; the rest is for people to know. `waiting` are messages
        to be sent now or later, `held` those of them that a cap or quiet hours hold back.
        """
        counts = self.ledger.counts()
        poisoned = sum(store.poison_count() for store in self._states)
        unknown = counts.get(UNKNOWN, 0)
        on_hold = self.ledger.count_on_hold()
        mends = []
        if on_hold:
            mends.append(
                f"{on_hold} message(s) wait since a restore, because they may have been sent after"
                " the backup. `tailorbird release` lists them, and lets them go or drops them."
            )
        if poisoned:
            offsets = sorted(at for store in self._states for at, _ in store.poisoned(3))[-3:]
            mends.append(
                f"{poisoned} record(s) of the log could not be reduced and count nowhere, the last"
                f" at offset {', '.join(map(str, offsets))}. The engine's line `record_poisoned`"
                " names the fault: report it; after the mend rebuild the state from the log."
            )
        if unknown:
            mends.append(
                f"{unknown} message(s) may or may not have arrived. Look for their Message-ID in"
                " the mail server's log; `[delivery] unknown` says what becomes of later ones."
            )
        return {
            "poisoned": poisoned,
            "unknown": unknown,
            "on_hold": on_hold,
            "held": counts.get(HELD, 0),
            "waiting": counts.get(HELD, 0) + counts.get(INTENT, 0),
            "dead_letters": dict(self._count_dead_letters()),
            "mends": mends,
        }

    def overview(self) -> dict[str, Any]:
        """Return what the start page shows."""
        status = self.status()
        return {
            **status,
            "segments": self.segments(),
            "journeys": self.journeys(),
            "latest_messages": self.messages(reference=None, status=None, limit=12),
            "name": self._workspace_name(),
        }

    def workspace_status(self) -> dict[str, Any]:
        """Return the live version and what is wrong with the files."""
        problems = json.loads(self._control.get("workspace_problems") or "[]")
        return {"version": self._control.get("live_version"), "problems": problems}

    def mail_status(self) -> dict[str, Any]:
        """Return whether the mail server answers."""
        found: dict[str, Any] = json.loads(
            self._control.get(MAIL_STATUS) or '{"reachable": null, "reason": "not asked yet"}'
        )
        return found

    def _has_more(self, index: int, offset: int) -> bool:
        partitions = range(index, 64, len(self._states))
        return bool(self._log.read(offset, 1, partitions))

    def _workspace_name(self) -> str:
        reducer = self.reducer()
        return reducer.workspace.settings.name if reducer else ""

    def _sizes(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for store in self._states:
            for name, size in store.segment_sizes().items():
                sizes[name] = sizes.get(name, 0) + size
        return sizes


def read_profile_id(text: str) -> int | None:
    """Return the profile id that `p_` and 16 hexadecimal digits name, None for any other text."""
    return int(text[2:], 16) if _PUBLIC_ID.fullmatch(text) else None


def _condition(one: Condition) -> dict[str, Any]:
    return {
        "step": one.step,
        "text": one.text,
        "holds": one.holds,
        "values": [{"text": name, "value": value} for name, value in one.values],
        "at": format_micros(one.at),
    }


def _change(one: Change) -> dict[str, Any]:
    return {
        "text": one.text,
        "wait_until": None if one.wait_until is None else format_micros(one.wait_until),
        "events": [{"event": name, "more": more} for name, more in one.events],
        "traits": dict(one.traits),
        "verified": one.is_verified,
    }
