"""The mail server: takes mail, refuses it for now or for good, breaks off around the dot."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tailorbird.ports.mail_sender import Accepted, HandOverResult, Refused, Uncertain, Unreachable
from tailorbird.testing.simulation.processes import Life

_ID = re.compile(rb"^Message-ID:\s*<([^@>]+)@", re.IGNORECASE | re.MULTILINE)


@dataclass
class Moods:
    """What the server does instead of taking a mail: shares of the mails offered to it."""

    away: float = 0.0
    refused_now: float = 0.0
    refused_for_good: float = 0.0
    cut_before: float = 0.0
    cut_after: float = 0.0
    seconds: float = 0.02

    def clear(self) -> None:
        """From here on it takes everything."""
        self.away = self.refused_now = self.refused_for_good = 0.0
        self.cut_before = self.cut_after = 0.0


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that the server has; `begun_at` and `taken_at` are seconds of the simulation."""

    effect_id: str
    recipient: str
    begun_at: float
    taken_at: float


@dataclass
class MailServer:
    """Keeps what it took, and what it did to others."""

    moods: Moods
    rng: random.Random
    seconds: Callable[[], float]
    mails: list[Mail] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    cuts_after_dot: int = 0

    def connect(self, life: Life) -> Connection:
        """Return a process's sender (`ports.mail_sender.MailSender`)."""
        return Connection(self, life)


class Connection:
    """The mail server as one process reaches it."""

    def __init__(self, server: MailServer, life: Life) -> None:
        self._server = server
        self._life = life

    async def hand_over(self, sender: str, recipient: str, message: bytes) -> HandOverResult:
        """Offer one mail."""
        server, life, moods = self._server, self._life, self._server.moods
        found = _ID.search(message)
        assert found is not None, "a mail without Message-ID"
        effect_id = found[1].decode()
        life.touch()
        begun_at = server.seconds()
        if server.rng.random() < moods.away:
            return Unreachable(reason="connection refused")
        await self._pass()
        draw = server.rng.random()
        if draw < moods.refused_now:
            return Refused(code=451, answer="451 later", is_permanent=False)
        if draw < moods.refused_now + moods.refused_for_good:
            server.refused.add(effect_id)
            return Refused(code=550, answer="550 never", is_permanent=True)
        if server.rng.random() < moods.cut_before:
            return Unreachable(reason="the connection broke")
        life.point()  # before the dot
        is_cut = server.rng.random() < moods.cut_after
        if not (is_cut and server.rng.random() < 0.5):
            server.mails.append(Mail(effect_id, recipient, begun_at, server.seconds()))
        await self._pass()
        life.point()  # after the dot
        if is_cut:
            server.cuts_after_dot += 1
            return Uncertain(reason="the connection broke while sending")
        return Accepted(answer="250 taken")

    async def check(self) -> str | None:
        """Say whether the server answers."""
        self._life.touch()
        await self._pass()
        return "connection refused" if self._server.rng.random() < self._server.moods.away else None

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _pass(self) -> None:
        await asyncio.sleep(self._server.rng.random() * self._server.moods.seconds)
        self._life.touch()
