"""The register of erasures: who was erased, without saying who, so that a restore erases again.

A profile's number is a hash of its first identifier, and addresses that want no mail are salted
hashes: nobody is named. A backup that is older than an erasure brings the person back; the register
of a newer data folder, or a file kept elsewhere, tells that they are to go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tailorbird.base.time import format_micros, parse_micros
from tailorbird.events.event import ERASE, LINK, Erase, Links, Record, encode, partition_of
from tailorbird.ports.event_log import Draft, EventLog
from tailorbird.services.erase import addresses_in

_RECORDS_AT_ONCE = 5_000
_decode_erase = msgspec.msgpack.Decoder(Erase).decode
_decode_links = msgspec.msgpack.Decoder(Links).decode


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """One erasure. `suppressed` is (salted hash of the address, topic, reason, at)."""

    erasure_id: str
    requested_at: str
    profiles: list[str]
    suppressed: list[tuple[int, str, str, int]] = []


class Register(msgspec.Struct, kw_only=True):
    """All erasures of a server; `salt` is what its erased people's addresses are hashed with."""

    format: int = 1
    salt: str = ""
    erasures: list[Erasure] = []

    def add(self, other: Register) -> int:
        """Take over what another register has more; return how many."""
        known = {one.erasure_id for one in self.erasures}
        fresh = [one for one in other.erasures if one.erasure_id not in known]
        self.erasures = [*self.erasures, *fresh]
        self.salt = self.salt or other.salt
        return len(fresh)


def register_of(records: Iterable[Record], salt: str) -> Register:
    """Return the register that a log's `erase` records make."""
    found: dict[str, Erasure] = {}
    for record in records:
        erase = _decode_erase(record.body)
        found[erase.erasure_id] = Erasure(
            erasure_id=erase.erasure_id,
            requested_at=format_micros(erase.requested_at),
            profiles=[f"p_{one:016x}" for one in erase.profile_ids],
            suppressed=erase.suppressed,
        )
    return Register(salt=salt, erasures=list(found.values()))


def drafts_of(missing: Sequence[Erasure], log: EventLog) -> list[Draft]:
    """Return the records that erase again, for the end of a log that has none of them yet.

    What the log knows of the people's identifiers is looked up: it says what else is to go.
    """
    wanted = {one.erasure_id: [int(name[2:], 16) for name in one.profiles] for one in missing}
    everybody = {profile_id for ids in wanted.values() for profile_id in ids}
    identifiers = _identifiers_in(log, everybody)
    drafts: list[Draft] = []
    for one in missing:
        ids = wanted[one.erasure_id]
        own = sorted({found for profile_id in ids for found in identifiers.get(profile_id, ())})
        addresses = {value for kind, value in own if kind == "email"} | addresses_in(log, ids)
        body = encode(
            Erase(
                one.erasure_id,
                parse_micros(one.requested_at),
                ids,
                one.suppressed,
                own,
                sorted(addresses),
            )
        )
        drafts += [Draft(partition_of(each), ERASE, each, body) for each in ids]
    return drafts


def _identifiers_in(log: EventLog, profile_ids: set[int]) -> dict[int, set[tuple[str, str]]]:
    found: dict[int, set[tuple[str, str]]] = {}
    partitions, after = {partition_of(one) for one in profile_ids}, 0
    while records := log.read(after, _RECORDS_AT_ONCE, partitions):
        after = records[-1].offset
        for record in records:
            if record.kind == LINK and record.body and record.profile_id in profile_ids:
                found.setdefault(record.profile_id, set()).update(
                    _decode_links(record.body).identifiers
                )
    return found
