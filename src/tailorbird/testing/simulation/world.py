"""The simulated world: roles, people, faults and their schedule, all from one seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tailorbird.base.time import MICROSECONDS
from tailorbird.ports.control_store import LIVE_VERSION
from tailorbird.services.ingest import Ingest
from tailorbird.testing.building import DAY, HOUR, MINUTE, START
from tailorbird.testing.simulation import roles, shop
from tailorbird.testing.simulation.loop import SimulatedLoop
from tailorbird.testing.simulation.mail import MailServer, Moods
from tailorbird.testing.simulation.network import Inbox, SimulatedLogWriter, Weather
from tailorbird.testing.simulation.people import Person, Sent
from tailorbird.testing.simulation.processes import Crashed, DiskFull, Life, News
from tailorbird.testing.simulation.storage import ENGINES, Disk

ROLES: dict[str, Callable[[World, Life], Awaitable[None]]] = {}
_QUIET_LOOKS = 3
_QUIET_SECONDS_MAX = 400.0
_LOOK_SECONDS = 0.4  # longer than anybody pauses
# All that happens while requests are repeated lies within the 24 hours of deduplication.
_JUMPS_MAX = 20 * HOUR
# How time goes on when nobody does anything any more.
_AFTERWARDS = (MINUTE, 10 * MINUTE, HOUR, 3 * HOUR, 2 * DAY, 40 * DAY)


class Clock:
    """The machine's clock: it goes with the simulation, and may jump."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self.shift = 0
        self.went_back = False

    def now(self) -> int:
        """Return the present instant."""
        return START + int(self._seconds() * MICROSECONDS) + self.shift


@dataclass(kw_only=True)
class Plan:
    """How bad this world is. Each seed has its own kinds of faults: together they hide others."""

    people: int
    seconds: float
    pace_seconds: float
    crash_writes: dict[str, int]  # role -> mean number of writes between two crashes
    slow_seconds: dict[str, float]  # role -> how long its commits take at most
    kill_seconds: float  # mean time between two kills; 0: none
    power_seconds: float
    full_seconds: float
    jump_seconds: float
    publish_seconds: float

    @classmethod
    def draw(cls, rng: random.Random) -> Plan:
        """Draw one."""

        def some(share: float, low: float, high: float) -> float:
            return rng.uniform(low, high) if rng.random() < share else 0.0

        crashing = [role for role in ROLES if role != "web" and rng.random() < 0.4]
        return cls(
            people=rng.randint(1, 4),
            seconds=rng.uniform(5, 12),
            pace_seconds=rng.uniform(0.15, 0.8),
            crash_writes={role: rng.choice((5, 15, 60)) for role in crashing},
            slow_seconds={
                role: rng.choice((0.0, 0.0, 0.3, 1.0)) for role in ("engine-0", "engine-1")
            },
            kill_seconds=some(0.4, 1, 6),
            power_seconds=some(0.5, 1, 5),
            full_seconds=some(0.2, 3, 10),
            jump_seconds=some(0.4, 2, 10),
            publish_seconds=some(0.5, 1, 6),
        )


