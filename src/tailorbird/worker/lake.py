"""Keeps the lake near the end of the log, by rounds in processes of their own.

Columns want libraries that hold a hundred megabytes; a round that ends gives them back. Whoever
keeps the lake only looks whether something came, and at times has segments reckoned anew.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec

import structlog

from tailorbird import bootstrap
from tailorbird.adapters.sqlite.connection import StorageProblem
from tailorbird.bootstrap.lake_keeper import (
    KEEPER,
    LAKE,
    LakeSettings,
    are_days_over,
    lake_beside,
)
from tailorbird.services.erase import PENDING
from tailorbird.worker.logs import configure_logs
from tailorbird.worker.process import follow_supervisor
from tailorbird.worker.settings import RoleSettings

# Of two that want the processor, the other one gets it.
NICENESS = 15
LOOK_SECONDS = 1.0
STOP_SECONDS_MAX = 20.0
# A server that has just started has other things to do.
FIRST_VERIFY_SECONDS = 3_600.0

_HAS_DUCKDB = find_spec("duckdb") is not None
_log = structlog.get_logger("lake")


def main(argv: Sequence[str] | None = None) -> None:
    """Keep the lake until SIGTERM, alone: `tailorbird serve` keeps it in a thread."""
    settings = RoleSettings.from_argv(sys.argv[1:] if argv is None else argv)
    configure_logs("lake", settings.log_level)
    stopped = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopped.set())
    follow_supervisor(settings.supervisor)
    keep_lake(settings, stopped)


def keep_lake(settings: RoleSettings, stopped: threading.Event) -> None:
    """Bring the lake up whenever something came, as the live version's settings say."""
    structlog.contextvars.bind_contextvars(role="lake")
    with ExitStack() as things:
        keeper = _Keeper(settings, stopped)
        is_owned = False
        while not stopped.is_set():
            try:
                if keeper.is_kept() and not is_owned:
                    things.callback(bootstrap.own(settings.data, KEEPER).release)
                    is_owned = True
                    _log.info("lake_kept", pid=os.getpid())
                elif is_owned and not keeper.is_kept():
                    things.close()
                    is_owned = False
                if is_owned:
                    keeper.look()
            except (StorageProblem, OSError) as problem:
                # Another keeper, a disk that does not answer, no process to be had.
                _log.warning("lake_waits", reason=str(problem))
                stopped.wait(STOP_SECONDS_MAX)
            stopped.wait(LOOK_SECONDS)


class _Keeper:
    def __init__(self, settings: RoleSettings, stopped: threading.Event) -> None:
        self._settings = replace(settings, supervisor=os.getpid())
        self._stopped = stopped
        self._control = bootstrap.open_control(settings.data)
        self._log = bootstrap.open_log(settings.data)
        self._clock = bootstrap.open_clock(settings.data, settings.clock)
        self._rules = LakeSettings(self._control)
        self._looked_at = float("-inf")
        self._verify_at = time.monotonic() + FIRST_VERIFY_SECONDS

    def is_kept(self) -> bool:
        return self._rules.is_kept()

    def look(self) -> None:
        """Run a round, or have segments reckoned anew, where it is time to."""
        rules, now = self._rules(), time.monotonic()
        # Somebody who is to be erased is not left until the next round.
        is_time = now - self._looked_at >= rules.lake_interval_seconds
        if (is_time or self._control.named(PENDING)) and self._is_something_to_do():
            self._looked_at = now
            self._run("tailorbird.worker.lake_round", *self._settings.to_argv())
        every = rules.verify_hours * 3_600.0
        self._verify_at = min(self._verify_at, now + every)
        if _HAS_DUCKDB and rules.verify_people and now >= self._verify_at:
            self._verify_at = now + every
            self._verify(rules.verify_people)

    def _is_something_to_do(self) -> bool:
        told = lake_beside(self._control, self._log)
        rules = self._rules()
        return (
            told is None
            or told.get("place") != (rules.lake_url or str(self._settings.data / LAKE))
            or bool(told["records_behind"])
            or bool(told["problem"])
            or are_days_over(told, rules.lake_keep_days, self._clock.now())
        )

    def _verify(self, people: int) -> None:
        """Reckon anew what is live; the report is in the control store, what differs told here."""
        words = ("segment", "verify", "--data", str(self._settings.data), "--json")
        code, out, err = self._run("tailorbird", *words, "--people", str(people))
        if code in (0, 1) and out:
            report = json.loads(out)
            unequal = [one for one in report["segments"] if one["missing"] or one["extra"]]
            values = [one for one in report["values"] if one["unequal"]]
            if unequal or values:
                told = {"segments": unequal[:10], "values": values[:10]}
                _log.error("segments_unequal", mismatch=report["mismatch"], **told)
            else:
                _log.info("segments_equal", people=report["people"], seconds=report["seconds"])
        elif not self._stopped.is_set():
            said = err.decode("utf-8", "replace").strip().splitlines()
            _log.warning("segments_not_verified", reason=said[-1] if said else code)

    def _run(self, module: str, *words: str) -> tuple[int, bytes, bytes]:
        """Run a process to its end, or to this one's; a round's own lines go where ours go."""
        is_round = module != "tailorbird"
        process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.DEVNULL,
            stdout=None if is_round else subprocess.PIPE,
            stderr=None if is_round else subprocess.PIPE,
            start_new_session=True,
        )
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        ender = threading.Thread(target=self._end_with_us, args=(process,), daemon=True)
        ender.start()
        out, err = process.communicate()
        ender.join()
        if is_round and process.returncode and not self._stopped.is_set():
            _log.error("lake_round_died", code=process.returncode)
        return process.returncode, out or b"", err or b""

    def _end_with_us(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            if self._stopped.wait(0.1):
                process.terminate()
                try:
                    process.wait(STOP_SECONDS_MAX)
                except subprocess.TimeoutExpired:
                    process.kill()


if __name__ == "__main__":
    main()
