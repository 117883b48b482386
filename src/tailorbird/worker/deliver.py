"""The deliver process: one, for all engines of a data folder."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

import structlog

from tailorbird.bootstrap import own
from tailorbird.bootstrap.delivery import open_delivery
from tailorbird.worker.process import calm_garbage_collector, nudged, run_role
from tailorbird.worker.settings import RoleSettings

# Engines nudge when they want something sent; what only time makes due is looked for this often.
PAUSE_SECONDS = 0.25
# After a fault that is not a person's or a server's, before the next attempt.
FAULT_SECONDS = 1.0

_log = structlog.get_logger("deliver")


def main(argv: Sequence[str] | None = None) -> None:
    """Deliver until SIGTERM."""
    settings = RoleSettings.from_argv(sys.argv[1:] if argv is None else argv)
    run_role("deliver", settings, _serve)


async def _serve(settings: RoleSettings, stopped: asyncio.Event) -> None:
    # Two of them would send everything twice.
    ownership = own(settings.data, "deliver")
    delivery = open_delivery(
        settings.data,
        engines=settings.engines,
        clock=settings.clock,
        smtp_url=settings.smtp_url,
    )
    unknown = delivery.recover()
    await delivery.look_at_mail_server()
    calm_garbage_collector()
    _log.info("ready", pid=os.getpid(), unknown=unknown)
    with nudged(settings, "deliver", stopped) as news:
        while not stopped.is_set():
            try:
                done = await delivery.step()
            except Exception as problem:  # noqa: BLE001  # the outermost loop, see below
                # The outermost loop: a fault is said and the round is tried again; what was handed
                # over is in the ledger.
                _log.error("round_failed", error=repr(problem)[:500], exc_info=True)
                done = 0
                await asyncio.sleep(FAULT_SECONDS)
            if not done:
                await news.wait(PAUSE_SECONDS)
    await delivery.close()
    ownership.release()
    _log.info("stopped")


if __name__ == "__main__":
    main()
