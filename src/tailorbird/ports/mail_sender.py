"""Handing a finished message to a mail server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The server took responsibility; `answer` is its last line."""

    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The server said no. `is_permanent`: 5xx; else the message may be offered again."""

    code: int
    answer: str
    is_permanent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """No conversation could be had, nothing was handed over; always safe to retry."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain:
    """The connection broke after the final dot: the server may or may not have the message."""

    reason: str


HandOverResult = Accepted | Refused | Unreachable | Uncertain


class MailSender(Protocol):
    """Keeps connections open between messages; never raises for what a server does."""

    async def hand_over(self, sender: str, recipient: str, message: bytes) -> HandOverResult:
        """Offer one message (RFC 5322 bytes, CRLF) to the server."""
        ...

    async def check(self) -> str | None:
        """Return None where the server answers, else the reason why not."""
        ...

    async def close(self) -> None:
        """Close all connections politely."""
        ...
