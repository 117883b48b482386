"""Signed tokens in links: opens, clicks, unsubscribing. A token carries all that it needs.

The signature makes forgery useless and keeps the click route from being an open redirect.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from hashlib import sha256

import msgspec

_SIGNATURE_BYTES = 12
OPEN, CLICK, UNSUBSCRIBE = "o", "c", "u"


class Token(msgspec.Struct, array_like=True, frozen=True):
    """What a link says. `url` only for clicks, `address` and `topic` only for unsubscribing."""

    kind: str
    effect_id: str
    profile_id: int
    url: str = ""
    address: str = ""
    topic: str = ""


def sign(token: Token, key: bytes) -> str:
    """Return the token as text for a URL."""
    body = msgspec.msgpack.encode(token)
    return urlsafe_b64encode(_signature(body, key) + body).rstrip(b"=").decode()


def read(text: str, key: bytes) -> Token | None:
    """Return a token whose signature is right, else None."""
    try:
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (Base64Error, ValueError):
        return None
    signature, body = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(body, key)):
        return None
    try:
        return msgspec.msgpack.decode(body, type=Token)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def _signature(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, body, sha256).digest()[:_SIGNATURE_BYTES]
