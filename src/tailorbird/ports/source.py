"""A queue that events are read from: its messages are settled once our log has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tailorbird.base.problems import OperationalError
from tailorbird.workspace.definitions import SourceDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message as the broker gave it.

    `position` names the message within its source and is the same when it is delivered again: a
    message without an id of its own is known by it. `at` is when the broker took it (microseconds
    UTC), where it tells. `token` is what the adapter settles with, and nobody else's concern.
    """

    body: bytes
    position: str
    at: int | None = None
    token: Any = None  # each client library has a type of its own


class SourceProblem(OperationalError):
    """The broker cannot be reached or refuses; what was not settled comes again."""


class Source(Protocol):
    """An open connection to a queue; one task uses it at a time."""

    async def receive(self) -> Sequence[Delivery]:
        """Return the next messages in order, or none after a second without any.

        Raises:
            SourceProblem: the broker is gone or refuses; the source is to be opened anew.
        """
        ...

    async def settle(self, batch: Sequence[Delivery]) -> None:
        """Tell the broker that these are done with; called once the log has them.

        Raises:
            SourceProblem: the broker did not take it; the messages come again.
        """
        ...

    async def refuse(self, batch: Sequence[Delivery]) -> None:
        """Give these back: they are received again, before or after others.

        Raises:
            SourceProblem: the broker did not take it; the messages come again all the same.
        """
        ...

    async def close(self) -> None:
        """End the connection; what was not settled comes again. Never fails."""
        ...


class OpenSource(Protocol):
    """How a source is opened: one function an adapter, in a table of `bootstrap.sources`."""

    async def __call__(self, definition: SourceDefinition, url: str) -> Source:
        """Connect; `url` is the definition's with its secrets put in.

        Raises:
            SourceProblem: the broker cannot be reached, or knows no such place.
        """
        ...


Secrets = Callable[[str], str | None]
