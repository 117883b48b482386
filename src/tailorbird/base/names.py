"""Names as people write them and as we compare them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[\W_]+")


@lru_cache(maxsize=16_384)
def snake_case(name: str) -> str:
    """Return the spelling by which event names are compared.

    Example:
        >>> snake_case("Order Completed"), snake_case("orderCompleted")
        ('order_completed', 'order_completed')
    """
    return _SEPARATORS.sub("_", _BOUNDARY.sub("_", name).lower()).strip("_")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was most likely meant to be, or None."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
