"""The mail server of the demo: takes every mail and keeps it as a file."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP


class Catcher:
    """Keeps messages as NUMBER.eml in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep one message; aiosmtpd calls this after the final dot."""
        self._count += 1
        path = self._folder / f"{self._count:06d}.eml"
        path.write_bytes(envelope.content)
        return f"250 kept as {path.name}"


async def catch(folder: Path, port: int) -> None:
    """Serve SMTP on 127.0.0.1 until SIGTERM."""
    folder.mkdir(parents=True, exist_ok=True)
    loop = asyncio.get_running_loop()
    handler = Catcher(folder)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="catcher.example", enable_SMTPUTF8=True, loop=loop),
        "127.0.0.1",
        port,
    )
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    await stopped.wait()
    server.close()


def main() -> None:
    """Catch until SIGTERM: catcher FOLDER PORT."""
    catching = catch(Path(sys.argv[1]), int(sys.argv[2]))
    try:
        # It takes a fifth off what a mail costs here; no wheel exists for Windows.
        import uvloop
    except ImportError:
        asyncio.run(catching)
    else:
        uvloop.run(catching)


if __name__ == "__main__":
    main()