class World:
    """One run. `run` lives it; the auditor looks at it afterwards."""

    def __init__(self, seed: int, loop: SimulatedLoop, **plan: Any) -> None:
        self.seed = seed
        self.rng = random.Random(f"{seed}/world")
        self.network = random.Random(f"{seed}/network")
        self.plan = replace(Plan.draw(self.rng), **plan)
        self.seconds = loop.time
        self.clock = Clock(self.seconds)
        self.disk = Disk(self.seconds)
        self.weather = _weather(self.rng)
        self.mail = MailServer(_moods(self.rng), random.Random(f"{seed}/mail"), self.seconds)
        self.news = {role: News() for role in ROLES}
        self.pace_seconds = self.plan.pace_seconds
        self.wanted_version = 0
        self.inbox: Inbox | None = None
        self.ingest: Ingest | None = None
        self.sent: dict[str, Sent] = {}
        self.requests_under_way = 0
        self.lives: dict[str, Life] = {}
        self.lives_begun = 0
        self.crashes = dict.fromkeys(ROLES, 0)
        self.faults: list[str] = []
        self.trace: list[str] = []
        self.is_calm = False
        self._has_power = asyncio.Event()
        self._has_power.set()
        self.people = [
            Person(self, number, random.Random(f"{seed}/person {number}"))
            for number in range(self.plan.people)
        ]

    # -- what roles and people use ---------------------------------------------------------------

    def note(self, text: str) -> None:
        """Tell the trace what happens."""
        self.trace.append(f"{self.seconds():10.4f}  {text}")

    def fault(self, text: str) -> None:
        """Something happened that never should."""
        self.note(f"FAULT {text}")
        self.faults.append(text)

    def open_writer(self, life: Life) -> SimulatedLogWriter:
        """Return a process's client of the log's writer."""
        return SimulatedLogWriter(
            life, lambda: self.inbox, self.clock.now, self.weather, self.network
        )

    def nudge(self, role: str) -> None:
        """Nudge a role, perhaps in vain."""
        if self.network.random() >= self.weather.nudge_lost:
            self.news[role].tell()

    def nudge_engines(self) -> None:
        """Nudge all engines."""
        for index in range(ENGINES):
            self.nudge(f"engine-{index}")

    async def travel(self) -> None:
        """Be on the way between a person and the server."""
        await asyncio.sleep(self.network.random() * self.weather.delay_seconds)
        if self.network.random() < self.weather.cut:
            raise ConnectionError("the connection broke")

    # -- the run ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Live until everything that was begun has ended."""
        keepers = [asyncio.create_task(self._keep(role)) for role in ROLES]
        await self._until_quiet()  # the first version is live before anybody comes
        troubles = [
            asyncio.create_task(one)
            for one in (
                self._kill(),
                self._cut_power(),
                self._fill_disk(),
                self._jump(),
                self._edit(),
            )
        ]
        end = self.seconds() + self.plan.seconds
        living = asyncio.gather(*(one.live(end) for one in self.people))
        await asyncio.sleep(self.plan.seconds)
        for one in troubles:
            one.cancel()
        await asyncio.gather(*troubles, return_exceptions=True)
        self._calm_down()
        await living
        for jump in (0, *_AFTERWARDS):
            self.clock.shift += jump
            self.note(f"afterwards +{jump / HOUR:.2f} h")
            self.disk.sync()
            if not await self._until_quiet():
                self.fault("there is no end to what is done")
                break
        self.note("end")
        for keeper in keepers:
            keeper.cancel()
        for life in self.lives.values():
            life.end()

    async def _keep(self, role: str) -> None:
        """Start a role, and again when it has ended, as the supervisor does."""
        while True:
            await self._has_power.wait()
            mean = 0 if self.is_calm else self.plan.crash_writes.get(role, 0)
            life = Life(role, int(self.rng.expovariate(1 / mean)) if mean else None)
            self.lives[role] = life
            self.lives_begun += 1
            life.task = asyncio.ensure_future(ROLES[role](self, life))
            await asyncio.wait([life.task])
            life.is_over = True
            self.crashes[role] += 1
            problem = None if life.task.cancelled() else life.task.exception()
            self.note(f"{role} ends: {type(problem).__name__ if problem else 'killed'}")
            if problem is not None and not isinstance(problem, (Crashed, DiskFull)):
                self.fault(f"{role} ended with {problem!r}")
            await asyncio.sleep(self.rng.uniform(0.1, 1.0))

    def _calm_down(self) -> None:
        """No new faults; what is broken stays so until it is mended."""
        self.note("calm")
        self.is_calm = True
        self.disk.is_full = False
        self._has_power.set()
        self.weather.clear()
        self.mail.moods.clear()
        for life in self.lives.values():
            life.end()

    async def _until_quiet(self) -> bool:
        looks, end, until = 0, -1, self.seconds() + _QUIET_SECONDS_MAX
        while looks < _QUIET_LOOKS:
            if self.seconds() > until:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
            known, end = end, self.disk.log.end()
            looks = looks + 1 if end == known and self._is_quiet() else 0
        return True

    def _is_quiet(self) -> bool:
        disk, now = self.disk, self.clock.now()
        for index, state in enumerate(disk.states):
            partitions = range(index, 64, ENGINES)
            if disk.log.read(state.offset(), 1, partitions) or state.due_partitions(now):
                return False
            if state.outbox(disk.ledger.cursor(index), 1):
                return False
        return (
            not self.requests_under_way and not disk.ledger.unfinished(now) and self._is_published()
        )

    def _is_published(self) -> bool:
        live = self.disk.control.get(LIVE_VERSION)
        if live is None:
            return False
        files = self.disk.control.load_version(live)
        return files.items() >= shop.files_of(self.wanted_version).items()

    # -- troubles --------------------------------------------------------------------------------

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        while seconds:
            await asyncio.sleep(self.rng.expovariate(1 / seconds))
            await act()

    async def _kill(self) -> None:
        async def act() -> None:
            role = self.rng.choice(list(ROLES))
            self.note(f"kill {role}")
            self.lives[role].end()

        await self._every(self.plan.kill_seconds, act)

    async def _cut_power(self) -> None:
        async def act() -> None:
            self._has_power.clear()
            for life in self.lives.values():
                life.end()
            await asyncio.sleep(self.rng.uniform(0.01, 0.5))
            self.note(f"power lost: {self.disk.lose_power(self.rng)}")
            self._has_power.set()

        await self._every(self.plan.power_seconds, act)

    async def _fill_disk(self) -> None:
        async def act() -> None:
            self.disk.is_full = True
            self.note("disk full")
            await asyncio.sleep(self.rng.uniform(0.1, 3))
            self.disk.is_full = False
            self.note("disk has room")

        await self._every(self.plan.full_seconds, act)

    async def _jump(self) -> None:
        async def act() -> None:
            jump = self.rng.choice((-30, -1, 1, 30, 600, 3_600, 7_200)) * MICROSECONDS
            if self.clock.shift + jump <= _JUMPS_MAX:
                self.note(f"clock jumps {jump / MICROSECONDS:.0f} s")
                self.clock.shift += jump
                self.clock.went_back |= jump < 0

        await self._every(self.plan.jump_seconds, act)

    async def _edit(self) -> None:
        async def act() -> None:
            before = self.wanted_version
            for wanted in (self.rng.randrange(len(shop.CONDITIONS)), before):
                self.wanted_version = wanted
                self.note(f"workspace edited: version {wanted}")
                if self.rng.random() < 0.5:
                    break
                # Somebody undoes the edit.
                await asyncio.sleep(self.rng.random())

        await self._every(self.plan.publish_seconds, act)


def _weather(rng: random.Random) -> Weather:
    return Weather(
        delay_seconds=rng.choice((0.005, 0.05, 0.5)),
        cut=rng.choice((0.0, 0.02, 0.15)),
        duplicate=rng.choice((0.0, 0.05, 0.3)),
        nudge_lost=rng.choice((0.0, 0.1, 1.0)),
    )


def _moods(rng: random.Random) -> Moods:
    return Moods(
        away=rng.choice((0.0, 0.0, 0.2)),
        refused_now=rng.choice((0.0, 0.1, 0.3)),
        refused_for_good=rng.choice((0.0, 0.0, 0.05)),
        cut_before=rng.choice((0.0, 0.1)),
        cut_after=rng.choice((0.0, 0.05, 0.15)),
        seconds=rng.choice((0.005, 0.05, 0.5)),
    )


ROLES["writer"] = roles.write
for _index in range(ENGINES):
    ROLES[f"engine-{_index}"] = partial(roles.reduce, index=_index)
ROLES["deliver"] = roles.deliver
ROLES["web"] = roles.serve
ROLES["publisher"] = roles.publish
