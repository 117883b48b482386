"""The network between roles: delays, reorderings, duplicates, cuts. And who answers at its ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import RETRY, Answer, EventDraft
from tailorbird.testing.simulation.processes import Life

ANSWER_SECONDS_MAX = 10.0


@dataclass
class Weather:
    """How bad the network is: seconds, and shares of what is sent."""

    delay_seconds: float = 0.01
    cut: float = 0.0
    duplicate: float = 0.0
    nudge_lost: float = 0.0

    def clear(self) -> None:
        """From here on all goes well."""
        self.delay_seconds, self.cut, self.duplicate, self.nudge_lost = 0.005, 0.0, 0.0, 0.0


@dataclass
class Request:
    """What waits for the writer's next commit."""

    events: list[EventDraft]
    drafts: list[Draft]
    answered: asyncio.Future[list[Answer]]

    def answer(self, answers: list[Answer]) -> None:
        """Answer, if anybody still waits."""
        if not self.answered.done():
            self.answered.set_result(answers)

    def cut_off(self) -> None:
        """Close the connection."""
        if not self.answered.done():
            self.answered.set_exception(ConnectionError("the writer is gone"))
            self.answered.exception()  # whether or not anybody hears of it


class Inbox:
    """Where requests wait for the writer; it exists while the writer listens."""

    def __init__(self) -> None:
        self.waiting: list[Request] = []
        self.is_closed = False

    def enqueue(self, events: Sequence[EventDraft], drafts: Sequence[Draft]) -> Request:
        """Take a request over."""
        if self.is_closed:
            raise ConnectionError("nobody listens")
        answered = asyncio.get_running_loop().create_future()
        request = Request(list(events), list(drafts), answered)
        self.waiting.append(request)
        return request

    def close(self) -> None:
        """The writer is gone: who waits learns it."""
        self.is_closed = True
        for one in self.waiting:
            one.cut_off()
        self.waiting.clear()


class SimulatedLogWriter:
    """A role's client of the log's writer (`ports.log_writer.LogWriter`) over a bad network."""

    def __init__(
        self,
        life: Life,
        inbox: Callable[[], Inbox | None],
        now: Callable[[], int],
        weather: Weather,
        rng: random.Random,
    ) -> None:
        self._life = life
        self._inbox = inbox
        self._now = now
        self._weather = weather
        self._rng = rng

    async def write(self, events: Sequence[EventDraft]) -> list[Answer]:
        """Hand events over; a broken connection is a retry, as with the real client."""
        return await self._call(events, ())

    async def append(self, drafts: Sequence[Draft]) -> list[Answer]:
        """Hand records over."""
        return await self._call((), drafts)

    async def now(self) -> int:
        """Return the log's present instant."""
        await self._travel()
        if self._inbox() is None:
            raise ConnectionError("nobody listens")
        return self._now()

    async def set_now(self, now: int) -> int:
        """Refuse: only the simulation moves the clock."""
        raise AssertionError(now)

    async def _call(self, events: Sequence[EventDraft], drafts: Sequence[Draft]) -> list[Answer]:
        retry = [Answer(RETRY)] * (len(events) + len(drafts))
        self._life.touch()
        try:
            await self._travel()
            inbox = self._inbox()
            if inbox is None:
                return retry
            request = inbox.enqueue(events, drafts)
            answers = await asyncio.wait_for(request.answered, ANSWER_SECONDS_MAX)
            await self._travel()
        except (TimeoutError, OSError):
            self._life.touch()
            return retry
        self._life.touch()
        return answers

    async def _travel(self) -> None:
        await asyncio.sleep(self._rng.random() * self._weather.delay_seconds)
        if self._rng.random() < self._weather.cut:
            raise ConnectionError("the connection broke")
