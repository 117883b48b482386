"""One run from a seed to a verdict."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from tailorbird.testing.simulation.auditor import Auditor
from tailorbird.testing.simulation.loop import Deadlock, SimulatedLoop
from tailorbird.testing.simulation.world import World

COMMAND = "python -m tailorbird.testing.simulation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a run. `trace` tells all that happened, `counts` how much."""

    seed: int
    problems: tuple[str, ...]
    counts: dict[str, int]
    trace: tuple[str, ...]

    def __str__(self) -> str:
        if not self.problems:
            return f"seed {self.seed}: all is well; {self.counts}"
        shown = "\n".join(f"  {one}" for one in self.problems[:20])
        return f"seed {self.seed} fails; repeat it with `{COMMAND} {self.seed}`\n{shown}"


def simulate(seed: int, **plan: Any) -> Verdict:
    """Live the world of a seed and judge it. The same seed gives the same run, always.

    `plan` sets fields of `world.Plan` that the seed would draw: to look where a fault would show.
    """
    loop = SimulatedLoop()
    try:
        asyncio.set_event_loop(loop)
        world = World(seed, loop, **plan)
        with structlog.testing.capture_logs():
            try:
                loop.run_until_complete(world.run())
            except Deadlock:
                world.fault("everybody waits for somebody")
            problems = tuple(Auditor(world).problems())
    finally:
        _cancel_all(loop)
        asyncio.set_event_loop(None)
        loop.close()
    return Verdict(seed=seed, problems=problems, counts=_counts(world), trace=tuple(world.trace))


def _counts(world: World) -> dict[str, int]:
    return {
        "events": len(world.sent),
        "records": world.disk.log.end(),
        "mails": len(world.mail.mails),
        **world.disk.ledger.counts(),
        **{f"{role} crashes": count for role, count in world.crashes.items()},
    }


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
