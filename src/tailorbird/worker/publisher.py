"""Keeps what the workspace folder says live: watches it, publishes sound versions, reports others.

Runs as a thread of the supervisor, beside the role processes. It only writes the control store and
appends records through the writer, so killing it at any moment leaves nothing half done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event

import structlog

from tailorbird import bootstrap
from tailorbird.adapters.files import FolderProblem, read_folder, watch_folder
from tailorbird.adapters.sqlite.connection import StorageProblem
from tailorbird.base.problems import OperationalError, Problem
from tailorbird.bootstrap.filling import preparer
from tailorbird.ports.control_store import LIVE_VERSION
from tailorbird.services.publish import Publication, Publisher, waits_for_apply

_PAUSE_SECONDS_MIN = 0.05
_PAUSE_SECONDS_MAX = 5.0

_log = structlog.get_logger("publisher")


def keep_published(workspace: Path, data: Path) -> Callable[[Event], None]:
    """Return what the supervisor runs in a thread until its argument is set."""

    def run(stop: Event) -> None:
        watch_folder(workspace, lambda: _publish_until_done(workspace, data, stop), stop)

    return run


def _publish_until_done(workspace: Path, data: Path, stop: Event) -> None:
    """Publish once; while the writer is not there yet, or busy, try again."""
    pause = _PAUSE_SECONDS_MIN
    while not stop.is_set():
        try:
            publication = asyncio.run(_publish(workspace, data))
        except (OSError, OperationalError, StorageProblem) as error:
            _log.info("publish_waits", reason=type(error).__name__, pause_seconds=pause)
            stop.wait(pause)
            pause = min(pause * 2, _PAUSE_SECONDS_MAX)
            continue
        except Exception:  # noqa: BLE001
            # The outermost loop of this thread: a fault of ours is recorded, the live version
            # stays, and the next change is tried again.
            _log.exception("publish_failed")
            return
        _tell(publication)
        return


async def _publish(workspace: Path, data: Path) -> Publication:
    with closing(bootstrap.own(data, bootstrap.PUBLISHER)):
        return await _publish_alone(workspace, data)


async def _publish_alone(workspace: Path, data: Path) -> Publication:
    control = bootstrap.open_control(data)
    writer = bootstrap.open_writer_client(data)
    try:
        publisher = Publisher(control, writer, prepare=preparer(data))
        try:
            files, unreadable = read_folder(workspace)
        except FolderProblem as error:
            # Removed or moved away while we run: what is live stays.
            return await publisher.publish({}, [Problem(message=str(error))])
        if waits_for_apply(files) and control.get(LIVE_VERSION) is not None:
            return await publisher.look(files, unreadable)
        return await publisher.publish(files, unreadable)
    finally:
        await writer.close()
        control.close()


def _tell(publication: Publication) -> None:
    errors = [one for one in publication.problems if one.severity == "error"]
    if publication.is_broken:
        _log.error(
            "workspace_broken",
            live_version=publication.version,
            problem_count=len(errors),
            problems=[one.render() for one in errors[:10]],
            mend="`tailorbird check` shows all; the live version stays until they are mended",
        )
    elif publication.is_new:
        _log.info(
            "workspace_live",
            version=publication.version,
            warning_count=len(publication.problems),
        )
