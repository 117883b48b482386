"""Hands messages to a mail server over SMTP, on connections that stay open between messages."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import unquote, urlsplit

import aiosmtplib

from tailorbird.base.problems import TailorbirdError
from tailorbird.delivery.addresses import wire_address
from tailorbird.ports.mail_sender import (
    Accepted,
    HandOverResult,
    Refused,
    Uncertain,
    Unreachable,
)

CONNECTIONS_MAX = 10
MESSAGES_PER_CONNECTION_MAX = 500
TIMEOUT_SECONDS = 30.0
_DEFAULT_PORTS = {"smtp": 25, "smtps": 465}


class SmtpUrlProblem(TailorbirdError):
    """An SMTP URL that cannot be used."""


class SmtpSender:
    """A pool of reused connections to one server.

    URL: `smtp://user:password@host:587` (STARTTLS where offered; `?starttls=always|never`),
    `smtps://host:465` (TLS from the start).
    """

    def __init__(self, url: str, *, connections_max: int = CONNECTIONS_MAX) -> None:
        """Read the URL; nothing is connected yet.

        Raises:
            SmtpUrlProblem: the URL is not one of the forms above.
        """
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            # The URL may hold a password: it is not repeated.
            raise SmtpUrlProblem(
                "smtp_url is not an SMTP URL; write smtp://mail.example:587"
                " or smtps://mail.example:465, with user:password@ before the host if needed"
            )
        self._host = parts.hostname
        try:
            self._port = parts.port or _DEFAULT_PORTS[parts.scheme]
        except ValueError:
            raise SmtpUrlProblem(
                f"smtp_url for the host {parts.hostname} has a port that is no number up to 65535"
            ) from None
        self._is_tls = parts.scheme == "smtps"
        self._starttls = {"starttls=always": True, "starttls=never": False}.get(parts.query)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._idle: list[tuple[aiosmtplib.SMTP, int]] = []
        self._places = asyncio.Semaphore(connections_max)

    async def hand_over(self, sender: str, recipient: str, message: bytes) -> HandOverResult:
        """Offer one message; see the port. Never raises for what a server does."""
        to = wire_address(recipient)
        if to is None:
            return Refused(code=553, answer="553 no such address can be written", is_permanent=True)
        async with self._places:
            found = await self._connection()
            if isinstance(found, Unreachable):
                return found
            connection, count = found
            result = await _transact(connection, sender, to, message)
            if isinstance(result, Unreachable) and count:
                # The server ended a conversation that idled: that says nothing about the server.
                await _quit(connection)
                found = await self._connection(is_fresh=True)
                if isinstance(found, Unreachable):
                    return found
                connection, count = found
                result = await _transact(connection, sender, to, message)
            is_usable = isinstance(result, (Accepted, Refused)) and connection.is_connected
            if is_usable and count + 1 < MESSAGES_PER_CONNECTION_MAX:
                self._idle.append((connection, count + 1))
            else:
                await _quit(connection)
            return result

    async def check(self) -> str | None:
        """Return None where the server answers, else the reason why not."""
        found = await self._connection(is_fresh=True)
        if isinstance(found, Unreachable):
            return found.reason
        self._idle.append(found)
        return None

    async def close(self) -> None:
        """Close all connections politely."""
        while self._idle:
            await _quit(self._idle.pop()[0])

    async def _connection(
        self, *, is_fresh: bool = False
    ) -> tuple[aiosmtplib.SMTP, int] | Unreachable:
        while self._idle and not is_fresh:
            connection, count = self._idle.pop()
            if connection.is_connected:
                return connection, count
        connection = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            use_tls=self._is_tls,
            start_tls=False if self._is_tls else self._starttls,
            username=self._user,
            password=self._password,
            timeout=TIMEOUT_SECONDS,
        )
        try:
            await connection.connect()
        except (aiosmtplib.SMTPException, OSError) as problem:
            return Unreachable(reason=f"{self._host}:{self._port}: {problem}")
        return connection, 0


async def _transact(
    connection: aiosmtplib.SMTP, sender: str, recipient: str, message: bytes
) -> HandOverResult:
    is_offered = False
    options, encoding = [], "ascii"
    if not (sender.isascii() and recipient.isascii()):
        if not connection.supports_extension("SMTPUTF8"):
            answer_of_ours = "553 the mail server takes only addresses in ASCII (no SMTPUTF8)"
            return Refused(code=553, answer=answer_of_ours, is_permanent=True)
        options, encoding = ["SMTPUTF8"], "utf-8"
    try:
        await connection.mail(sender, options=options, encoding=encoding)
        await connection.rcpt(recipient, encoding=encoding)
        is_offered = True
        answer = await connection.data(message)
    except aiosmtplib.SMTPResponseException as problem:
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await connection.rset()
        return Refused(
            code=problem.code,
            answer=f"{problem.code} {problem.message}",
            is_permanent=500 <= problem.code < 600,
        )
    except (aiosmtplib.SMTPException, OSError) as problem:
        if is_offered:
            return Uncertain(reason=f"the connection broke while sending: {problem}")
        return Unreachable(reason=f"the connection broke: {problem}")
    return Accepted(answer=f"{answer.code} {answer.message}")


async def _quit(connection: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await connection.quit()
