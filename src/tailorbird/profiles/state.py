"""The state of one profile: all that the reducer knows of a person, and its codec.

The codec is canonical: equal histories give equal bytes, so states can be compared byte by byte.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tailorbird.events.event import Record


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


class Condition(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """One condition as it was asked: where, its text, its truth, and the values of its parts.

    `values` pairs the text of each operand that is not a constant with its value in JSON form,
    e.g. [("count(order_completed within 30d)", 7)].
    """

    step: str  # "trigger", "exit" or a step id
    text: str
    holds: bool
    values: list[tuple[str, Any]]
    at: int  # microseconds UTC


class Run(msgspec.Struct, array_like=True, gc=False):
    """One passage of the person through a journey.

    `position` is the id of the step that the run waits at. `resume_at` is when the wait ends
    (microseconds UTC). `trigger` and `trace` are what a message explains itself by.
    """

    journey: str
    key: str
    origin: int
    started_at: int
    position: str
    resume_at: int
    wait_started_at: int
    trigger: dict[str, Any]
    trace: list[Condition]
    visits: dict[str, int]
    version: str = ""  # of the journey as this run finishes it; empty for what is live


class Started(msgspec.Struct, array_like=True, gc=False):
    """When a journey last began for this person, and the latest run keys (newest last)."""

    last_at: int
    keys: list[str]


class ProfileState(msgspec.Struct, array_like=True):
    """All that is known of one person; see DESIGN words. Times are microseconds UTC."""

    profile_id: int
    created_at: int
    updated_at: int
    origin: int  # hash of the first record's place: tells people apart in names of effects
    traits: dict[str, TraitValue] = {}
    context: dict[str, Any] = {}
    context_at: tuple[int, int] = (0, 0)  # place of that context in the total order
    consents: dict[str, Consent] = {}
    cells: dict[int, Any] = {}  # accumulators by cell id, see language.cells
    segments: dict[str, int] = {}  # memberships: segment -> since
    deadlines: dict[str, int] = {}  # what is next asked when: "segment:NAME" -> instant
    runs: list[Run] = []
    started: dict[str, Started] = {}  # per journey what re-entry rules need
    merged_into: int = 0  # tombstone: the winner's id
    waiting_for: dict[
        str, int
    ] = {}  # merge id -> since when, while the loser's state is on its way
    parked: list[Record] = []  # records that wait for it
    absorbed: list[str] = []  # merge ids already taken over
    deadline: int | None = None  # the earliest of all that this profile waits for
    # Merge ids whose loser has not come, with the cells that a back-fill filled meanwhile.
    expected: dict[str, list[int]] = {}
    unfit: dict[str, str] = {}  # traits whose present value has no standard form, and why


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ProfileState)


def encode(state: ProfileState) -> bytes:
    """Encode canonically: `encode(decode(encode(s))) == encode(s)`."""
    return _encoder.encode(state)


def decode(data: bytes) -> ProfileState:
    """Decode a stored state."""
    return _decoder.decode(data)
