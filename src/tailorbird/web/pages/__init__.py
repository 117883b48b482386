"""The live pages: static files, and the login that trades the admin key for a session."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

from tailorbird.web.answers import Scope, Send, answer
from tailorbird.web.sessions import Sessions

_STATIC = Path(__file__).parent / "static"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_POLICY = (
    b"default-src 'self'; img-src 'self' data:; frame-src 'self'; style-src 'self' 'unsafe-inline'"
)


class Pages:
    """Serves the start page and its files; everything else is not ours."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._files = {path.name: path for path in _STATIC.iterdir() if path.suffix in _KINDS}

    async def handle(self, scope: Scope, send: Send) -> bool:
        """Answer a request for a page; False where the path is none."""
        path: str = scope["path"]
        if scope["method"] not in ("GET", "HEAD"):
            return False
        if path == "/":
            await self._start_page(scope, send)
            return True
        if not path.startswith("/static/"):
            return False
        found = self._files.get(path.removeprefix("/static/"))
        if found is None:
            return False
        cache = ((b"cache-control", b"no-cache"), (b"content-security-policy", _POLICY))
        await answer(send, 200, found.read_bytes(), _KINDS[found.suffix], cache)
        return True

    async def _start_page(self, scope: Scope, send: Send) -> None:
        keys = parse_qs(scope["query_string"].decode("latin-1")).get("key")
        if keys and self._sessions.is_admin_key(keys[0]):
            is_secure = scope.get("scheme") == "https"
            cookie = self._sessions.cookie(is_secure=is_secure).encode()
            # The key leaves the address bar at once.
            headers = ((b"location", b"/"), (b"set-cookie", cookie))
            await answer(send, 303, b"", "text/plain", headers)
            return
        name = "index.html" if self._sessions.is_admin(scope) else "login.html"
        body = (_STATIC / name).read_bytes()
        headers = ((b"content-security-policy", _POLICY), (b"cache-control", b"no-store"))
        await answer(send, 200, body, _KINDS[".html"], headers)
