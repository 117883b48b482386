"""The event as it lies in the log, and the record that carries it."""

from __future__ import annotations

from typing import Any

import msgspec

from tailorbird.base.hashing import hash64

# Kinds of records. `event` carries something a person did or that happened to them.
EVENT = "event"
NOISY_EVENT = "noisy"  # an event of a flood: kept, and not reduced
TICK = "tick"  # time passed: fires the due deadlines of a partition
ACTIVATE = "activate"  # a published version of the workspace becomes live in a partition
REFOLD = "refold"  # a profile is made anew from its events, by today's definitions
LINK = "link"  # identifiers that from here on point at the profile; the identity store's source
MERGE_OUT = "merge_out"  # in the loser's partition: hand your state over
MERGE_IN = "merge_in"  # in the winner's partition: wait for the loser's state
UNMERGE = "unmerge"  # in both partitions: the two are different people after all
ABSORB = "absorb"  # in the winner's partition: the loser's state
# All that came before of the profile is to be made unreadable. Its records stay, as stubs with an
# empty body, which everybody passes over.
ERASE = "erase"

PARTITIONS = 64

# Segment's calls without a name of their own get these event names.
NAME_OF_CALL = {
    "identify": "identified",
    "page": "page_viewed",
    "screen": "screen_viewed",
    "group": "grouped",
    "alias": "aliased",
}


class Event(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """Something a person did or that happened to them.

    `timestamp` is microseconds UTC; `order` is the 64-bit hash of the message id that breaks ties
    of the total order (timestamp, order). `name` is in snake case, `name_as_sent` as it came.
    `properties` holds the traits of an identify or group call. `as_sent` keeps values that a
    standard form replaced, `unfit` says why others have none; both by place: `phone`,
    `context.timezone`.
    """

    type: str
    name: str
    message_id: str
    timestamp: int
    order: int
    properties: dict[str, Any] = {}
    context: dict[str, Any] = {}
    user_id: str | None = None
    anonymous_id: str | None = None
    name_as_sent: str | None = None
    original_timestamp: int | None = None
    source: str = "api"
    is_historical: bool = False
    as_sent: dict[str, Any] | None = None
    unfit: dict[str, str] | None = None


class _Head(msgspec.Struct, array_like=True, gc=False):
    """The first fields of an `Event`; what follows them is passed over."""

    type: str
    name: str


def written_traits(event: Event) -> dict[str, Any]:
    """Return the traits that an event writes; of a group only that the person belongs to it."""
    if event.type == "identify":
        return event.properties
    if event.type == "group":
        group = event.properties.get("group_id")
        if isinstance(group, str):
            return {"group_id": group}
    return {}


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An entry of the log. `now` is microseconds UTC, strictly increasing within a partition.

    `profile_id` is 0 where the record concerns a whole partition (tick, activate). `body` is
    msgpack: an `Event` for kind `event`, one of the structs below for the other kinds.
    """

    offset: int
    partition: int
    now: int
    kind: str
    profile_id: int
    body: bytes


class Activate(msgspec.Struct, frozen=True, array_like=True):
    """Body of an `activate` record: from here on this workspace version is live.

    With `is_recompute` all profiles are made anew from their events as well. `filling` names the
    file of what people did before, folded for this version, where one was prepared.
    """

    version: str
    engine_version: str
    is_recompute: bool = False
    filling: str = ""


class Refold(msgspec.Struct, frozen=True, array_like=True):
    """Body of a `refold` record."""

    reason: str


class Merge(msgspec.Struct, frozen=True, array_like=True):
    """Body of `merge_out` and `merge_in`."""

    merge_id: str
    winner_id: int
    loser_id: int


class Unmerge(msgspec.Struct, frozen=True, array_like=True):
    """Body of `unmerge`: what came by these identifiers alone is the loser's again."""

    merge_id: str
    winner_id: int
    loser_id: int
    identifiers: list[tuple[str, str]]


class Links(msgspec.Struct, frozen=True, array_like=True):
    """Body of a `link` record: (kind, value) of identifiers that now point at its profile."""

    identifiers: list[tuple[str, str]]


class Erase(msgspec.Struct, frozen=True, array_like=True):
    """Body of `erase`, the same in the lane of each profile that the person consists of.

    `suppressed` is (salted hash of the address, topic, reason, at): who left stays left.
    `identifiers` and `addresses` are needed to find what else is kept; once all is done the body
    is written again without them.
    """

    erasure_id: str
    requested_at: int
    profile_ids: list[int]
    suppressed: list[tuple[int, str, str, int]]
    identifiers: list[tuple[str, str]]
    addresses: list[str]


class Absorb(msgspec.Struct, frozen=True, array_like=True):
    """Body of an `absorb` record: the loser's state, as encoded by `profiles.encode`."""

    merge_id: str
    loser_id: int
    loser_now: int
    state: bytes


_decode_event = msgspec.msgpack.Decoder(Event).decode
_decode_head = msgspec.msgpack.Decoder(_Head).decode
encode = msgspec.msgpack.Encoder().encode


def decode_event(record: Record) -> Event:
    """Decode the event of a record; a timestamp later than the record's `now` is clamped to it."""
    event = _decode_event(record.body)
    if event.timestamp > record.now:
        event.original_timestamp = event.original_timestamp or event.timestamp
        event.timestamp = record.now
    return event


def name_of(record: Record) -> str:
    """Return the name of a record's event without decoding the rest of it."""
    return _decode_head(record.body).name


def order_of(message_id: str) -> int:
    """Return the tie-break of the total order: a 63-bit hash of the message id."""
    return hash64(message_id)


def profile_id_of(kind: str, value: str) -> int:
    """Return the id of the profile first seen under this identifier."""
    return hash64("profile", kind, value)


def partition_of(profile_id: int) -> int:
    """Return the partition that holds a profile."""
    return profile_id % PARTITIONS
