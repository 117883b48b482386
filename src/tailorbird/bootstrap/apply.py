"""Makes a planned version live, on a running server or beside none, and waits until it is."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from tailorbird.adapters.sqlite.connection import StorageProblem
from tailorbird.adapters.sqlite.ownership import Ownership
from tailorbird.base.problems import OperationalError
from tailorbird.bootstrap.filling import preparer
from tailorbird.bootstrap.local_host import local_host
from tailorbird.bootstrap.plan import make_plan
from tailorbird.bootstrap.stores import (
    PUBLISHER,
    clock_kind,
    is_writer_listening,
    open_control,
    open_state,
    open_writer_client,
    own,
)
from tailorbird.events.event import PARTITIONS
from tailorbird.ports.control_store import LIVE_VERSION
from tailorbird.services.plan import promises_broken
from tailorbird.services.publish import Publisher, checked_workspace

_LOOK_SECONDS = 0.05


class PlanIsOld(OperationalError):
    """Something changed since the plan was made; `changes` says what, in words."""

    def __init__(self, changes: list[str]) -> None:
        super().__init__("; ".join(changes), is_retry_safe=False)
        self.changes = changes


def apply_plan(
    data: Path,
    plan: Mapping[str, Any],
    files: Mapping[str, str],
    *,
    seconds: float = 120.0,
) -> dict[str, dict[str, int]]:
    """Make the files of a plan live if it still holds.

    Args:
        data: A server may run on it; where none does, its engines run in this process.
        plan: As `services.plan.plan_of` gave it.
        files: Those that the plan was made for.
        seconds: How long to wait until all engines live by the new version.

    Returns:
        For each segment of the plan: "promised" and "now", numbers of members.

    Raises:
        PlanIsOld: another version is live by now, or the plan would promise something else.
        OperationalError: the log does not take it, engines have not come to it in time, or somebody
            else was applying for so long.
        StorageProblem: a server runs that does not answer.
    """
    with closing(_in_turn(data, seconds)), closing(open_control(data)) as control:
        live = control.get(LIVE_VERSION)
        if live != plan["base"]:
            raise PlanIsOld(
                [f"version {str(live)[:8]} went live since; the plan is for {plan['base'][:8]}"]
            )
        workspace, problems = checked_workspace(files)
        assert workspace is not None, "a plan is made of sound definitions"
        changes = promises_broken(plan, make_plan(data, workspace, files, problems, past_days=0))
        if changes:
            raise PlanIsOld(changes)
        version = asyncio.run(_publish(data, files, seconds))
        if version != plan["version"]:
            raise OperationalError(
                f"{version} went live, not {plan['version']}", is_retry_safe=False
            )
        sizes = _sizes(data)
    return {
        name: {"promised": one["after"], "now": sizes[name]}
        for name, one in plan["segments"].items()
    }


def _in_turn(data: Path, seconds: float) -> Ownership:
    """Wait until nobody else publishes: what they changed is looked at then, and told."""
    until = time.monotonic() + seconds
    while True:
        try:
            return own(data, PUBLISHER)
        except StorageProblem as problem:
            if time.monotonic() > until:
                raise OperationalError(
                    f"somebody else has been changing what is live in {data} for {seconds:g}"
                    " seconds; apply again when they are done: it tells what they changed",
                    is_retry_safe=True,
                ) from problem
        time.sleep(_LOOK_SECONDS)


async def _publish(data: Path, files: Mapping[str, str], seconds: float) -> str | None:
    with closing(open_control(data)) as control:
        if not is_writer_listening(data):
            with local_host(data, clock_kind(data)) as host:
                found = await Publisher(control, host, prepare=preparer(data)).publish(files)
                await host.settle()
            return found.version
        writer = open_writer_client(data)
        try:
            found = await Publisher(control, writer, prepare=preparer(data)).publish(files)
        finally:
            await writer.close()
        if found.version is not None:
            await _await_engines(data, found.version, seconds)
        return found.version


async def _await_engines(data: Path, version: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    with ExitStack() as things:
        states = [
            things.enter_context(closing(open_state(data, int(path.stem))))
            for path in sorted((data / "state").glob("*.db"))
        ]
        while True:
            live = Counter(one for state in states for one in state.versions().values())
            waiting = sum(len(state.sweeps()) for state in states)
            if live[version] == PARTITIONS and not waiting:
                return
            if time.monotonic() > until:
                raise OperationalError(
                    f"{version[:8]} is in the log, and {live[version] - waiting} of {PARTITIONS}"
                    " parts of the people live by it; the engines work on",
                    is_retry_safe=True,
                )
            await asyncio.sleep(_LOOK_SECONDS)


def _sizes(data: Path) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for path in sorted((data / "state").glob("*.db")):
        with closing(open_state(data, int(path.stem))) as state:
            sizes.update(state.segment_sizes())
    return sizes
