"""The state of one profile: all that the reducer knows of a person, and its codec.

The codec is canonical: equal histories give equal bytes, so states can be compared byte by byte.
"""

from __future__ import annotations

from typing import Any

import msgspec


class TraitValue(msgspec.Struct, array_like=True, gc=False):
    """A trait with the place of its write in the total order; the latest write wins."""

    value: Any
    timestamp: int
    order: int


class Consent(msgspec.Struct, array_like=True, gc=False):
    """Whether a topic was agreed to, and since when."""

    is_given: bool
    timestamp: int
    order: int


class Run(msgspec.Struct, array_like=True, gc=False):
    """One passage of the person through a journey.

    `position` is the id of the step that the run waits at. `resume_at` is when the wait ends
    (microseconds UTC). `trigger` and `trace` are what a message explains itself by.
    """

    journey: str
    key: str
    started_at: int
    position: str
    resume_at: int
    wait_started_at: int
    trigger: dict[str, Any]
    trace: list[Any]
    visits: dict[str, int]


class ProfileState(msgspec.Struct, array_like=True):
    """All that is known of one person; see DESIGN words. Times are microseconds UTC."""

    profile_id: int
    created_at: int
    updated_at: int
    traits: dict[str, TraitValue] = {}
    context: dict[str, Any] = {}
    context_at: tuple[int, int] = (0, 0)
    consents: dict[str, Consent] = {}
    cells: dict[int, Any] = {}  # accumulators by cell id, see language.cells
    segments: dict[str, int] = {}  # memberships: segment -> since
    deadlines: dict[str, int] = {}  # what is next asked when: "segment:NAME" -> instant
    runs: list[Run] = []
    started: dict[str, list[Any]] = {}  # per journey what re-entry rules need
    merged_into: int = 0  # tombstone: the winner's id
    waiting_for: list[Any] = []  # merges whose loser's state has not come yet
    parked: list[Any] = []  # records that wait for it
    absorbed: list[str] = []  # merge ids already taken over


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ProfileState)


def encode(state: ProfileState) -> bytes:
    """Encode canonically: `encode(decode(encode(s))) == encode(s)`."""
    return _encoder.encode(state)


def decode(data: bytes) -> ProfileState:
    """Decode a stored state."""
    return _decoder.decode(data)
