"""Writer and engines of a data folder in this process, while its server is stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.bootstrap.filling import filled_opener
from tailorbird.bootstrap.stores import (
    open_clock,
    open_control,
    open_identity,
    open_log,
    open_seen_days,
    open_state,
    open_suppression,
    outbox_cursor,
    own,
)
from tailorbird.delivery.suppression import changes_of
from tailorbird.ports.clock import Clock, ClockProblem
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import Answer, EventDraft
from tailorbird.ports.state_store import HAND_OVER, StateStore
from tailorbird.services import erase
from tailorbird.services.advance import Engine
from tailorbird.services.append import Appender
from tailorbird.services.forward import forward_hand_overs
from tailorbird.services.identity_rules import LiveRules, rules_of_version


class LocalHost:
    """A log writer (`ports.log_writer.LogWriter`) with engines that `settle` moves on."""

    def __init__(
        self, appender: Appender, clock: Clock, engines: Sequence[tuple[Engine, StateStore]]
    ) -> None:
        self._appender = appender
        self._clock = clock
        self._engines = engines

    async def write(self, events: Sequence[EventDraft]) -> list[Answer]:
        """Append events; see the port."""
        return self._appender.write(events)[0]

    async def append(self, drafts: Sequence[Draft]) -> list[Answer]:
        """Append records of other kinds; see the port."""
        return self._appender.write([], drafts)[1]

    async def now(self) -> int:
        """Return the present instant of the log."""
        return self._appender.now()

    async def set_now(self, now: int) -> int:
        """Refuse: nobody moves a clock here."""
        raise ClockProblem("the clock is moved by a server alone")

    async def settle(self) -> None:
        """Let the engines reduce all that is in the log."""
        handed = [0] * len(self._engines)
        is_moving = True
        while is_moving:
            is_moving = False
            for index, (engine, state) in enumerate(self._engines):
                while engine.step():
                    is_moving = True
                before = handed[index]
                handed[index] = await forward_hand_overs(state, self, before)
                engine.forget_outbox(HAND_OVER, handed[index])
                is_moving = is_moving or handed[index] != before
        for engine, _ in self._engines:
            engine.step()  # commits what was forgotten


@contextmanager
def local_host(data: Path, clock_kind: str) -> Iterator[LocalHost]:
    """Own a data folder's writer and engines for a while.

    Raises:
        StorageProblem: a server runs on it.
    """
    with ExitStack() as things:
        control = things.enter_context(closing(open_control(data)))
        engines = int(control.get("engines") or 0)
        for role in ("writer", *(f"engine-{index}" for index in range(engines))):
            things.callback(own(data, role).release)
        log = things.enter_context(closing(open_log(data, is_writer=True)))
        clock = open_clock(data, clock_kind, is_writer=True)
        appender = Appender(
            log,
            things.enter_context(closing(open_identity(data, is_writer=True))),
            things.enter_context(closing(open_suppression(data, is_writer=True))),
            clock,
            changes_of,
            LiveRules(control)(),
            lambda version: rules_of_version(control, version),
            open_seen_days(data),
            lambda record: erase.note(control, record),
        )
        made: list[tuple[Engine, StateStore]] = []
        for index in range(engines):
            state = things.enter_context(closing(open_state(data, index, is_writer=True)))
            state.number_outbox_after(outbox_cursor(data, index)())
            engine = Engine(
                log,
                state,
                workspace_loader(control),
                index=index,
                engines=engines,
                open_filled=filled_opener(data),
            )
            made.append((engine, state))
        yield LocalHost(appender, clock, made)
