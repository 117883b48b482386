"""From a mail server's answer to a message's standing, and from there to the event in the log."""

from __future__ import annotations

from tailorbird.base.hashing import hash64
from tailorbird.base.time import MICROSECONDS
from tailorbird.events.event import Event, encode, order_of
from tailorbird.ports import ledger as standing
from tailorbird.ports.ledger import Message
from tailorbird.ports.log_writer import EventDraft
from tailorbird.ports.mail_sender import (
    Accepted,
    HandOverResult,
    Refused,
    Uncertain,
    Unreachable,
)

RETRY_SECONDS_MIN = 30
RETRY_SECONDS_MAX = 3_600
ATTEMPTS_MAX = 30
# How often a message that may have arrived is sent again, where the workspace wants that.
RESENDS_MAX = 2
# When a message whose server could not be reached is asked for again, at the earliest.
UNREACHABLE_SECONDS = 5


def settle(message: Message, status: str, reason: str, now: int) -> None:
    """Give a message its last standing."""
    message.status, message.reason, message.finished_at = status, reason, now


def settle_without_profile(message: Message, missing: str, now: int, *, has_expired: bool) -> None:
    """Settle a message whose person is not to be found, for the reason given."""
    if has_expired:
        # Whether they will be there again is not asked: their engine may have fallen back.
        settle(message, standing.EXPIRED, f"it was due too long ago, and {missing}", now)
    else:
        settle(message, standing.FAILED, missing, now)


def note(message: Message, answer: HandOverResult, now: int, resends_max: int = 0) -> None:
    """Give a message the standing that the server's answer means. May be repeated.

    What may have arrived is tried again while it was attempted at most `resends_max` times.
    """
    match answer:
        case Accepted():
            settle(message, standing.SENT, answer.answer, now)
        case Uncertain() if message.attempts <= resends_max:
            _wait(message, answer.reason, now + RETRY_SECONDS_MIN * MICROSECONDS)
        case Uncertain():
            settle(message, standing.UNKNOWN, answer.reason, now)
        case Refused() if answer.is_permanent:
            settle(message, standing.FAILED, answer.answer, now)
        case Refused() if message.attempts >= ATTEMPTS_MAX:
            reason = f"given up after {message.attempts} attempts: {answer.answer}"
            settle(message, standing.FAILED, reason, now)
        case Refused():
            seconds = min(RETRY_SECONDS_MIN * 2 ** (message.attempts - 1), RETRY_SECONDS_MAX)
            _wait(message, answer.answer, now + seconds * MICROSECONDS)
        case Unreachable():
            _wait(message, answer.reason, now + UNREACHABLE_SECONDS * MICROSECONDS)


def outcome_draft(message: Message) -> EventDraft:
    """Return the event that tells the log what became of a message."""
    name = f"email_{message.status}"
    message_id = f"{message.effect_id}:{message.status}"
    event = Event(
        type="track",
        name=name,
        message_id=message_id,
        timestamp=message.finished_at,
        order=order_of(message_id),
        properties={
            "message_id": message.effect_id,
            "journey": message.journey,
            "step": message.step,
            "template": message.template,
            "kind": message.kind,
            "topic": message.topic,
            "subject": message.subject,
            "reason": message.reason if message.status != standing.SENT else "",
        },
        source="tailorbird",
    )
    return EventDraft(
        [("profile_id", str(message.profile_id))], hash64("outcome", message_id), encode(event)
    )


def _wait(message: Message, reason: str, until: int) -> None:
    message.status, message.reason, message.next_attempt_at = standing.INTENT, reason, until
