"""The deliver process killed again and again: nothing missed, nothing twice, few unknown."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from tailorbird import bootstrap
from tailorbird.adapters.smtp.sender import CONNECTIONS_MAX
from tailorbird.base.time import DAY
from tailorbird.events.event import partition_of
from tailorbird.journeys.effects import SendMessage
from tailorbird.ports.state_store import Commit, OutboxRow, ProfileRow
from tailorbird.profiles.state import ProfileState, TraitValue, encode
from tailorbird.worker.settings import RoleSettings

pytestmark = pytest.mark.integration

MESSAGES = 1_500
KILLS = 4
FILES = {
    "tailorbird.toml": 'name = "Shop"\n[sender]\naddress = "shop@shop.example"\n',
    "templates/hello.html": "---\nsubject: Hello\n---\n<p>Hello {{ traits.name }}</p>\n",
}
_ID = re.compile(rb"Message-ID: <([^@>]+)@", re.IGNORECASE)


class Catcher:
    """Takes mails, a little slowly, so that kills find some on their way."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        found = _ID.search(bytes(envelope.content or b""))
        assert found is not None
        self.seen[found[1].decode()] += 1
        await asyncio.sleep(0.002)
        return "250 kept"


def prepare(data: Path) -> None:
    """A folder as engines leave it: people, and an outbox full of receipts."""
    control = bootstrap.open_control(data)
    control.save_version("v1", FILES, 1)
    control.set("live_version", "v1")
    bootstrap.open_suppression(data, is_writer=True)
    now = time.time_ns() // 1_000
    profiles, outbox = [], []
    for number in range(MESSAGES):
        profile_id = 64 + number
        state = ProfileState(profile_id, 1, 1, 1)
        address = f"p{number}@shop.example"
        state.traits = {"email": TraitValue(address, 1, 1), "name": TraitValue("Ada", 1, 1)}
        partition = partition_of(profile_id)
        profiles.append(ProfileRow(profile_id, partition, encode(state), None))
        effect = SendMessage(
            effect_id=f"e{number}",
            profile_id=profile_id,
            journey="j",
            run_key="r",
            step="s",
            visit=1,
            template="hello",
            kind="transactional",
            topic="receipts",
            due_at=now,
            expires_at=now + DAY,
            triggered_at=now,
            trigger={"name": "x", "message_id": "m", "timestamp": now, "properties": {}},
            conditions=[],
            version="v1",
        )
        body = msgspec.msgpack.encode(effect)
        outbox.append(OutboxRow(0, f"e{number}", "send", partition, 1, profile_id, body))
    state_store = bootstrap.open_state(data, 0, is_writer=True)
    state_store.commit(Commit(1, profiles, [], outbox))


def start(data: Path, port: int) -> subprocess.Popen[bytes]:
    settings = RoleSettings(
        data=data, workspace=data, engines=1, smtp_url=f"smtp://127.0.0.1:{port}"
    )
    words = [sys.executable, "-m", "tailorbird.worker.deliver", *settings.to_argv()]
    return subprocess.Popen(words, stderr=subprocess.DEVNULL)


def test_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    prepare(tmp_path)
    catcher = Catcher()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(catcher, hostname="c"), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for kill in range(1, KILLS + 1):
            process = start(tmp_path, port)
            until = loop.time() + 30
            while catcher.seen.total() < kill * MESSAGES // (KILLS + 1) and loop.time() < until:
                assert process.poll() is None
                await asyncio.sleep(0.005)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        process = start(tmp_path, port)
        reader = bootstrap.open_ledger(tmp_path)
        until = loop.time() + 30
        while reader.counts().keys() - {"sent", "unknown"} and loop.time() < until:
            await asyncio.sleep(0.05)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 10) == 0
        server.close()

    asyncio.run(run())
    ledger = bootstrap.open_ledger(tmp_path)
    counts = ledger.counts()
    unknown = {one.effect_id for one in ledger.messages(status="unknown", limit=1_000)}
    assert counts == {
        "sent": MESSAGES - len(unknown),
        **({"unknown": len(unknown)} if unknown else {}),
    }
    assert max(catcher.seen.values()) == 1
    everybody = {f"e{number}" for number in range(MESSAGES)}
    assert everybody - catcher.seen.keys() <= unknown
    assert len(unknown) <= KILLS * CONNECTIONS_MAX
