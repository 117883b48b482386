"""The record that a message keeps: what its decision was made from, and the bytes that left."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

from tailorbird.delivery.assemble import Parts, encode_parts
from tailorbird.delivery.decide import Facts
from tailorbird.journeys.effects import SendMessage
from tailorbird.ports.ledger import Message
from tailorbird.workspace.definitions import Workspace

_encode = msgspec.msgpack.Encoder().encode
_decode_parts = msgspec.msgpack.Decoder(Parts).decode
encode_record = _encode


def decode_record(message: Message) -> dict[str, Any]:
    """Return the record of a message, empty where it has none."""
    if not message.record:
        return {}
    found: dict[str, Any] = msgspec.msgpack.decode(message.record, strict=False)
    return found


def considered(
    profile: dict[str, Any], facts: Facts, workspace: Workspace, effect: SendMessage, now: int
) -> dict[str, Any]:
    """Return what a decision was made from: the person, consent, suppression, cap, versions."""
    return {
        "decided_at": now,
        "profile": profile,
        "consent": profile["consents"].get(effect.topic),
        "demands_consent": workspace.settings.demands_consent,
        "suppressed_because": facts.suppressed_because,
        "sent_at": list(facts.sent_at),
        "marketing_per_day": workspace.settings.marketing_per_day,
        "workspace_version": workspace.version,
        "journey_version": effect.version,
    }


def plain_parts(parts: Parts) -> bytes:
    """Return a message's parts as bytes that later ones are compressed against."""
    return _encode(parts)


def pack_parts(parts: Parts, base: bytes) -> bytes:
    """Compress a message against its template's first one: little more than the names are left."""
    packer = zlib.compressobj(6, zdict=base)
    return packer.compress(_encode(parts)) + packer.flush()


def unpack_bytes(packed: bytes, base: bytes) -> bytes:
    """Return the sent bytes from what `pack_parts` made against the same base."""
    unpacker = zlib.decompressobj(zdict=base)
    return encode_parts(_decode_parts(unpacker.decompress(packed) + unpacker.flush()))
