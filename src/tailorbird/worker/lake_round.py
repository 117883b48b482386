"""One round of the lake: all that came is added, days that are over are dropped, and it ends.

It gives way to all other processes, and what it took of memory goes with it.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence

import structlog

from tailorbird import bootstrap
from tailorbird.base.problems import TailorbirdError
from tailorbird.bootstrap.lake_keeper import (
    LakeSettings,
    add_to_lake,
    drop_old_days,
    lake_status,
    open_lake,
    report,
    report_problem,
    rest,
)
from tailorbird.worker.logs import configure_logs
from tailorbird.worker.process import follow_supervisor
from tailorbird.worker.settings import RoleSettings

_log = structlog.get_logger("lake")


def main(argv: Sequence[str] | None = None) -> None:
    """Bring the lake to the log's end, or as far as SIGTERM lets it come."""
    settings = RoleSettings.from_argv(sys.argv[1:] if argv is None else argv)
    configure_logs("lake", settings.log_level)
    stopped = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopped.set())
    follow_supervisor(settings.supervisor)
    control = bootstrap.open_control(settings.data)
    try:
        _bring_up(settings, stopped)
    except TailorbirdError as problem:
        # A full disk, a storage that is away: the next round may do better.
        if (lake_status(control) or {}).get("problem") != str(problem):
            _log.warning("lake_waits", reason=str(problem))
        report_problem(control, str(problem))


def _bring_up(settings: RoleSettings, stopped: threading.Event) -> None:
    control = bootstrap.open_control(settings.data)
    log = bootstrap.open_log(settings.data)
    clock = bootstrap.open_clock(settings.data, settings.clock)
    keep_days = LakeSettings(control)().lake_keep_days
    lake = open_lake(settings.data)
    while not stopped.is_set():
        count = add_to_lake(settings.data, log, lake)
        dropped = drop_old_days(settings.data, lake, keep_days, clock.now())
        report(control, lake)
        if dropped:
            _log.info("days_dropped", rows=dropped, since=lake.manifest().since)
        if not count:
            return
        rest()


if __name__ == "__main__":
    main()
