"""Erasing a person: what is asked for, what is done step by step, and the certificate.

The erasure is a record in the log first. The writer notes it in the control store before anything
derived is past it, and works at it until all is done, also after a crash: each step may be
repeated. Engines drop the person's state when they come to the record; deliver empties the ledger
once they have; the log's records become stubs, so nobody else's replay changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

from tailorbird.base.hashing import hash_text
from tailorbird.base.time import format_micros
from tailorbird.delivery.suppression import address_hash, address_in, erased_hash
from tailorbird.events.event import (
    ERASE,
    EVENT,
    Erase,
    Record,
    decode_event,
    encode,
    partition_of,
)
from tailorbird.ports.control_store import ControlStore
from tailorbird.ports.event_log import Draft, EventLog
from tailorbird.ports.identity_store import IdentityStore
from tailorbird.ports.ledger import Ledger
from tailorbird.ports.log_writer import RETRY, LogWriter
from tailorbird.ports.state_store import StateStore
from tailorbird.ports.suppression_store import SuppressionStore
from tailorbird.profiles.state import ProfileState

# Named values of the control store, each followed by the erasure's id.
PENDING = "erasing:"
LEDGER = "erasing-ledger:"
LEDGER_DONE = "erased-ledger:"
DONE = "erased:"

_RECORDS_AT_ONCE = 5_000
_decode = msgspec.msgpack.Decoder(Erase).decode


def plan(
    profile_id: int,
    state: ProfileState | None,
    log: EventLog,
    identity: IdentityStore,
    suppression: SuppressionStore,
    salt: str,
    now: int,
) -> Erase:
    """Return what the erasure of a person has to concern. Reads the log of their partitions."""
    ids = [profile_id, *(loser for loser, _, _ in identity.merges(profile_id))]
    identifiers = identity.identifiers(profile_id)
    addresses = {value for kind, value in identifiers if kind == "email"}
    trait = state.traits.get("email") if state is not None else None
    if trait is not None and isinstance(trait.value, str):
        addresses.add(trait.value)
    addresses |= addresses_in(log, ids)
    hashes = {address_hash(one) for one in addresses}
    suppressed = [
        (erased_hash(hashed, salt), topic, reason, at)
        for hashed in sorted(hashes)
        for topic, reason, at in suppression.topics(hashed)
    ]
    return Erase(
        hash_text("erase", salt, profile_id, now),
        now,
        sorted(set(ids)),
        suppressed,
        list(identifiers),
        sorted(addresses),
    )


async def ask_for(erase: Erase, writer: LogWriter) -> bool:
    """Put an erasure into the log, from where it is done; False where the log does not take it."""
    body = encode(erase)
    drafts = [Draft(partition_of(one), ERASE, one, body) for one in erase.profile_ids]
    answers = await writer.append(drafts)
    return all(one.status != RETRY for one in answers)


def note(control: ControlStore, record: Record) -> None:
    """Note that an erasure is to be done. Called by the writer, perhaps more than once."""
    erase = _decode(record.body)
    if not erase.identifiers and control.get(DONE + erase.erasure_id) is not None:
        return  # its record is all that is left of it
    known = json.loads(control.get(PENDING + erase.erasure_id) or '{"offsets": {}}')
    known["offsets"][str(record.profile_id)] = record.offset
    control.set(PENDING + erase.erasure_id, json.dumps(known))


def erase_in_ledger(
    control: ControlStore, ledger: Ledger, states: Sequence[StateStore], now: int
) -> int:
    """Do deliver's part of what is pending, where engines have come so far; return how many."""
    done = 0
    for name, value in control.named(LEDGER).items():
        offsets = {int(one): at for one, at in json.loads(value).items()}
        if not _have_passed(states, offsets):
            continue
        messages, size = ledger.erase(list(offsets), now)
        told = {"messages": messages, "bytes": size}
        control.set(LEDGER_DONE + name.removeprefix(LEDGER), json.dumps(told))
        control.remove(name)
        done += 1
    return done


def certificate(control: ControlStore, erasure_id: str) -> dict[str, Any] | None:
    """Return the certificate of an erasure, `{"status": "pending"}` before, None if unknown."""
    done = control.get(DONE + erasure_id)
    if done is not None:
        found: dict[str, Any] = json.loads(done)
        return found
    if control.get(PENDING + erasure_id) is not None:
        return {"erasure_id": erasure_id, "status": "pending"}
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the writer's part of an erasure works on; all may be called again."""

    read_record: Callable[[int], Record | None]
    # Makes the records of profiles up to an offset stubs: {file: (records, bytes)}.
    make_stubs: Callable[[Sequence[int], int], Mapping[str, tuple[int, int]]]
    replace_body: Callable[[int, bytes], None]
    erase_dead_letters: Callable[[Sequence[str]], int]
    forget_addresses: Callable[[Sequence[int]], None]
    # Removes folders that older commands left behind; their names.
    remove_leftovers: Callable[[], Sequence[str]]
    scrub: Callable[[], bool]
    are_states_scrubbed: Callable[[Mapping[int, int]], bool]
    # Whether the lake, if it was kept, has let go of what came before an offset.
    has_lake_passed: Callable[[int], bool]
    now: Callable[[], int]


