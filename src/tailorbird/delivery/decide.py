"""Whether a message may leave now: kind, consent, caps, quiet hours, sandbox, expiry. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tailorbird.base.time import DAY
from tailorbird.journeys.effects import SendMessage
from tailorbird.language.calendar import instant_of, is_zone, local_of, zone_of
from tailorbird.workspace.definitions import WorkspaceSettings

MARKETING, TRANSACTIONAL = "marketing", "transactional"


@dataclass(frozen=True, slots=True)
class Deliver:
    """The message may leave, to `address`."""

    address: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now: ask again at `until` (microseconds UTC)."""

    until: int
    reason: str


@dataclass(frozen=True, slots=True)
class Suppress:
    """Never: the person must not get it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Expire:
    """Too late: nobody wants it any more."""

    reason: str


Decision = Deliver | Hold | Suppress | Expire


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is read last. `sent_at`: instants of marketing messages to the address in 24 hours."""

    suppressed_because: str | None = None
    sent_at: Sequence[int] = ()


def address_of(profile: Mapping[str, Any]) -> str | None:
    """Return the person's e-mail address where it can be mailed to."""
    address = profile["traits"].get("email")
    if not isinstance(address, str) or "email" in profile.get("unfit", ()):
        return None
    address = address.strip()
    local, at, domain = address.rpartition("@")
    is_safe = all(character.isprintable() and character not in " <>," for character in address)
    return address if at and local and domain and is_safe else None


def decide(
    effect: SendMessage,
    profile: Mapping[str, Any],
    settings: WorkspaceSettings,
    facts: Facts,
    now: int,
) -> Decision:
    """Decide on one message from the profile as it is now (`Reducer.snapshot`)."""
    if now > effect.expires_at:
        return Expire("it was due too long ago")
    address = address_of(profile)
    if address is None:
        return Suppress("the person has no e-mail address that can be mailed to")
    if settings.is_sandbox and address.lower() not in {
        one.lower() for one in settings.sandbox_addresses
    }:
        return Suppress("sandbox: only the listed addresses get mail")
    if facts.suppressed_because is not None:
        return Suppress(f"the address is suppressed: {facts.suppressed_because}")
    if effect.kind == MARKETING:
        return _decide_marketing(effect, profile, settings, facts, now, address)
    return Deliver(address)


def _decide_marketing(
    effect: SendMessage,
    profile: Mapping[str, Any],
    settings: WorkspaceSettings,
    facts: Facts,
    now: int,
    address: str,
) -> Decision:
    consent = profile["consents"].get(effect.topic)
    if consent is False:
        return Suppress(f"consent for {effect.topic} was withdrawn")
    if consent is None and settings.demands_consent:
        return Suppress(f"there is no consent for {effect.topic}")
    if not settings.postal_address:
        return Suppress("marketing needs a postal address: set postal_address in tailorbird.toml")
    until = _quiet_until(profile, settings, now)
    if until is None:
        until = _capped_until(settings, facts, now)
        reason = f"at most {settings.marketing_per_day} marketing mail(s) a day"
    else:
        reason = "quiet hours"
    if until is None:
        return Deliver(address)
    return (
        Hold(until, reason)
        if until <= effect.expires_at
        else Suppress(f"{reason}, and then expired")
    )


def _capped_until(settings: WorkspaceSettings, facts: Facts, now: int) -> int | None:
    recent = sorted(at for at in facts.sent_at if at > now - DAY)
    if not settings.marketing_per_day or len(recent) < settings.marketing_per_day:
        return None
    return recent[len(recent) - settings.marketing_per_day] + DAY


def _quiet_until(profile: Mapping[str, Any], settings: WorkspaceSettings, now: int) -> int | None:
    start, end = settings.quiet_from_minute, settings.quiet_until_minute
    if start is None or end is None or start == end:
        return None
    own = profile["traits"].get("timezone")
    timezone = own if isinstance(own, str) and is_zone(own) else settings.timezone
    local = local_of(now, timezone).replace(tzinfo=None, fold=0)
    minute = local.hour * 60 + local.minute
    is_quiet = start <= minute < end if start < end else minute >= start or minute < end
    if not is_quiet:
        return None
    # The wall time of the end, today or tomorrow; a skipped one is moved behind the gap.
    days = 1 if minute >= end else 0
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return instant_of(zone_of(timezone), midnight + timedelta(days=days, minutes=end))
