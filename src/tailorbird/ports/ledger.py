"""The ledger: every message from intent to outcome, and how far the outbox has been taken over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from tailorbird.base.time import LATEST

# The life of a message. `intent` and `held` are asked again at `next_attempt_at`.
INTENT = "intent"
HELD = "held"
HANDING_OVER = "handing_over"
SENT = "sent"
FAILED = "failed"
SUPPRESSED = "suppressed"
EXPIRED = "expired"
UNKNOWN = "unknown"

MAY_HAVE_ARRIVED = "the process ended while the mail server was answering: it may have arrived"

# The next attempt of a held message that a person must release: after a restore it may have been
# sent already, which the restored ledger cannot know.
ON_HOLD = LATEST
ON_HOLD_REASON = "restored from a backup: it may have been sent since; `tailorbird release` decides"

WAITING = (INTENT, HELD)
FINISHED = (SENT, FAILED, SUPPRESSED, EXPIRED, UNKNOWN)


class Message(msgspec.Struct, kw_only=True):
    """One message. Times are microseconds UTC, 0 where not yet; `record` explains it (msgpack).

    `state` is the number of the engine whose outbox held it. `reported` says that the outcome has
    been written to the log. `required_offset` is where in the log the effect arose: a profile read
    for it must have come as far.
    """

    effect_id: str
    state: int
    profile_id: int
    journey: str
    step: str
    template: str
    kind: str
    topic: str
    due_at: int
    expires_at: int
    created_at: int
    effect: bytes
    status: str = INTENT
    address: str = ""
    subject: str = ""
    reason: str = ""
    attempts: int = 0
    next_attempt_at: int = 0
    finished_at: int = 0
    reported: bool = False
    record: bytes = b""
    required_offset: int = 0


class Ledger(Protocol):
    """Owned by `deliver`; others read."""

    def cursor(self, state: int) -> int:
        """Return the outbox row of an engine's state up to which intents are in the ledger."""
        ...

    def take_over(self, state: int, messages: Sequence[Message], cursor: int) -> None:
        """Store intents and the cursor in one durable commit; known effect ids are left alone."""
        ...

    def waiting(self, now: int, limit: int) -> list[Message]:
        """Return messages whose next attempt is due, the longest due first."""
        ...

    def update(self, messages: Sequence[Message]) -> None:
        """Store the new standing of messages in one durable commit."""
        ...

    def postpone(self, now: int, until: int, reason: str) -> None:
        """Let all messages that are due wait until an instant, for one reason, in one commit."""
        ...

    def recover(self, now: int, resends_max: int = 0) -> int:
        """After a crash: messages that were being handed over become `unknown`; how many did.

        Those attempted at most `resends_max` times become intents again instead.
        """
        ...

    def marketing_sent_at(self, address: str, since: int) -> list[int]:
        """Return when marketing mail left for an address (or may have left), after `since`."""
        ...

    def capped(self, since: int, count: int) -> set[str]:
        """Return addresses that marketing mail left for at least so often (or may have)."""
        ...

    def unreported(self, limit: int) -> list[Message]:
        """Return finished messages whose outcome the log does not have yet."""
        ...

    def mark_reported(self, effect_ids: Sequence[str]) -> None:
        """Note that the log has the outcomes."""
        ...

    def put_on_hold(self, until: int, log_end: int) -> int:
        """Hold, until released, what is not finished and due by `until`; return how many.

        So is what arose behind `log_end`, in records that a restored log does not have, and what
        was being handed over.
        """
        ...

    def on_hold(self, limit: int) -> list[Message]:
        """Return messages that wait to be released, the longest due first, without records."""
        ...

    def count_on_hold(self) -> int:
        """Return how many messages wait to be released."""
        ...

    def release(self, now: int, effect_ids: Sequence[str] | None = None) -> int:
        """Let messages that are on hold, or some of them, be asked again now; return how many."""
        ...

    def drop(self, now: int, reason: str, effect_ids: Sequence[str] | None = None) -> int:
        """Settle messages that are on hold, or some of them, as suppressed; return how many."""
        ...

    def erase(self, profile_ids: Sequence[int], now: int) -> tuple[int, int]:
        """Make unreadable what is kept of messages to people; return messages and bytes.

        That they were, of which journey and step and what became of them, stays countable.
        """
        ...

    def report_again(self, since: int) -> None:
        """Let outcomes since an instant be written to the log again: it may lack them."""
        ...

    def rendering(self, key: str, data: bytes | None = None) -> bytes:
        """Return the rendering kept under a key, keeping `data` there if there is none yet.

        It is what the sent bytes of messages are compressed against, and is nobody's mail.
        """
        ...

    def message(self, effect_id: str) -> Message | None:
        """Return one message with its record."""
        ...

    def messages(
        self,
        *,
        profile_ids: Sequence[int] | None = None,
        status: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Message]:
        """Return messages, newest first, without their records."""
        ...

    def counts(self) -> dict[str, int]:
        """Return the number of messages by status."""
        ...

    def counts_by_journey(self) -> dict[str, dict[str, int]]:
        """Return the number of messages by journey and status."""
        ...

    def unfinished(self, now: int) -> int:
        """Return how many messages are waiting and due, or being handed over, or unreported."""
        ...
