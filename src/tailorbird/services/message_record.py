"""The record that a message keeps: what its decision was made from, and the bytes that left."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import msgspec

from tailorbird.delivery.assemble import Parts, encode_parts
from tailorbird.delivery.decide import Facts
from tailorbird.journeys.effects import SendMessage
from tailorbird.ports.ledger import Ledger, Message
from tailorbird.profiles.state import Condition, ProfileState, decode
from tailorbird.reducer.reducer import Reducer
from tailorbird.workspace.definitions import Workspace

_encode = msgspec.msgpack.Encoder().encode
_decode_parts = msgspec.msgpack.Decoder(Parts).decode
# Effects and records are small: a window of 8 KB takes half the time of the usual 32 KB.
_RECORD_WINDOW = 13
# The first byte of what zlib packed so; of a record as it was kept before, a map, it is another.
_PACKED = 0x58


def encode_record(record: dict[str, Any], effect: bytes) -> bytes:
    """Return the bytes of a record, compressed against the message's own effect.

    Both tell of the same person and lie in the same row, so they are also erased together.
    """
    return _pack(_encode(record), effect, _RECORD_WINDOW)


def decode_record(message: Message) -> dict[str, Any]:
    """Return the record of a message, empty where it has none."""
    data = message.record
    if not data:
        return {}
    if data[0] == _PACKED:
        data = _unpack(data, message.effect)
    found: dict[str, Any] = msgspec.msgpack.decode(data, strict=False)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadProfile:
    """A profile as the store had it: its bytes hold all records of its own up to `offset`."""

    data: bytes
    offset: int
    state: ProfileState


def considered(
    read: ReadProfile,
    profile: dict[str, Any],
    facts: Facts,
    asked: Condition | None,
    workspace: Workspace,
    effect: SendMessage,
    now: int,
) -> dict[str, Any]:
    """Return what a decision was made from: the person, consent, suppression, cap, versions."""
    return {
        "decided_at": now,
        "state": read.data,
        "offset": read.offset,
        "asked": asked,
        "consent": profile["consents"].get(effect.topic),
        "demands_consent": workspace.settings.demands_consent,
        "suppressed_because": facts.suppressed_because,
        "sent_at": list(facts.sent_at),
        "marketing_per_day": workspace.settings.marketing_per_day,
        "workspace_version": workspace.version,
        "journey_version": effect.version,
    }


def state_of(message: Message, ledger: Ledger) -> bytes | None:
    """Return the bytes of the profile that a message was decided from, None before a decision."""
    record = decode_record(message)
    state: bytes | None = record.get("state")
    if state is not None and "state_base" in record:
        # As records were kept before: against the state of whoever came first.
        return _unpack(state, ledger.rendering(record["state_base"]))
    return state


def profile_of(message: Message, ledger: Ledger, reducer: Reducer) -> dict[str, Any] | None:
    """Return the person as templates saw them; `reducer` is of the version that decided."""
    data = state_of(message, ledger)
    if data is None:
        return None
    return reducer.snapshot(decode(data), decode_record(message)["decided_at"])


def asked_of(record: dict[str, Any]) -> Condition | None:
    """Return the exit condition that was asked at the moment of sending, if there was one."""
    found = record.get("asked")
    return None if found is None else msgspec.convert(found, Condition)


def plain_parts(parts: Parts) -> bytes:
    """Return a message's parts as bytes that others are compressed against."""
    return _encode(parts)


def pack_parts(parts: Parts, base: bytes) -> bytes:
    """Compress a message against its template's made-up one (`made_up`): what differs is left."""
    return _pack(_encode(parts), base)


def unpack_bytes(packed: bytes, base: bytes) -> bytes:
    """Return the sent bytes from what `pack_parts` made against the same base."""
    return encode_parts(_decode_parts(_unpack(packed, base)))


def _pack(data: bytes, base: bytes, window: int = zlib.MAX_WBITS) -> bytes:
    packer = zlib.compressobj(6, wbits=window, zdict=base)
    return packer.compress(data) + packer.flush()


def _unpack(packed: bytes, base: bytes) -> bytes:
    unpacker = zlib.decompressobj(zdict=base)
    return unpacker.decompress(packed) + unpacker.flush()
