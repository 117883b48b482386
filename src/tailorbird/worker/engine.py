"""The engine process: advances its partitions, passes hand-overs on, forgets what deliver has."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence

import structlog

from tailorbird import bootstrap
from tailorbird.adapters.sqlite.state_store import SqliteStateStore
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.bootstrap.filling import filled_opener
from tailorbird.ports.state_store import HAND_OVER, SEND
from tailorbird.services.advance import RECORDS_PER_COMMIT, Engine
from tailorbird.services.forward import forward_hand_overs
from tailorbird.worker.process import calm_garbage_collector, nudged, run_role
from tailorbird.worker.settings import RoleSettings

# The writer nudges when the log has something new; without a nudge it is looked at this often.
PAUSE_SECONDS = 0.25
CURSOR_SECONDS = 1.0
CHECKPOINT_SECONDS = 2.0

_log = structlog.get_logger("engine")


def main(argv: Sequence[str] | None = None) -> None:
    """Run one engine until SIGTERM."""
    settings = RoleSettings.from_argv(sys.argv[1:] if argv is None else argv)
    run_role(f"engine-{settings.index}", settings, _serve)


async def _serve(settings: RoleSettings, stopped: asyncio.Event) -> None:
    bootstrap.keep_number_of_engines(settings.data, settings.engines)
    ownership = bootstrap.own(settings.data, f"engine-{settings.index}")
    state = bootstrap.open_state(settings.data, settings.index, is_writer=True)
    taken_over = bootstrap.outbox_cursor(settings.data, settings.index)
    # A state that fell back must not give numbers again that deliver has passed.
    state.number_outbox_after(taken_over())
    engine = Engine(
        bootstrap.open_log(settings.data),
        state,
        workspace_loader(bootstrap.open_control(settings.data)),
        index=settings.index,
        engines=settings.engines,
        open_filled=filled_opener(settings.data),
    )
    writer = bootstrap.open_writer_client(settings.data)
    calm_garbage_collector()
    _log.info("ready", index=settings.index, offset=engine.offset, pid=os.getpid())
    to_writer = bootstrap.open_nudger(settings.data, ["writer"])
    to_deliver = bootstrap.open_nudger(settings.data, ["deliver"])
    handed, wanted, looked_at = 0, 0, 0.0
    loop = asyncio.get_running_loop()
    checkpoint = asyncio.create_task(_keep_short(state, stopped))
    with nudged(settings, f"engine-{settings.index}", stopped) as news:
        while not stopped.is_set():
            count = engine.step()
            if wanted != (wanted := engine.outbox_rows):
                to_deliver.nudge()
            if not state.is_scrubbed():
                state.scrub()
            if count:
                to_writer.nudge()  # deadlines may have come
                handed = await forward_hand_overs(state, writer, handed)
                engine.forget_outbox(HAND_OVER, handed)
            if loop.time() - looked_at > CURSOR_SECONDS:
                looked_at = loop.time()
                engine.forget_outbox(SEND, taken_over())
                handed = await forward_hand_overs(state, writer, handed)
                engine.forget_outbox(HAND_OVER, handed)
            if checkpoint.done():
                checkpoint.result()
            if count >= RECORDS_PER_COMMIT or engine.is_filling:
                await asyncio.sleep(0)
            else:
                await news.wait(PAUSE_SECONDS)
    await checkpoint
    to_writer.close()
    to_deliver.close()
    await writer.close()
    state.close()
    ownership.release()
    _log.info("stopped", offset=engine.offset)


async def _keep_short(state: SqliteStateStore, stopped: asyncio.Event) -> None:
    """Keep the write-ahead log short: most of the work beside the commits, the rest between two."""
    offset = state.offset()
    while not stopped.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), CHECKPOINT_SECONDS)
        if offset != (offset := state.offset()):
            await asyncio.to_thread(state.checkpoint)
            state.checkpoint()


if __name__ == "__main__":
    main()
