"""The web process: granian serving the ASGI application in one worker."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

import structlog
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from tailorbird import __version__, bootstrap
from tailorbird.base.time import DAY
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.bootstrap.lake_keeper import lake_beside
from tailorbird.events.event import Erase
from tailorbird.ports.clock import Clock
from tailorbird.ports.control_store import ControlStore
from tailorbird.ports.dead_letters import DeadLetters
from tailorbird.ports.log_writer import LogWriter
from tailorbird.services import erase
from tailorbird.services.dead_letters import Replayer
from tailorbird.services.feed import Feed
from tailorbird.services.hooks.receive import Hooks
from tailorbird.services.identity_rules import LiveRules
from tailorbird.services.ingest import Ingest
from tailorbird.services.learned import Learned
from tailorbird.services.query import Query
from tailorbird.services.room import Room
from tailorbird.services.sources import LiveSources, status_of_queues
from tailorbird.services.standardise import LiveStandardiser
from tailorbird.web.api import ApiParts, make_api
from tailorbird.web.app import WebApp, WebParts
from tailorbird.web.collect import Collect
from tailorbird.web.dead_letters import LettersParts
from tailorbird.web.hooks import HookRoute
from tailorbird.web.measures import Measures
from tailorbird.web.pages import Pages
from tailorbird.web.sessions import Sessions
from tailorbird.web.stream import Stream
from tailorbird.web.tracking import Tracking
from tailorbird.worker.logs import configure_logs
from tailorbird.worker.previewing import Previewer
from tailorbird.worker.process import calm_garbage_collector, follow_supervisor
from tailorbird.worker.settings import RoleSettings
from tailorbird.workspace.definitions import WorkspaceSettings

# How often what was seen of events is written down; a crash forgets so much of the counts.
_LEARNED_SECONDS = 30.0
# How long a version that went live may not be noticed: requests need not ask the disk each.
_LOOK_SECONDS = 0.2

# How often refused items that are too old are let go.
_RETAIN_SECONDS = 600.0

_random = Random(os.urandom(32))
_log = structlog.get_logger("web")


def make_app(settings: RoleSettings) -> WebApp:
    """Join the parts of the web application for a data folder."""
    control = bootstrap.open_control(settings.data)
    writer = bootstrap.open_writer_client(settings.data)
    clock = bootstrap.open_clock(settings.data, settings.clock)
    bootstrap.await_files(settings.data, settings.engines)
    dead_letters = bootstrap.open_dead_letters(settings.data)
    log = bootstrap.open_log(settings.data)
    query = Query(
        log=log,
        states=bootstrap.open_states(settings.data, settings.engines),
        identity=bootstrap.open_identity(settings.data),
        ledger=bootstrap.open_ledger(settings.data),
        control=control,
        clock=clock,
        load_workspace=workspace_loader(control),
        count_dead_letters=dead_letters.counts,
    )
    key = bootstrap.token_key(control)
    roles = bootstrap.KeyRoles(control)
    sessions = Sessions(lambda one: roles.role(one) == "admin", key, time.time)
    sources = LiveSources(control)
    _note_folder(control, settings)
    rules = LiveRules(control, look_seconds=_LOOK_SECONDS)
    learned = Learned(control)
    standardise = LiveStandardiser(control, rules, partial(bootstrap.open_places, control), learned)
    room = Room(lambda: bootstrap.disk_room(settings.data), lambda: _room_limits(query))
    sources_status = partial(status_of_queues, control, sources, time.time)
    lake = partial(lake_beside, control, log)
    measures = Measures(query, standardise.steps, room, sources_status, dead_letters.totals, lake)
    ingest = Ingest(writer, clock, dead_letters, fresh_id, rules, standardise)
    feed = Feed(writer, clock, dead_letters, rules, standardise)
    replayer = Replayer(dead_letters, writer, clock, rules, standardise, sources)
    letters = LettersParts(dead_letters, replayer)
    preview = Previewer(settings.workspace, settings.data)
    plan_erasure = _planner(settings, query)
    parts = ApiParts(query, control, writer, sessions, learned, letters, preview, plan_erasure)

    def is_write_key(key: str) -> bool:
        return roles.role(key) is not None

    return WebApp(
        WebParts(
            collect=Collect(ingest, is_write_key, measures, room),
            hooks=HookRoute(Hooks(feed, sources, os.environ.get, time.time), measures),
            stream=Stream(ingest, is_write_key, measures, fresh_id),
            tracking=Tracking(writer, clock, key, fresh_id),
            pages=Pages(sessions),
            api=make_api(parts, __version__),
            query=query,
            measures=measures,
            sessions=sessions,
            sources_status=sources_status,
            lake_status=lake,
            is_writer_ready=partial(_is_ready, writer),
            fresh_id=fresh_id,
            room=room,
            learned=learned,
            retain_letters=partial(_retain, dead_letters, query, clock),
        )
    )


def _note_folder(control: ControlStore, settings: RoleSettings) -> None:
    folder = str(settings.workspace.resolve())
    if control.get(bootstrap.WORKSPACE_FOLDER) != folder:
        control.set(bootstrap.WORKSPACE_FOLDER, folder)


async def _is_ready(writer: LogWriter) -> bool:
    try:
        await writer.now()
    except OSError:
        return False
    return True


def _planner(settings: RoleSettings, query: Query) -> Callable[[str], Erase | None]:
    """Return what plans the erasure of a person."""
    clock = bootstrap.open_clock(settings.data, settings.clock)
    log = bootstrap.open_log(settings.data)
    suppression = bootstrap.open_suppression(settings.data)
    identity = bootstrap.open_identity(settings.data)
    salt = bootstrap.erasure_salt(bootstrap.open_control(settings.data))

    def plan_erasure(reference: str) -> Erase | None:
        found = query.profile_id(reference)
        if found is None:
            return None
        return erase.plan(found, query.state(found), log, identity, suppression, salt, clock.now())

    return plan_erasure


def _retain(letters: DeadLetters, query: Query, clock: Clock) -> int:
    """Let go of refused items that are too old, or more than the settings give room."""
    reducer = query.reducer()
    found = reducer.workspace.settings if reducer is not None else WorkspaceSettings()
    return letters.retain(
        clock.now() - found.dead_letters_days * DAY, found.dead_letters_mb * 1_000_000
    )


def _room_limits(query: Query) -> tuple[int, int]:
    reducer = query.reducer()
    found = reducer.workspace.settings if reducer is not None else WorkspaceSettings()
    return found.free_mb_min, found.free_percent_min


def fresh_id() -> str:
    """Return a new random id; no secret, so the system is asked for randomness only once."""
    return f"{_random.getrandbits(128):032x}"


def main(argv: Sequence[str] | None = None) -> None:
    """Serve HTTP until SIGTERM."""
    settings = RoleSettings.from_argv(sys.argv[1:] if argv is None else argv)
    configure_logs("web", settings.log_level)
    follow_supervisor(settings.supervisor)
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(settings))
    else:
        uvloop.run(_serve(settings))


async def _serve(settings: RoleSettings) -> None:
    # The embedded server: one process, the application made in it.
    app = make_app(settings)

    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        stopping.append(asyncio.create_task(end()))

    async def end() -> None:
        await app.close()
        server.stop()  # type: ignore[no-untyped-call]  # granian has no annotations here

    server = Server(
        app,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        log_level=LogLevels.warning,
        log_access=False,
    )
    serving = asyncio.create_task(server.serve())
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop)
    learning = asyncio.create_task(_keep_learned(app.learned))
    retaining = asyncio.create_task(_keep_retained(app.retain_letters))
    calm_garbage_collector()
    _log.info("ready", host=settings.host, port=settings.port, pid=os.getpid())
    await serving
    learning.cancel()
    retaining.cancel()
    _flush(app.learned)
    _log.info("stopped")


async def _keep_learned(learned: Learned) -> None:
    while True:
        await asyncio.sleep(_LEARNED_SECONDS)
        _flush(learned)


async def _keep_retained(retain: Callable[[], int]) -> None:
    while True:
        try:
            if count := await asyncio.to_thread(retain):
                _log.info("dead_letters_expired", count=count)
        except Exception as problem:  # noqa: BLE001  # a full disk; the next time may do better
            _log.error("dead_letters_not_retained", reason=str(problem))
        await asyncio.sleep(_RETAIN_SECONDS)


def _flush(learned: Learned) -> None:
    try:
        learned.flush()
    except Exception as problem:  # noqa: BLE001  # a full disk; the next time may do better
        _log.error("learned_not_kept", reason=str(problem))


if __name__ == "__main__":
    main()
