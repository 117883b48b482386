"""`tailorbird serve`: starts the roles as processes, restarts what dies, stops all in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from tailorbird import bootstrap
from tailorbird.bootstrap.sources import open_sources
from tailorbird.worker.lake import keep_lake
from tailorbird.worker.logs import configure_logs
from tailorbird.worker.settings import ROLES, RoleSettings

Background = Callable[[threading.Event], None]

RESTART_SECONDS_MIN = 0.5
RESTART_SECONDS_MAX = 15.0
# Who ran this long is started again at once, not with the pause of its last fall.
STEADY_SECONDS = 60.0
STOP_SECONDS_MAX = 20.0
_WRITER_READY_SECONDS_MAX = 30.0
_LOOK_SECONDS = 0.1
# Queues may come and go with each version of the workspace.
_WISHES_SECONDS = 0.5

_log = structlog.get_logger("supervisor")


@dataclass(slots=True)
class _Child:
    role: str
    settings: RoleSettings
    process: subprocess.Popen[bytes]
    pause: float = RESTART_SECONDS_MIN
    restart_at: float = 0.0
    started_at: float = field(default_factory=time.monotonic)


class Supervisor:
    """Runs the roles of one data folder. `background` runs in threads until the stop event."""

    def __init__(
        self,
        settings: RoleSettings,
        *,
        roles: Sequence[str] = ROLES,
        background: Sequence[Background] = (),
    ) -> None:
        self._settings = replace(settings, supervisor=os.getpid())
        self._roles = roles
        self._background = background
        self._children: list[_Child] = []
        self._stop = threading.Event()
        # Of the roles that not everybody needs: whether the live version does.
        self._wishes: dict[str, Callable[[], bool]] = {}
        self._wishes_at = 0.0

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit code."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: self._stop.set())
        bootstrap.prepare_data_folder(self._settings.data)
        bootstrap.keep_number_of_engines(self._settings.data, self._settings.engines)
        background = [*self._background]
        if "lake" in self._roles:
            background.append(partial(keep_lake, self._settings))
        threads = [
            threading.Thread(target=one, args=(self._stop,), daemon=True) for one in background
        ]
        try:
            self._start_all(threads)
            self._make_wishes()
            while not self._stop.wait(_LOOK_SECONDS):
                self._look_after()
                self._look_for_wishes()
        finally:
            self._stop.set()
            self._stop_all()
            for thread in threads:
                if thread.is_alive():
                    thread.join(timeout=5)
        return 0

    def _start_all(self, threads: Sequence[threading.Thread]) -> None:
        # The writer first: publishing and all other roles need it, and the engines' files are
        # made by the engines before others read them.
        if "writer" in self._roles:
            self._children.append(self._start("writer", self._settings))
            self._await_writer()
        for thread in threads:
            thread.start()
        if "engine" in self._roles:
            for index in range(self._settings.engines):
                settings = replace(self._settings, index=index)
                self._children.append(self._start("engine", settings))
            self._await_states()
        for role in ("deliver", "web"):
            if role in self._roles:
                self._children.append(self._start(role, self._settings))

    def _start(self, role: str, settings: RoleSettings) -> _Child:
        words = [sys.executable, "-m", f"tailorbird.worker.{role}", *settings.to_argv()]
        # A session of its own: Ctrl-C reaches the supervisor alone, which stops all in order.
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True)
        _log.info("role_started", role=role, index=settings.index, pid=process.pid)
        return _Child(role, settings, process)

    def _await_writer(self) -> None:
        self._await(
            lambda: bootstrap.is_writer_listening(self._settings.data),
            "the log's writer does not start; see its lines above",
        )

    def _await_states(self) -> None:
        paths = [
            self._settings.data / "state" / f"{index}.db" for index in range(self._settings.engines)
        ]
        self._await(
            lambda: all(path.exists() for path in paths),
            "the engines do not start; see their lines above",
        )

    def _await(self, is_ready: Callable[[], bool], complaint: str) -> None:
        until = time.monotonic() + _WRITER_READY_SECONDS_MAX
        while not is_ready() and not self._stop.is_set():
            if time.monotonic() > until:
                _log.error("start_failed", reason=complaint)
                raise SystemExit(complaint)
            self._look_after()
            time.sleep(0.02)

    def _look_after(self) -> None:
        for child in self._children:
            code = child.process.poll()
            if code is None:
                continue
            now = time.monotonic()
            if not child.restart_at:
                if now - child.started_at > STEADY_SECONDS:
                    child.pause = RESTART_SECONDS_MIN
                child.restart_at = now + child.pause
                _log.error("role_died", role=child.role, code=code, restart_seconds=child.pause)
                child.pause = min(child.pause * 2, RESTART_SECONDS_MAX)
            elif now >= child.restart_at:
                child.process = self._start(child.role, child.settings).process
                child.restart_at, child.started_at = 0.0, now

    def _look_for_wishes(self) -> None:
        """Run the role `sources` exactly while the live version wants it."""
        now = time.monotonic()
        if now - self._wishes_at < _WISHES_SECONDS:
            return
        self._wishes_at = now
        for role, is_wished in self._wishes.items():
            running = [child for child in self._children if child.role == role]
            if is_wished() and not running:
                self._children.append(self._start(role, self._settings))
            elif running and not is_wished():
                self._end(role)
                self._children = [child for child in self._children if child.role != role]

    def _make_wishes(self) -> None:
        if "sources" in self._roles:
            sources = open_sources(self._settings.data)
            self._wishes["sources"] = lambda: bool(sources.queues())

    def _stop_all(self) -> None:
        for role in ("sources", "web", "deliver", "engine", "writer"):
            self._end(role)
        _log.info("stopped")

    def _end(self, role: str) -> None:
        going = [child for child in self._children if child.role == role]
        for child in going:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        for child in going:
            try:
                child.process.wait(timeout=STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                _log.error("role_killed", role=role, pid=child.process.pid)
                child.process.kill()
                child.process.wait()


def serve(
    settings: RoleSettings,
    *,
    roles: Sequence[str] = ROLES,
    background: Sequence[Background] = (),
) -> int:
    """Run roles until told to stop."""
    configure_logs("supervisor", settings.log_level)
    return Supervisor(settings, roles=roles, background=background).run()
