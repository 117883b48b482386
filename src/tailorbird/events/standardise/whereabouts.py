"""Where the person is, by the address of their device: `context.geo`."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address

from tailorbird.events.event import Event
from tailorbird.events.standardise.step import Surroundings, Unfit

_LENGTH_MAX = 64


@lru_cache(maxsize=16_384)
def _ip(text: str) -> str | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def ip(text: str) -> str | None:
    """Return the standard form of an internet address, None where the text is none.

    Example:
        >>> ip("2001:DB8:0:0::1"), ip("::ffff:192.0.2.1"), ip("192.0.2.256")
        ('2001:db8::1', '192.0.2.1', None)
    """
    text = text.strip()
    return _ip(text) if len(text) <= _LENGTH_MAX else None


def find_place(event: Event, at: Surroundings) -> bool:
    """Put `geo` into a context that says from where it comes, and has none of its own."""
    context, look_up = event.context, at.look_up
    if look_up is None or "geo" in context:
        return False
    given = context.get("ip")
    if given is None:
        # Only a browser's or an app's request comes from the person: a server's has no agent.
        if at.ip is None or "userAgent" not in context:
            return False
        given = at.ip
    place = look_up(given) if given.__class__ is str else None
    if place:
        context["geo"] = place
    elif not isinstance(given, str) or ip(given) is None:
        at.mark("context.ip", Unfit.BAD_IP)
    return True
