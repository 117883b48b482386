"""Some roles of a data folder as processes, for tests that kill, replace and restart them."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from tailorbird import bootstrap
from tailorbird.adapters.socket.client import SocketLogWriter
from tailorbird.worker.settings import RoleSettings

Found = TypeVar("Found")

SECONDS_MAX = 30.0


class Host:
    """Some roles of a data folder, each a process of its own."""

    def __init__(
        self, folder: Path, *, clock: str = "system", engines: int = 2, smtp_url: str = ""
    ) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        self.settings = RoleSettings(
            data=self.data,
            workspace=folder / "shop",
            engines=engines,
            clock=clock,
            smtp_url=smtp_url,
        )
        self.processes: list[subprocess.Popen[bytes]] = []
        self.errors = (folder / "errors.log").open("ab")

    def start(self, role: str, index: int = 0) -> subprocess.Popen[bytes]:
        """Start a role; on return a writer is listening and an engine's file can be read."""
        words = [*self.settings.to_argv(), "--index", str(index)]
        process = subprocess.Popen(
            [sys.executable, "-m", f"tailorbird.worker.{role}", *words], stderr=self.errors
        )
        self.processes.append(process)
        if role == "writer":
            until(lambda: bootstrap.is_writer_listening(self.data) or process.poll() is not None)
        if role == "engine":
            path = self.data / "state" / f"{index}.db"
            until(lambda: path.is_file() or process.poll() is not None)
        return process

    def stop_roles(self) -> None:
        """Let all roles end as `tailorbird serve` does: the last started first."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(timeout=SECONDS_MAX)
        self.processes.clear()

    def stop(self) -> None:
        """Let all roles end, and close the log of their errors."""
        self.stop_roles()
        self.errors.close()

    def call(self, act: Callable[[SocketLogWriter], Awaitable[Found]]) -> Found:
        """Do something with a client of the log's writer."""

        async def run() -> Found:
            writer = bootstrap.open_writer_client(self.data)
            try:
                return await act(writer)
            finally:
                await writer.close()

        return asyncio.run(run())

    def lines(self) -> list[dict[str, object]]:
        """Return what the roles have said so far."""
        text = Path(self.errors.name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


class MailCatcher:
    """A mail server of its own process that keeps what it takes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.url = f"smtp://127.0.0.1:{port}"
        words = [sys.executable, "-m", "tailorbird.demo.catcher", str(folder), str(port)]
        self._process = subprocess.Popen(words)
        until(lambda: _answers(port))

    def counts(self) -> Counter[str]:
        """Return how many mails came under each Message-ID, without its domain."""
        found: Counter[str] = Counter()
        for path in self._folder.glob("*.eml"):
            head, end, _ = path.read_text(encoding="utf-8").partition("\n\n")
            if not end:
                continue  # it is being written
            (line,) = (one for one in head.splitlines() if one.startswith("Message-ID: <"))
            found[line.removeprefix("Message-ID: <").partition("@")[0]] += 1
        return found

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(timeout=SECONDS_MAX)


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(is_so: Callable[[], Found], seconds: float = SECONDS_MAX) -> Found:
    """Wait until something is so; return what it said.

    Raises:
        TimeoutError: it does not come to be so.
    """
    end = time.monotonic() + seconds
    while not (found := is_so()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} seconds in vain")
        time.sleep(0.01)
    return found


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
