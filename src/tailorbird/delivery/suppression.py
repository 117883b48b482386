"""Which events stop or allow mail to an address, and under which hash an address is kept."""

from __future__ import annotations

from typing import Any

from tailorbird.base.hashing import hash64
from tailorbird.events.event import Event
from tailorbird.ports.suppression_store import SuppressionChange

EVERYTHING = "*"
MARKETING = "marketing"

# Events that `changes_of` has something to say about.
NAMES = frozenset(
    {
        "unsubscribed",
        "consent_withdrawn",
        "subscribed",
        "consent_given",
        "email_bounced",
        "email_marked_as_spam",
    }
)


def address_hash(address: str) -> int:
    """Return the hash of an address, the same for all spellings of case and white space."""
    return hash64("address", address.strip().lower())


def erased_hash(address_hash: int, salt: str) -> int:
    """Return the hash under which an address is kept that belonged to somebody erased.

    Without the folder's salt nobody can try addresses out on it.
    """
    return hash64("erased", salt, address_hash)


def changes_of(event: Event, now: int) -> list[SuppressionChange]:
    """Return what an event changes; nothing where it names no address.

    Unsubscribing and withdrawing consent stop a topic, which subscribing allows again. A hard
    bounce and a complaint stop everything, and no later subscription lifts them. What is imported
    counts from when it happened: an old list must not lift what somebody asked for since.
    """
    if event.name not in NAMES:
        return []
    address = _address(event.properties)
    if address is None:
        return []
    if event.is_historical:
        now = min(event.timestamp, now)
    topic = event.properties.get("topic")
    if not isinstance(topic, str) or not topic:
        topic = MARKETING
    hashed = address_hash(address)
    if event.name in ("unsubscribed", "consent_withdrawn"):
        return [SuppressionChange(hashed, topic, True, "unsubscribed", now)]
    if event.name in ("subscribed", "consent_given"):
        return [SuppressionChange(hashed, topic, False, "unsubscribed", now)]
    if event.name == "email_marked_as_spam":
        return [SuppressionChange(hashed, EVERYTHING, True, "complained", now)]
    if event.properties.get("bounce_type", event.properties.get("type")) in ("soft", "transient"):
        return []
    return [SuppressionChange(hashed, EVERYTHING, True, "bounced", now)]


def address_in(event: Event) -> str | None:
    """Return the address that an event stops or allows mail to, if it is such an event."""
    return _address(event.properties) if event.name in NAMES else None


def _address(properties: dict[str, Any]) -> str | None:
    for name in ("email", "address", "email_address", "recipient"):
        value = properties.get(name)
        if isinstance(value, str) and "@" in value:
            return value
    return None
