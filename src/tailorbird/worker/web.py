"""The web process: granian serving the ASGI application in one worker."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Sequence
from uuid import uuid4

import structlog
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from tailorbird import __version__, bootstrap
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.events.event import Erase
from tailorbird.services import erase
from tailorbird.services.identity_rules import LiveRules
from tailorbird.services.ingest import Ingest
from tailorbird.services.query import Query
from tailorbird.services.room import Room
from tailorbird.web.api import ApiParts, make_api
from tailorbird.web.app import WebApp, WebParts
from tailorbird.web.collect import Collect
from tailorbird.web.measures import Measures
from tailorbird.web.pages import Pages
from tailorbird.web.sessions import Sessions
from tailorbird.web.tracking import Tracking
from tailorbird.worker.logs import configure_logs
from tailorbird.worker.process import follow_supervisor
from tailorbird.worker.settings import RoleSettings
from tailorbird.workspace.definitions import WorkspaceSettings

_log = structlog.get_logger("web")


def make_app(settings: RoleSettings) -> WebApp:
    """Join the parts of the web application for a data folder."""
    control = bootstrap.open_control(settings.data)
    writer = bootstrap.open_writer_client(settings.data)
    clock = bootstrap.open_clock(settings.data, settings.clock)
    bootstrap.await_files(settings.data, settings.engines)
    dead_letters = bootstrap.open_dead_letters(settings.data)
    query = Query(
        log=bootstrap.open_log(settings.data),
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
    room = Room(lambda: bootstrap.disk_room(settings.data), lambda: _room_limits(query))
    measures = Measures(query, room)

    log = bootstrap.open_log(settings.data)
    suppression = bootstrap.open_suppression(settings.data)
    identity = bootstrap.open_identity(settings.data)
    salt = bootstrap.erasure_salt(control)

    def plan_erasure(reference: str) -> Erase | None:
        found = query.profile_id(reference)
        if found is None:
            return None
        return erase.plan(found, query.state(found), log, identity, suppression, salt, clock.now())

    async def is_writer_ready() -> bool:
        try:
            await writer.now()
        except OSError:
            return False
        return True

    return WebApp(
        WebParts(
            collect=Collect(
                Ingest(writer, clock, dead_letters, fresh_id, LiveRules(control)),
                lambda one: roles.role(one) is not None,
                measures,
                room,
            ),
            tracking=Tracking(writer, clock, key, fresh_id),
            pages=Pages(sessions),
            api=make_api(ApiParts(query, control, writer, sessions, plan_erasure), __version__),
            query=query,
            measures=measures,
            sessions=sessions,
            is_writer_ready=is_writer_ready,
            fresh_id=fresh_id,
            room=room,
        )
    )


def _room_limits(query: Query) -> tuple[int, int]:
    reducer = query.reducer()
    found = reducer.workspace.settings if reducer is not None else WorkspaceSettings()
    return found.free_mb_min, found.free_percent_min


def fresh_id() -> str:
    """Return a new random id."""
    return uuid4().hex


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

    def stop() -> None:
        app.live.close()
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
    gc.freeze()
    _log.info("ready", host=settings.host, port=settings.port, pid=os.getpid())
    await serving
    _log.info("stopped")


if __name__ == "__main__":
    main()
