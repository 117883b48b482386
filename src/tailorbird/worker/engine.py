"""The engine process: advances its partitions, passes hand-overs on, forgets what deliver has."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence

import structlog

from tailorbird import bootstrap
from tailorbird.ports.state_store import HAND_OVER, SEND
from tailorbird.services.advance import RECORDS_PER_COMMIT, Engine
from tailorbird.services.forward import forward_hand_overs
from tailorbird.worker.logs import configure_logs
from tailorbird.worker.settings import RoleSettings

# How long an engine without work waits before it looks at the log again, in seconds.
PAUSE_SECONDS_MIN = 0.001
PAUSE_SECONDS_MAX = 0.008
# A simulation waits for us: look more often.
PAUSE_SECONDS_SIMULATED = 0.002
CURSOR_SECONDS = 1.0

_log = structlog.get_logger("engine")


def main(argv: Sequence[str] | None = None) -> None:
    """Run one engine until SIGTERM."""
    settings = RoleSettings.from_argv(sys.argv[1:] if argv is None else argv)
    configure_logs(f"engine-{settings.index}", settings.log_level)
    asyncio.run(_serve(settings))


async def _serve(settings: RoleSettings) -> None:
    state = bootstrap.open_state(settings.data, settings.index, is_writer=True)
    control = bootstrap.open_control(settings.data)
    engine = Engine(
        bootstrap.open_log(settings.data),
        state,
        bootstrap.workspace_loader(control),
        index=settings.index,
        engines=settings.engines,
    )
    writer = bootstrap.open_writer_client(settings.data)
    taken_over = bootstrap.outbox_cursor(settings.data, settings.index)
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    gc.freeze()
    _log.info("ready", index=settings.index, offset=engine.offset, pid=os.getpid())
    longest = PAUSE_SECONDS_SIMULATED if settings.clock == "simulated" else PAUSE_SECONDS_MAX
    handed, pause, looked_at = 0, PAUSE_SECONDS_MIN, 0.0
    loop = asyncio.get_running_loop()
    while not stopped.is_set():
        count = engine.step()
        if count:
            pause = PAUSE_SECONDS_MIN
            forwarded = await forward_hand_overs(state, writer, handed)
            if forwarded > handed:
                handed = forwarded
                engine.forget_outbox(HAND_OVER, handed)
        else:
            pause = min(pause * 2, longest)
        if loop.time() - looked_at > CURSOR_SECONDS:
            looked_at = loop.time()
            engine.forget_outbox(SEND, taken_over())
            handed = await forward_hand_overs(state, writer, handed)
        await asyncio.sleep(0 if count == RECORDS_PER_COMMIT else pause)
    await writer.close()
    state.close()
    _log.info("stopped", offset=engine.offset)


if __name__ == "__main__":
    main()
