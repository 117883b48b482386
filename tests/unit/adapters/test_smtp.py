"""The SMTP sender against a real server, which refuses, hangs up and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from tailorbird.adapters.smtp.sender import SmtpSender, SmtpUrlProblem
from tailorbird.ports.mail_sender import Accepted, Refused, Uncertain, Unreachable

MAIL = b"Subject: x\r\n\r\nHello\r\n.dot\r\n"


class Catcher:
    """Keeps messages and answers as told."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.sessions: set[int] = set()
        self.rcpt_answer = ""
        self.data_answer = "250 kept"
        self.hangs_up = False

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt_answer:
            return self.rcpt_answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.sessions.add(id(session))
        if self.hangs_up:
            assert server.transport is not None
            server.transport.close()
            return ""
        self.mails.append(envelope)
        return self.data_answer


class Server:
    """An SMTP server that can end and come back on the same port."""

    def __init__(self, catcher: Catcher) -> None:
        self._catcher = catcher
        self._server: asyncio.Server | None = None
        self._open: list[SMTP] = []
        self.port = 0

    async def start(self) -> None:
        def factory() -> SMTP:
            made = SMTP(self._catcher, hostname="catcher", enable_SMTPUTF8=True)
            self._open.append(made)
            return made

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(factory, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def hang_up(self) -> None:
        """End all conversations, as servers do with idle ones."""
        for one in self._open:
            if one.transport is not None:
                one.transport.close()
        self._open.clear()
        await asyncio.sleep(0.01)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self.hang_up()
        await self._server.wait_closed()


@asynccontextmanager
async def catching(**url: Any) -> AsyncIterator[tuple[Catcher, Server, SmtpSender]]:
    catcher = Catcher()
    server = Server(catcher)
    await server.start()
    sender = SmtpSender(f"smtp://127.0.0.1:{server.port}", **url)
    try:
        yield catcher, server, sender
    finally:
        await sender.close()
        await server.stop()


def test_messages_arrive_unchanged_over_few_connections() -> None:
    async def run() -> None:
        async with catching(connections_max=2) as (catcher, _, sender):
            results = await asyncio.gather(
                *(sender.hand_over("a@x.example", f"b{n}@x.example", MAIL) for n in range(12))
            )
            assert all(isinstance(one, Accepted) for one in results)
            assert results[0] == Accepted(answer="250 kept")
            assert len(catcher.mails) == 12
            assert len(catcher.sessions) == 2
            assert catcher.mails[0].content == MAIL
            assert {one.rcpt_tos[0] for one in catcher.mails} == {
                f"b{n}@x.example" for n in range(12)
            }

    asyncio.run(run())


@pytest.mark.parametrize(("answer", "is_permanent"), [("450 later", False), ("550 never", True)])
def test_a_refused_recipient_leaves_the_connection_usable(answer: str, is_permanent: bool) -> None:
    async def run() -> None:
        async with catching() as (catcher, _, sender):
            catcher.rcpt_answer = answer
            found = await sender.hand_over("a@x.example", "b@x.example", MAIL)
            assert found == Refused(code=int(answer[:3]), answer=answer, is_permanent=is_permanent)
            catcher.rcpt_answer = ""
            assert isinstance(await sender.hand_over("a@x.example", "b@x.example", MAIL), Accepted)

    asyncio.run(run())


def test_a_refusal_after_the_final_dot_is_a_refusal() -> None:
    async def run() -> None:
        async with catching() as (catcher, _, sender):
            catcher.data_answer = "554 looks like spam"
            found = await sender.hand_over("a@x.example", "b@x.example", MAIL)
            assert found == Refused(code=554, answer="554 looks like spam", is_permanent=True)

    asyncio.run(run())


def test_a_connection_lost_after_the_final_dot_is_uncertain() -> None:
    async def run() -> None:
        async with catching() as (catcher, _, sender):
            catcher.hangs_up = True
            found = await sender.hand_over("a@x.example", "b@x.example", MAIL)
            assert isinstance(found, Uncertain)

    asyncio.run(run())


def test_a_connection_that_idled_too_long_is_replaced_at_once() -> None:
    async def run() -> None:
        async with catching(connections_max=1) as (catcher, server, sender):
            await sender.hand_over("a@x.example", "b@x.example", MAIL)
            await server.hang_up()
            found = await sender.hand_over("a@x.example", "b@x.example", MAIL)
            assert isinstance(found, Accepted)
            assert len(catcher.mails) == 2

    asyncio.run(run())


def test_a_server_that_went_away_is_unreachable_until_it_is_back() -> None:
    async def run() -> None:
        async with catching() as (catcher, server, sender):
            assert await sender.check() is None
            await server.stop()
            found = await sender.hand_over("a@x.example", "b@x.example", MAIL)
            assert isinstance(found, Unreachable)
            assert await sender.check() is not None
            await server.start()
            assert await sender.check() is None
            assert isinstance(await sender.hand_over("a@x.example", "b@x.example", MAIL), Accepted)
            assert len(catcher.mails) == 1

    asyncio.run(run())


def test_check_notices_a_server_that_went_away_behind_an_idle_connection() -> None:
    async def run() -> None:
        async with catching() as (_, server, sender):
            await sender.hand_over("a@x.example", "b@x.example", MAIL)
            await server.stop()
            assert await sender.check() is not None
            await server.start()

    asyncio.run(run())


@pytest.mark.parametrize("address", ["jörg@x.example", "b@bücher.example", "b@\ud800.example"])
def test_any_address_is_answered_never_raised(address: str) -> None:
    async def run() -> None:
        async with catching() as (_, _, sender):
            found = await sender.hand_over("a@x.example", address, MAIL)
            assert isinstance(found, (Accepted, Refused))
            assert isinstance(await sender.hand_over("a@x.example", "b@x.example", MAIL), Accepted)

    asyncio.run(run())


@pytest.mark.parametrize(
    "url", ["", "mail.example", "http://x.example", "smtp://u:secret@", "smtp://u:secret@h:abc"]
)
def test_a_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SmtpUrlProblem) as caught:
        SmtpSender(url)
    assert "smtp_url" in str(caught.value)
    assert "secret" not in str(caught.value)
