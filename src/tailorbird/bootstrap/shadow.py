"""Shadows of a data folder: copies its states and follows its log; nothing of it is written."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

from tailorbird import __version__
from tailorbird.adapters.sqlite.connection import copy_database
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.adapters.sqlite.state_store import SqliteStateStore
from tailorbird.base.problems import OperationalError
from tailorbird.base.time import MICROSECONDS, format_micros
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.bootstrap.stores import (
    clock_kind,
    open_clock,
    open_control,
    open_identity,
    open_ledger,
    open_log,
    open_suppression,
)
from tailorbird.ports.clock import Clock
from tailorbird.ports.control_store import LIVE_VERSION
from tailorbird.reducer.reading import StateReader
from tailorbird.services.advance import Engine
from tailorbird.services.outflow import Outflow
from tailorbird.services.shadow import Feed, Shadow, Side, report_of
from tailorbird.services.versions import draft_version
from tailorbird.workspace.definitions import Workspace

_BATCH = 2_000
_LOOK_SECONDS = 0.2
# What was stamped lies in the log within this time.
_SETTLED = 2 * MICROSECONDS


def run_shadow(
    data: Path,
    workspace: Workspace,
    files: Mapping[str, str],
    *,
    micros: int | None,
    tell: Callable[[int, int], None] = lambda records, passed: None,
) -> dict[str, Any]:
    """Let definitions live what happens in a data folder, beside those that are live.

    Args:
        data: Read only; a server runs on it, or nothing happens.
        workspace: What the files say.
        files: Path -> text, sound.
        micros: How long, in the folder's own time; None until interrupted.
        tell: Told how many records have been lived, and how much time has passed.

    Returns:
        What both did, see `services.shadow.report_of`; also after KeyboardInterrupt.

    Raises:
        OperationalError: nothing is live there yet, or a version is on its way to people.
    """
    with tempfile.TemporaryDirectory(prefix="tailorbird-shadow-") as folder, ExitStack() as things:
        control = things.enter_context(closing(open_control(data)))
        log = things.enter_context(closing(open_log(data)))
        identity = things.enter_context(closing(open_identity(data)))
        version = control.get(LIVE_VERSION)
        if version is None:
            raise OperationalError(
                "nothing has been published in this data folder yet", is_retry_safe=True
            )
        load = workspace_loader(control)
        draft = draft_version(control, version, files, workspace)
        places = {name: Path(folder) / name for name in ("live", "draft")}
        base = _copy(data, places["live"], places["draft"], load)
        clock = open_clock(data, clock_kind(data))
        # Where nothing came for long the log's last instant is no beginning.
        begun_at = max(log.last_now(), clock.now() - _SETTLED)
        suppression = things.enter_context(closing(open_suppression(data)))
        ledger = things.enter_context(closing(open_ledger(data)))

        def sent_before(address: str, since: int) -> list[int]:
            return [one for one in ledger.marketing_sent_at(address, since) if one < begun_at]

        def side(place: Path, rules: Workspace) -> Side:
            paths = sorted(place.glob("*.db"), key=lambda one: int(one.stem))
            return Side(
                log,
                base,
                [things.enter_context(closing(_open(path))) for path in paths],
                lambda name: rules if name == rules.version else load(name),
                Outflow(
                    reader=StateReader(rules),
                    suppressed_because=suppression.reason,
                    sent_before=sent_before,
                ),
            )

        live_side = side(places["live"], load(version))
        draft_side = side(places["draft"], draft)
        shadow = Shadow(live_side, draft_side, begun_at)
        shadow.begin(draft.version, __version__)
        with suppress(KeyboardInterrupt):  # that is how it ends where no time was given
            _follow(shadow, log, base, clock, micros, tell)
        return report_of(
            shadow,
            {"live": load(version).segments.keys(), "draft": draft.segments.keys()},
            identity.identifiers,
            format_micros,
        )


def _follow(
    shadow: Shadow,
    log: SqliteEventLog,
    after: int,
    clock: Clock,
    micros: int | None,
    tell: Callable[[int, int], None],
) -> None:
    while not shadow.replaced_by:
        records = log.read(after, _BATCH)
        if records:
            after = records[-1].offset
            shadow.take(records)
        else:
            shadow.pass_time(clock.now() - _SETTLED)
        passed = shadow.now - shadow.begun_at
        tell(shadow.records, passed)
        if micros is not None and passed >= micros:
            break
        if not records:
            time.sleep(_LOOK_SECONDS)


def _copy(data: Path, live: Path, draft: Path, load: Callable[[str], Workspace]) -> int:
    """Copy the states twice as they are at one offset of the log, and return it."""
    indexes = sorted(int(path.stem) for path in (data / "state").glob("*.db"))
    stores = []
    live.mkdir(parents=True)
    for index in indexes:
        copy_database(data / "state" / f"{index}.db", live / f"{index}.db")
        stores.append(_open(live / f"{index}.db"))
    with closing(open_log(data)) as log:
        base = log.end()
        until = Feed(log, base)
        for index, store in enumerate(stores):
            if store.sweeps():
                raise OperationalError(
                    "a version is on its way to people; begin when it is live for all",
                    is_retry_safe=True,
                )
            # Each engine's copy is of another instant: all go on to one offset.
            engine = Engine(until, store, load, index=index, engines=len(stores))
            while engine.step():
                pass
    draft.mkdir(parents=True)
    for index, store in zip(indexes, stores, strict=True):
        store.close()
        copy_database(live / f"{index}.db", draft / f"{index}.db")
    return base


def _open(path: Path) -> SqliteStateStore:
    return SqliteStateStore(path, is_writer=True)
