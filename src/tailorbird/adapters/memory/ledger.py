"""The ledger in memory, for tests and simulations."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tailorbird.ports.ledger import (
    FINISHED,
    HANDING_OVER,
    HELD,
    INTENT,
    MAY_HAVE_ARRIVED,
    ON_HOLD,
    ON_HOLD_REASON,
    SENT,
    SUPPRESSED,
    UNKNOWN,
    WAITING,
    Message,
)


class MemoryLedger:
    """Keeps messages in the order in which they were taken over."""

    def __init__(self) -> None:
        self._messages: dict[str, Message] = {}
        self._cursors: dict[int, int] = {}
        self._renderings: dict[str, bytes] = {}

    def cursor(self, state: int) -> int:
        """Return the outbox row up to which intents are here."""
        return self._cursors.get(state, 0)

    def take_over(self, state: int, messages: Sequence[Message], cursor: int) -> None:
        """Store intents and the cursor; known effect ids are left alone."""
        for message in messages:
            self._messages.setdefault(message.effect_id, _copy(message))
        self._cursors[state] = cursor

    def waiting(self, now: int, limit: int) -> list[Message]:
        """Return messages whose next attempt is due, the longest due first."""
        due = [
            one
            for one in self._messages.values()
            if one.status in WAITING and one.next_attempt_at <= now
        ]
        due.sort(key=lambda one: one.next_attempt_at)
        return [_copy(one) for one in due[:limit]]

    def update(self, messages: Sequence[Message]) -> None:
        """Store the new standing of messages."""
        for message in messages:
            if message.effect_id in self._messages:
                self._messages[message.effect_id] = _copy(message)

    def postpone(self, now: int, until: int, reason: str) -> None:
        """Let all messages that are due wait until an instant."""
        for message in self._messages.values():
            if message.status in WAITING and message.next_attempt_at <= now:
                message.next_attempt_at, message.reason = until, reason

    def recover(self, now: int, resends_max: int = 0) -> int:
        """Turn messages that a crash caught in the hand-over to `unknown`, or to intents."""
        caught = [one for one in self._messages.values() if one.status == HANDING_OVER]
        for message in caught:
            message.reason = MAY_HAVE_ARRIVED
            if 1 <= message.attempts <= resends_max:
                message.status, message.next_attempt_at = INTENT, now
            else:
                message.status, message.finished_at = UNKNOWN, now
        return sum(message.status == UNKNOWN for message in caught)

    def marketing_sent_at(self, address: str, since: int) -> list[int]:
        """Return when marketing mail left for an address, after an instant."""
        return [
            one.finished_at
            for one in self._messages.values()
            if one.address == address
            and one.kind == "marketing"
            and one.status in (SENT, UNKNOWN)
            and one.finished_at > since
        ]

    def capped(self, since: int, count: int) -> set[str]:
        """Return addresses that marketing mail left for so often, at least, after an instant."""
        addresses = {one.address for one in self._messages.values() if one.address}
        return {one for one in addresses if len(self.marketing_sent_at(one, since)) >= count}

    def unreported(self, limit: int) -> list[Message]:
        """Return finished messages whose outcome the log lacks, without records."""
        found = [
            one for one in self._messages.values() if one.status in FINISHED and not one.reported
        ]
        return [_copy(one, has_record=False) for one in found[:limit]]

    def mark_reported(self, effect_ids: Sequence[str]) -> None:
        """Note that the log has the outcomes."""
        for effect_id in effect_ids:
            self._messages[effect_id].reported = True

    def put_on_hold(self, until: int, log_end: int) -> int:
        """Hold what is not finished and may have been sent; see the port."""
        found = [
            one
            for one in self._messages.values()
            if one.status == HANDING_OVER
            or (one.status in WAITING and (one.due_at <= until or one.required_offset > log_end))
        ]
        for message in found:
            message.status, message.next_attempt_at = HELD, ON_HOLD
            message.reason = ON_HOLD_REASON
            message.required_offset = min(message.required_offset, log_end)
        return len(found)

    def on_hold(self, limit: int) -> list[Message]:
        """Return messages that wait to be released."""
        found = sorted(self._on_hold(None), key=lambda one: one.due_at)
        return [_copy(one, has_record=False) for one in found[:limit]]

    def count_on_hold(self) -> int:
        """Return how many messages wait to be released."""
        return len(self._on_hold(None))

    def release(self, now: int, effect_ids: Sequence[str] | None = None) -> int:
        """Let messages that are on hold be asked again now."""
        found = self._on_hold(effect_ids)
        for message in found:
            message.next_attempt_at, message.reason = now, ""
        return len(found)

    def drop(self, now: int, reason: str, effect_ids: Sequence[str] | None = None) -> int:
        """Settle messages that are on hold as suppressed."""
        found = self._on_hold(effect_ids)
        for message in found:
            message.status, message.reason, message.finished_at = SUPPRESSED, reason, now
        return len(found)

    def _on_hold(self, effect_ids: Sequence[str] | None) -> list[Message]:
        return [
            one
            for one in self._messages.values()
            if one.status in WAITING
            and one.next_attempt_at == ON_HOLD
            and (effect_ids is None or one.effect_id in effect_ids)
        ]

    def erase(self, profile_ids: Sequence[int], now: int) -> tuple[int, int]:
        """Make unreadable what is kept of messages to people."""
        found = [one for one in self._messages.values() if one.profile_id in profile_ids]
        size = sum(len(one.record) + len(one.effect) for one in found)
        for message in found:
            if message.status not in FINISHED:
                message.status, message.finished_at = SUPPRESSED, now
            message.address = message.subject = message.reason = ""
            message.effect = message.record = b""
            message.reported = True
        return len(found), size

    def report_again(self, since: int) -> None:
        """Let outcomes since an instant be written to the log again."""
        for message in self._messages.values():
            if message.status in FINISHED and message.finished_at >= since:
                message.reported = False

    def rendering(self, key: str, data: bytes | None = None) -> bytes:
        """Return the rendering kept under a key; keep `data` there if there is none yet."""
        if data is not None:
            self._renderings.setdefault(key, data)
        return self._renderings.get(key, b"")

    def message(self, effect_id: str) -> Message | None:
        """Return one message with its record."""
        found = self._messages.get(effect_id)
        return None if found is None else _copy(found)

    def messages(
        self,
        *,
        profile_ids: Sequence[int] | None = None,
        status: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Message]:
        """Return messages, newest first, without records."""
        found = [
            one
            for one in reversed(self._messages.values())
            if (profile_ids is None or one.profile_id in profile_ids)
            and (status is None or one.status == status)
            and (before is None or one.created_at < before)
        ]
        return [_copy(one, has_record=False) for one in found[:limit]]

    def counts(self) -> dict[str, int]:
        """Return the number of messages by status."""
        found: dict[str, int] = {}
        for message in self._messages.values():
            found[message.status] = found.get(message.status, 0) + 1
        return found

    def counts_by_journey(self) -> dict[str, dict[str, int]]:
        """Return the number of messages by journey and status."""
        found: dict[str, dict[str, int]] = {}
        for message in self._messages.values():
            of_journey = found.setdefault(message.journey, {})
            of_journey[message.status] = of_journey.get(message.status, 0) + 1
        return found

    def unfinished(self, now: int) -> int:
        """Return how many messages keep deliver busy now."""
        return sum(
            one.status == HANDING_OVER
            or (one.status in WAITING and one.next_attempt_at <= now)
            or (one.status in FINISHED and not one.reported)
            for one in self._messages.values()
        )

    def close(self) -> None:
        """Nothing to close."""


def _copy(message: Message, *, has_record: bool = True) -> Message:
    changes = {} if has_record else {"record": b""}
    return msgspec.structs.replace(message, **changes)
