"""Whether a webhook was signed with the secret that we share with its sender. Pure."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from tailorbird.workspace.definitions import SourceDefinition

Header = Callable[[str], str | None]

_PREFIX = "whsec_"
_ID_LENGTH_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A webhook that is not taken: which header, what is wrong with it, and the mend."""

    field: str
    message: str
    mend: str


class BadSecret(ValueError):
    """The secret cannot be one of this sender's; the text does not repeat it."""


def verify(
    definition: SourceDefinition, secret: str, header: Header, body: bytes, now_seconds: float
) -> Rejected | None:
    """Judge the signature of a request; None where it is good.

    Args:
        definition: The source, which says how its sender signs.
        secret: What both share.
        header: Gives a header's value by its name in small letters.
        body: The bytes as they came.
        now_seconds: The real time, for signatures that age.

    Raises:
        BadSecret: the secret has not the form that this sender gives.
    """
    match definition.sender:
        case "shopify":
            return _whole(header, "x-shopify-hmac-sha256", secret, body, "base64")
        case "woocommerce":
            return _whole(header, "x-wc-webhook-signature", secret, body, "base64")
        case "stripe":
            return _stripe(header, secret, body, now_seconds, definition.tolerance_seconds)
        case "standard-webhooks":
            return _standard(header, secret, body, now_seconds, definition.tolerance_seconds)
    return _whole(header, definition.header, secret, body, definition.encoding)


def _whole(header: Header, name: str, secret: str, body: bytes, encoding: str) -> Rejected | None:
    """A signature over the body alone."""
    given = header(name)
    if given is None:
        return _missing(name)
    digest = hmac.digest(secret.encode(), body, sha256)
    if encoding == "base64":
        wanted, found = b64encode(digest), given.strip()
    else:
        wanted, found = digest.hex().encode(), given.strip().lower()
    return None if _is_same(wanted, found.removeprefix("sha256=")) else _wrong(name)


def _stripe(
    header: Header, secret: str, body: bytes, now: float, tolerance: int
) -> Rejected | None:
    name = "stripe-signature"
    given = header(name)
    if given is None:
        return _missing(name)
    pairs = [part.strip().partition("=") for part in given.split(",")]
    stamp = next((value for key, _, value in pairs if key == "t"), "")
    if (seconds := _seconds(stamp)) is None:
        return _unreadable(name, "t=SECONDS,v1=SIGNATURE")
    wanted = hmac.digest(secret.encode(), stamp.encode() + b"." + body, sha256).hex().encode()
    # All are compared: how long it takes tells nothing of which one was right.
    good = [_is_same(wanted, value) for key, _, value in pairs if key == "v1"]
    return _aged(name, seconds, now, tolerance) if any(good) else _wrong(name)


def _standard(
    header: Header, secret: str, body: bytes, now: float, tolerance: int
) -> Rejected | None:
    values: dict[str, str] = {}
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        # The library of the scheme's first users names them so.
        found = header(name) or header(name.replace("webhook-", "svix-"))
        if not found:
            return _missing(name)
        values[name] = found
    stamp = values["webhook-timestamp"]
    if (seconds := _seconds(stamp)) is None:
        return _unreadable("webhook-timestamp", "seconds since 1970")
    if len(values["webhook-id"]) > _ID_LENGTH_MAX:
        return _unreadable("webhook-id", f"at most {_ID_LENGTH_MAX} characters")
    signed = f"{values['webhook-id']}.{stamp}.".encode("latin-1", "replace") + body
    wanted = b64encode(hmac.digest(_standard_key(secret), signed, sha256))
    pairs = [part.partition(",") for part in values["webhook-signature"].split(" ")]
    good = [_is_same(wanted, value) for version, _, value in pairs if version == "v1"]
    if not any(good):
        return _wrong("webhook-signature")
    return _aged("webhook-timestamp", seconds, now, tolerance)


def _standard_key(secret: str) -> bytes:
    try:
        return b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise BadSecret("the secret is no base64; copy it with all its letters") from None


def _is_same(wanted: bytes, given: str) -> bool:
    return hmac.compare_digest(wanted, given.encode("utf-8", "replace"))


def _seconds(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _aged(name: str, seconds: int, now: float, tolerance: int) -> Rejected | None:
    age = int(now) - seconds
    if abs(age) <= tolerance:
        return None
    said = f"{age} seconds old" if age > 0 else f"{-age} seconds ahead of our clock"
    return Rejected(
        field=name,
        message=f"the signature is {said}; at most {tolerance} are allowed",
        mend="Look at the clocks of both machines, or send the message again, signed anew.",
    )


def _missing(name: str) -> Rejected:
    return Rejected(
        field=name,
        message=f"the header {name} is missing",
        mend="Let the sender sign its requests with the secret of this source.",
    )


def _unreadable(name: str, form: str) -> Rejected:
    return Rejected(field=name, message=f"{name} cannot be read", mend=f"Its form is: {form}.")


def _wrong(name: str) -> Rejected:
    return Rejected(
        field=name,
        message="the signature is not that of this body and our secret",
        mend="Give the source and the sender the same secret, and send the body as it was signed.",
    )
