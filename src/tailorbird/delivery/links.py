"""Rewrites a mail's links so that clicks come back, and adds the pixel that tells of opens."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape, unescape

from tailorbird.delivery.tokens import CLICK, OPEN, UNSUBSCRIBE, Token, read, sign

_HREF = re.compile(r"""(<a\b[^>]*?\bhref\s*=\s*)(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)


_PIXEL = re.compile(r'<img src="[^"]*/t/o/[^"]*" width="1" height="1" alt="" style="border:0">')
_OURS = re.compile(r"""https?://[^"'\s<>]*/(t/c|u)/([A-Za-z0-9_-]+)""")


def without_tracking(html: str, key: bytes) -> str:
    """Return a sent mail to look at: whoever looks is not the reader, and no link tells otherwise.

    The pixel goes, tracked links lead where they were meant to, unsubscribe links lead nowhere.
    """

    def meant(match: re.Match[str]) -> str:
        token = read(match[2], key)
        if token is None:
            return match[0]
        return escape(token.url) if token.kind == CLICK else "#"

    return _OURS.sub(meant, _PIXEL.sub("", html))


class LinkSigner:
    """Makes the signed URLs of one message."""

    def __init__(self, base_url: str, key: bytes, effect_id: str, profile_id: int) -> None:
        self._base = base_url.rstrip("/")
        self._key = key
        self._effect_id = effect_id
        self._profile_id = profile_id

    def unsubscribe_url(self, address: str, topic: str) -> str:
        """Return the page where this address leaves this topic; also the one-click target."""
        token = Token(UNSUBSCRIBE, self._effect_id, self._profile_id, address=address, topic=topic)
        return f"{self._base}/u/{sign(token, self._key)}"

    def open_url(self) -> str:
        """Return the URL of the pixel."""
        token = Token(OPEN, self._effect_id, self._profile_id)
        return f"{self._base}/t/o/{sign(token, self._key)}.gif"

    def click_url(self, url: str) -> str:
        """Return the URL that notes a click and leads to `url`."""
        token = Token(CLICK, self._effect_id, self._profile_id, url=url)
        return f"{self._base}/t/c/{sign(token, self._key)}"

    def track(self, html: str) -> str:
        """Rewrite links to web pages and add the pixel; our own links stay as they are."""
        tracked = _HREF.sub(self._rewriter(), html)
        pixel = f'<img src="{self.open_url()}" width="1" height="1" alt="" style="border:0">'
        ends = list(_BODY_END.finditer(tracked))
        position = ends[-1].start() if ends else len(tracked)
        return tracked[:position] + pixel + tracked[position:]

    def _rewriter(self) -> Callable[[re.Match[str]], str]:
        def rewrite(match: re.Match[str]) -> str:
            url = unescape(match[2] if match[2] is not None else match[3]).strip()
            is_web = url.startswith(("http://", "https://"))
            # The shop may live on the same host: only our own routes are left out.
            if not is_web or url.startswith((f"{self._base}/u/", f"{self._base}/t/")):
                return match[0]
            return f'{match[1]}"{escape(self.click_url(url))}"'

        return rewrite