class Eraser:
    """The writer's part: works at one erasure until its certificate is written."""

    def __init__(self, control: ControlStore, parts: Parts) -> None:
        self._control = control
        self._parts = parts

    def pending(self) -> list[str]:
        """Return the ids of erasures that are not done."""
        return [name.removeprefix(PENDING) for name in self._control.named(PENDING)]

    def work(self, erasure_id: str) -> bool:
        """Do what can be done now; True once the certificate is there. May be called again."""
        known = json.loads(self._control.get(PENDING + erasure_id) or "{}")
        offsets = {int(one): int(at) for one, at in known.get("offsets", {}).items()}
        record = self._parts.read_record(max(offsets.values())) if offsets else None
        if record is None or record.kind != ERASE:
            self._control.remove(PENDING + erasure_id)
            return True
        erase = _decode(record.body)
        if set(offsets) != set(erase.profile_ids):
            return False  # the rest of its records is about to be noted
        if "log" not in known:
            known = self._first(erase, offsets, known)
        if not self._parts.are_states_scrubbed(offsets):
            return False
        if not self._parts.has_lake_passed(max(offsets.values())):
            return False
        told = self._control.get(LEDGER_DONE + erasure_id)
        if told is None:
            waiting = {str(one): at for one, at in offsets.items()}
            self._control.set(LEDGER + erasure_id, json.dumps(waiting))
            return False
        self._finish(erase, offsets, known, json.loads(told))
        return True

    def _first(
        self, erase: Erase, offsets: Mapping[int, int], known: dict[str, Any]
    ) -> dict[str, Any]:
        parts = self._parts
        files = dict(parts.make_stubs(erase.profile_ids, max(offsets.values())))
        values = [value for _, value in erase.identifiers] + erase.addresses
        letters = parts.erase_dead_letters(sorted(set(values)))
        parts.forget_addresses([address_hash(one) for one in erase.addresses])
        removed = list(parts.remove_leftovers())
        before = known.get("partial", {})
        known = {
            **known,
            "log": {
                name: [count, size] if count else before.get(name, [0, 0])
                for name, (count, size) in files.items()
            },
            "dead_letters": letters,
            "removed": removed,
        }
        self._control.set(PENDING + erase.erasure_id, json.dumps(known))
        return known

    def _finish(
        self,
        erase: Erase,
        offsets: Mapping[int, int],
        known: Mapping[str, Any],
        ledger: Mapping[str, int],
    ) -> None:
        # What came between the record and the end of it, such as a mail's outcome.
        self._parts.make_stubs(erase.profile_ids, max(offsets.values()))
        bare = encode(
            Erase(erase.erasure_id, erase.requested_at, erase.profile_ids, erase.suppressed, [], [])
        )
        if not self._parts.scrub():
            return
        for offset in offsets.values():
            self._parts.replace_body(offset, bare)
        made: dict[str, Any] = {
            "erasure_id": erase.erasure_id,
            "status": "done",
            "requested_at": format_micros(erase.requested_at),
            "finished_at": format_micros(self._parts.now()),
            "profiles": [f"p_{one:016x}" for one in erase.profile_ids],
            "identifiers": len(erase.identifiers),
            "log": {
                "records": sum(count for count, _ in known["log"].values()),
                "bytes": sum(size for _, size in known["log"].values()),
                "files": sorted(name for name, (count, _) in known["log"].items() if count),
            },
            "messages": ledger["messages"],
            "message_bytes": ledger["bytes"],
            "dead_letters": known["dead_letters"],
            "folders_removed": known["removed"],
            "addresses_that_stay_suppressed": len({one[0] for one in erase.suppressed}),
        }
        made["sha256"] = sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
        self._control.set(DONE + erase.erasure_id, json.dumps(made))
        for prefix in (PENDING, LEDGER, LEDGER_DONE):
            self._control.remove(prefix + erase.erasure_id)


def addresses_in(log: EventLog, profile_ids: Sequence[int]) -> set[str]:
    """Return the addresses that the person's own wishes to leave or to get mail name."""
    found: set[str] = set()
    partitions, after = {partition_of(one) for one in profile_ids}, 0
    while records := log.read(after, _RECORDS_AT_ONCE, partitions):
        after = records[-1].offset
        for record in records:
            if record.profile_id in profile_ids and record.kind == EVENT:
                try:
                    address = address_in(decode_event(record))
                except msgspec.DecodeError:
                    continue
                if address is not None:
                    found.add(address)
    return found


def _have_passed(states: Sequence[StateStore], offsets: Mapping[int, int]) -> bool:
    return all(
        states[partition_of(one) % len(states)].offset() >= at for one, at in offsets.items()
    )
