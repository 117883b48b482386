"""Our own library for web pages: one file, served as it is to whoever asks."""

from __future__ import annotations

import gzip
from hashlib import blake2b
from pathlib import Path

from tailorbird.web.answers import Scope, Send, answer, header

_SOURCE = Path(__file__).parent / "tailorbird.js"
CACHE_SECONDS = 3_600


class Snippet:
    """Serves /v1/tailorbird.js, packed, with a tag by which a browser asks whether it changed."""

    def __init__(self) -> None:
        self.plain = _SOURCE.read_bytes()
        self.packed = gzip.compress(self.plain, 9, mtime=0)
        self._tag = f'"{blake2b(self.plain, digest_size=8).hexdigest()}"'.encode()

    async def handle(self, scope: Scope, send: Send) -> None:
        """Answer a request for the file."""
        headers = (
            (b"etag", self._tag),
            (b"cache-control", f"public, max-age={CACHE_SECONDS}".encode()),
            (b"access-control-allow-origin", b"*"),
            (b"cross-origin-resource-policy", b"cross-origin"),
            (b"vary", b"accept-encoding"),
        )
        kind = "text/javascript; charset=utf-8"
        if (header(scope, b"if-none-match") or "").encode("latin-1") == self._tag:
            await answer(send, 304, b"", kind, headers)
        elif "gzip" in (header(scope, b"accept-encoding") or ""):
            await answer(send, 200, self.packed, kind, (*headers, (b"content-encoding", b"gzip")))
        else:
            await answer(send, 200, self.plain, kind, headers)
