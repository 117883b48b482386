"""Who may look: the admin key as a bearer token, or a session that it was traded for."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie

from tailorbird.web.answers import Scope, header
from tailorbird.web.collect import key_of

COOKIE = "tailorbird_session"
SESSION_SECONDS = 14 * 86_400


class Sessions:
    """Judges requests; cookies are signed, nothing is stored."""

    def __init__(
        self, is_admin_key: Callable[[str], bool], key: bytes, seconds: Callable[[], float]
    ) -> None:
        self._is_admin_key = is_admin_key
        self._key = key
        self._seconds = seconds

    def is_admin(self, scope: Scope) -> bool:
        """Say whether a request may see and change everything."""
        key = key_of(scope)
        return self.is_admin_key(key) if key is not None else self._has_session(scope)

    def is_admin_key(self, key: str) -> bool:
        """Say whether a text is an admin key."""
        return self._is_admin_key(key)

    def cookie(self, *, is_secure: bool) -> str:
        """Return a Set-Cookie value that opens a session."""
        expires = str(int(self._seconds()) + SESSION_SECONDS)
        secure = "; Secure" if is_secure else ""
        return (
            f"{COOKIE}={expires}.{self._sign(expires)}; Path=/; HttpOnly; SameSite=Strict;"
            f" Max-Age={SESSION_SECONDS}{secure}"
        )

    def _has_session(self, scope: Scope) -> bool:
        text = header(scope, b"cookie")
        if not text:
            return False
        try:
            morsel = SimpleCookie(text).get(COOKIE)
        except CookieError:
            return False
        expires, _, signature = (morsel.value if morsel else "").partition(".")
        # Bytes: the comparison of texts refuses those that are not ASCII by raising.
        if not hmac.compare_digest(signature.encode(), self._sign(expires).encode()):
            return False
        return int(expires) > self._seconds()

    def _sign(self, expires: str) -> str:
        return hmac.new(self._key, f"session:{expires}".encode(), sha256).hexdigest()
