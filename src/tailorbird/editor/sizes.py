"""Asks a running server how many people a segment holds, where the environment names one."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException

URL = "TAILORBIRD_URL"
KEY = "TAILORBIRD_ADMIN_KEY"

_TIMEOUT_SECONDS = 1.0


def size_of(segment: str, environment: Mapping[str, str]) -> int | None:
    """Return the size of a segment, None where no server is named or it does not say.

    A hover that fails because a server is away would be worse than one without a number.
    """
    url, key = environment.get(URL, ""), environment.get(KEY, "")
    if not url.startswith(("http://", "https://")) or not key:
        return None
    request = urllib.request.Request(
        f"{url.rstrip('/')}/v1/segments", headers={"Authorization": f"Bearer {key}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
            rows = json.load(answer)
        return next((int(row["size"]) for row in rows if row["name"] == segment), None)
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None
