"""The simulated reader: opens and clicks that nobody did, only when asked for, and said so."""

from __future__ import annotations

import random
import re
import urllib.error
import urllib.request
from email import message_from_bytes, policy
from pathlib import Path

SEED = 20_111_209
OPENING = 0.4
CLICKING = 0.3  # of those who open
_PIXEL = re.compile(r'<img src="([^"]+/t/o/[^"]+)"')
_LINK = re.compile(r'href="([^"]+/t/c/[^"]+)"')


class SimulatedReader:
    """Reads the caught mails with a seeded random: real requests to real links."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = 0
        self._random = random.Random(SEED)
        self._opener = urllib.request.build_opener(_StayHere)

    def read_new(self) -> None:
        """Read what came since the last call."""
        while (path := self._folder / f"{self._read + 1:06d}.eml").exists():
            self._read += 1
            opens, clicks = self._random.random(), self._random.random()
            if opens >= OPENING:
                continue
            part = message_from_bytes(path.read_bytes(), policy=policy.default)
            body = part.get_body(("html",))
            html = body.get_content() if body is not None else ""
            self._visit(_PIXEL.search(html))
            if clicks < CLICKING:
                self._visit(_LINK.search(html))

    def _visit(self, found: re.Match[str] | None) -> None:
        if found is None:
            return
        try:
            self._opener.open(found[1].replace("&amp;", "&"), timeout=10).read()
        except urllib.error.HTTPError as answer:
            # A redirect to the shop that is not followed: the shop does not exist.
            if answer.code != 302:
                raise


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None
