"""What the tests of sources want of a broker, and how its process is run."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

SECONDS_MAX = 60.0
PLACE = "events"


class BrokerMissing(Exception):
    """The broker is not on this machine; the text says what is missing."""


class Broker(ABC):
    """One broker with an empty stream, queue or topic `events`."""

    def __init__(self, folder: Path) -> None:
        """Choose its place; `start` starts it."""
        self.folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._errors = (folder / "broker.log").open("ab")

    @abstractmethod
    def start(self) -> None:
        """Start it; it answers on return.

        Raises:
            BrokerMissing: a program is not there.
        """

    @property
    @abstractmethod
    def source(self) -> str:
        """The text of `sources/NAME.yaml` that reads it."""

    @abstractmethod
    async def publish(self, bodies: Sequence[bytes]) -> None:
        """Publish messages; each is kept on return."""

    @abstractmethod
    async def unsettled(self) -> int:
        """Return how many messages were not settled by the group."""

    @abstractmethod
    async def delete(self) -> None:
        """Delete the stream, queue or topic with all that lies in it."""

    def stop(self) -> None:
        """End it."""
        for process in reversed(self._processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()
        self._errors.close()

    def _run(self, words: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._processes.append(
            subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                cwd=self.folder,
                start_new_session=True,  # what it starts itself ends with it
                env={**os.environ, **(env or {})},
            )
        )

    def _await_port(self, port: int) -> None:
        until = time.monotonic() + SECONDS_MAX
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                if any(one.poll() is not None for one in self._processes):
                    said = (self.folder / "broker.log").read_text("utf-8", "replace")[-2_000:]
                    raise AssertionError(f"the broker ended: {said}") from None
                if time.monotonic() > until:
                    raise TimeoutError("the broker does not listen") from None
                time.sleep(0.05)
            else:
                return


def program(*names: str) -> str:
    """Return the first of some programs that is there.

    Raises:
        BrokerMissing: none is.
    """
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise BrokerMissing(f"{names[0]} is not installed")
