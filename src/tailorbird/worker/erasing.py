"""The writer's loop that works at erasures until their certificates are written."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import structlog

from tailorbird.adapters.socket.server import WriterServer
from tailorbird.adapters.sqlite.connection import StorageProblem
from tailorbird.base.problems import OperationalError
from tailorbird.services.erase import Eraser

LOOK_SECONDS = 0.25

_log = structlog.get_logger("writer")


async def keep_erasing(server: WriterServer, eraser: Eraser, stopped: asyncio.Event) -> None:
    """Work at what is pending, between commits, until stopped."""
    while not stopped.is_set():
        for erasure_id in eraser.pending():
            await _work(server, eraser, erasure_id)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stopped.wait(), LOOK_SECONDS)


async def _work(server: WriterServer, eraser: Eraser, erasure_id: str) -> None:
    done = False

    def act() -> None:
        nonlocal done
        done = eraser.work(erasure_id)

    try:
        await server.between_commits(act)
    except (OperationalError, StorageProblem, sqlite3.Error) as problem:
        _log.warning("erasure_waits", erasure=erasure_id, reason=str(problem))
    if done:
        _log.info("erased", erasure=erasure_id)
