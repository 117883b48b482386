"""How other processes hand records to the log's writer and wait for its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from tailorbird.ports.event_log import Draft

ACCEPTED = "accepted"
NOISY = "noisy"  # stored, but one of too many of its profile: it is not reduced
DUPLICATE = "duplicate"
RETRY = "retry"  # not stored; the same call may be repeated


class EventDraft(msgspec.Struct, array_like=True, gc=False):
    """An event on its way to the log: decoded, validated, standardised, not yet resolved.

    `identifiers` are (kind, value), strongest first (user_id, anonymous_id, email ...); the writer
    resolves them to a profile, merges where rules say so, and links them all. `previous` holds the
    identifiers that an alias call names as the same person. `dedup` is hash64 of message id and
    lane, the lane being the anonymous id, else the user id, as sent. `body` is a msgpack `Event`.
    """

    identifiers: list[tuple[str, str]]
    dedup: int
    body: bytes
    previous: list[tuple[str, str]] = []
    concerns_suppression: bool = False  # `delivery.suppression.changes_of` has something to say
    is_late: bool = False  # it happened more than a day before it came
    is_historical: bool = False


class Answer(msgspec.Struct, array_like=True, gc=False):
    """What became of one draft. `offset` is 0 unless stored; `profile_id` 0 where unknown."""

    status: str
    offset: int = 0
    profile_id: int = 0


class LogWriter(Protocol):
    """Client of the writer process (or the writer itself, in tests)."""

    async def write(self, events: Sequence[EventDraft]) -> list[Answer]:
        """Deduplicate, resolve, append durably; one answer per event, in order."""
        ...

    async def append(self, drafts: Sequence[Draft]) -> list[Answer]:
        """Append records of other kinds (absorb, activate); known `dedup` values are duplicates."""
        ...

    async def now(self) -> int:
        """Return the writer's present instant (its clock may be simulated)."""
        ...

    async def set_now(self, now: int) -> int:
        """Move a simulated clock forward; returns the new now.

        Raises:
            ClockProblem: the clock is the real one.
        """
        ...
