"""What a test asks of an engine: keep some people's events, and answer queries over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from tailorbird.language.oracle import Known
from tailorbird.language.warehouse.embedded import Answers, answers_of
from tailorbird.language.warehouse.engines import Engine
from tailorbird.language.warehouse.lake import to_text
from tailorbird.language.warehouse.query import Query

# The property that has columns of its own, in the order in which `write_events` has them.
PROMOTED = {"price": ("text", "truth", "number")}
_GIVEN = ("traits", "context", "predictions", "clusters")


class EngineMissing(Exception):
    """The engine is not installed here; the text says what is missing."""


class Peer(Protocol):
    """An engine with the relations that a query reads; see `frame`."""

    engine: Engine

    def keep(
        self, people: Mapping[int, Sequence[Known]], profiles: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """Make `events` of these histories, `profiles` of what is given beside, and `zones`.

        Prices of all three types occur, and are promoted.
        """

    def ask_everybody(self) -> None:
        """Let those who are asked be all who have events."""

    def ask_at(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Let those who are asked be rows of (profile, instant in microseconds)."""

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query that is written for the engine.

        Raises:
            WarehouseError: a number is too large, or data lie in a form that is not read.
        """

    def close(self) -> None:
        """End it."""


def values(peer: Peer, query: Query) -> Answers:
    """Return the answers of an engine by key."""
    return answers_of(query, peer.rows(query.text(peer.engine)))


def profile_rows(
    profiles: Mapping[int, Mapping[str, Any]],
) -> list[tuple[int, str, str, None, str, str]]:
    """Return rows of profile_id, traits, context, timezone, predictions, clusters."""
    found = []
    for who, given in profiles.items():
        traits, context, predictions, clusters = (to_text(given.get(one, {})) for one in _GIVEN)
        found.append((who, traits, context, None, predictions, clusters))
    return found


def escaped(text: str) -> str:
    """Write a constant for engines in which a backslash protects."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
