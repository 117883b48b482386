"""The kinds of identifiers: which an event names, how strong, how many a person may have, and
which values stand for nobody. What they lead to is told by `profiles.identity`.

Strength is the order of `IdentityRules.limits`; a kind that is not there never identifies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailorbird.base.names import snake_case

Identifier = tuple[str, str]

LENGTH_MAX = 512
EXTERNAL_IDS_MAX = 20

# Values that clients send for nobody in particular: they never identify.
BLOCKED_VALUES = frozenset(
    {
        "",
        "-1",
        "0",
        "00000000-0000-0000-0000-000000000000",
        "[object object]",
        "anonymous",
        "false",
        "guest",
        "n/a",
        "na",
        "nan",
        "nil",
        "none",
        "null",
        "true",
        "undefined",
        "unknown",
    }
)
# A text of one character again and again, apart from hyphens: an advertising id that is switched
# off, a test value.
_REPEATED = re.compile(r"(?:-*([0-9a-zA-Z])-*(?:\1-*){7,})")
LIMITS: Mapping[str, int] = {
    "user_id": 1,
    "external_id": 20,
    "anonymous_id": 100,
    "email": 5,
    "phone": 5,
    "device": 20,
}


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """Kinds with the most values of each that one person has, strongest first, and what is blocked.

    `blocked` and `patterns` are by kind; "" holds for all kinds. Values compare in lower case, and
    a pattern has to match a whole value.
    """

    limits: Mapping[str, int] = field(default_factory=lambda: LIMITS)
    blocked: Mapping[str, frozenset[str]] = field(default_factory=lambda: {"": BLOCKED_VALUES})
    patterns: Mapping[str, tuple[re.Pattern[str], ...]] = field(
        default_factory=lambda: {"device": (_REPEATED,)}
    )
    # The place of each kind, 0 for the strongest: put together once, as what follows.
    strength: Mapping[str, int] = field(init=False, repr=False, compare=False)
    # What a kind is judged by: asked for each identifier of each event.
    _judges_of: dict[str, tuple[frozenset[str], tuple[re.Pattern[str], ...]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        strength = {kind: place for place, kind in enumerate(self.limits)}
        object.__setattr__(self, "strength", strength)

    def limit(self, kind: str) -> int:
        """Return how many values of a kind one person has at most; 0 where it never identifies."""
        return self.limits.get(kind_of(kind), 0)

    def identifies(self, identifier: Identifier) -> bool:
        """Say whether an identifier is of a kind that identifies, and stands for somebody."""
        kind, value = identifier
        return self.limit(kind) > 0 and not self.is_blocked(kind_of(kind), value)

    def is_blocked(self, kind: str, value: str) -> bool:
        """Say whether a value stands for nobody.

        Example:
            >>> IdentityRules().is_blocked("user_id", "NULL")
            True
        """
        blocked, patterns = self._judges_of.get(kind) or self._judges(kind)
        if value.strip().lower() in blocked:
            return True
        return bool(patterns) and any(pattern.fullmatch(value) for pattern in patterns)

    def _judges(self, kind: str) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
        none: frozenset[str] = frozenset()
        found = self._judges_of[kind] = (
            self.blocked.get("", none) | self.blocked.get(kind, none),
            (*self.patterns.get("", ()), *self.patterns.get(kind, ())),
        )
        return found

    def sorted(self, identifiers: Iterable[Identifier]) -> list[Identifier]:
        """Return those identifiers that identify, strongest kind first, each once."""
        strength = self.strength
        kept = dict.fromkeys(one for one in identifiers if self.identifies(one))
        return sorted(kept, key=lambda one: strength[kind_of(one[0])])


DEFAULT_RULES = IdentityRules()


def kind_of(kind: str) -> str:
    """Return the kind that rules speak of: external ids carry their type, as in external_id:crm."""
    return kind.partition(":")[0]


def context_identifiers(context: Mapping[str, Any]) -> list[Identifier]:
    """Return the external ids of users and the ids of the device in a Segment context.

    What is malformed identifies nobody; it stays in the context as sent.
    """
    found: list[Identifier] = []
    externals = context.get("externalIds")
    if isinstance(externals, list):
        for one in externals[:EXTERNAL_IDS_MAX]:
            if not isinstance(one, dict) or one.get("collection", "users") != "users":
                continue  # ids of other collections, such as accounts, are not a person's
            kind, value = one.get("type"), _text(one.get("id"))
            if isinstance(kind, str) and (name := snake_case(kind)) and value:
                # Also where the type says user_id: an event has one user, the call's own.
                found.append((f"external_id:{name}", value))
    device = context.get("device")
    if isinstance(device, dict):
        for key in ("id", "advertisingId"):
            if key == "advertisingId" and device.get("adTrackingEnabled") is False:
                continue
            if value := _text(device.get(key)):
                found.append(("device", value))
    return found


def _text(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    value = value.strip()
    return value if 0 < len(value) <= LENGTH_MAX else None
