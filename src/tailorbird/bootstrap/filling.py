"""Joins what folds history for a version that is to go live, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from tailorbird.adapters.sqlite.filled import SqliteFillingWork, open_filled
from tailorbird.base.problems import OperationalError
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.bootstrap.stores import open_control, open_log, own
from tailorbird.ports.control_store import LIVE_VERSION
from tailorbird.ports.filled import OpenFilled
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.filling_status import CANCEL, PREPARING
from tailorbird.services.prepare import (
    RECORDS_AT_ONCE,
    Cancelled,
    first_offset,
    prepare,
    records_to_fold,
)

FOLDER = "fillings"
ROLE = "filling"
CANCELLED = 4  # exit code
_TELL_SECONDS = 0.5


def filled_opener(data: Path) -> OpenFilled:
    """Return what opens the files that were folded for a data folder."""
    return lambda name, specs: open_filled(data / FOLDER, name, specs)


def prepare_here(data: Path, version: str) -> str:
    """Fold what a version needs of history; return the file's name, empty where it is little.

    Raises:
        Cancelled: somebody asked for it.
        OperationalError: the disk is full or fails.
    """
    with (
        # An erasure waits: what is gone from the log by then may have been folded.
        closing(own(data, ROLE)),
        closing(open_control(data)) as control,
        closing(open_log(data)) as log,
    ):
        load = workspace_loader(control)
        live = control.get(LIVE_VERSION)
        reducer = Reducer(load(version))
        only = reducer.new_cells(None if live is None else Reducer(load(live)))
        if not only or records_to_fold(log, reducer, only) <= RECORDS_AT_ONCE:
            return ""
        specs = {one: reducer.program.specs[one] for one in only}
        work = SqliteFillingWork(data / FOLDER, specs, log.end, first_offset(log, reducer, only))
        told_at = 0.0

        def tell(done: int, of: int) -> None:
            nonlocal told_at
            if time.monotonic() - told_at > _TELL_SECONDS or done == of:
                told_at = time.monotonic()
                progress = {"version": version, "records": done, "of": of}
                control.set(PREPARING, json.dumps(progress))

        try:
            return prepare(
                log,
                reducer,
                only,
                work,
                tell=tell,
                is_cancelled=lambda: control.get(CANCEL) == version,
            )
        except Cancelled:
            work.discard()
            raise
        finally:
            control.set(PREPARING, "")


def preparer(data: Path) -> Callable[[str], Awaitable[str]]:
    """Return what folds history for a version in a process of its own, while this one goes on."""

    async def run(version: str) -> str:
        words = [sys.executable, "-m", "tailorbird.worker.filling", str(data), version]
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await process.communicate()
        except BaseException:
            process.kill()  # it goes on where it was when the same is published again
            await process.wait()
            raise
        if process.returncode == CANCELLED:
            raise Cancelled(f"{version[:8]} was cancelled; what was live stays", is_retry_safe=True)
        if process.returncode:
            said = err.decode("utf-8", "replace").strip().splitlines()
            raise OperationalError(
                f"history could not be folded for {version[:8]}:"
                f" {said[-1] if said else f'exit code {process.returncode}'}",
                is_retry_safe=True,
            )
        return out.decode().strip()

    return run
