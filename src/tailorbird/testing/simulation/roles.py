"""The loops of the roles, as `worker/{writer,engine,deliver,publisher}.py` run them.

Each function is one process from its start; it ends by being killed, or by a fault that would end
the real one.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from tailorbird.base.problems import OperationalError
from tailorbird.delivery.suppression import changes_of
from tailorbird.events.event import TICK
from tailorbird.ports.event_log import Draft, LogProblem
from tailorbird.ports.log_writer import RETRY, Answer
from tailorbird.ports.state_store import HAND_OVER, SEND
from tailorbird.services.advance import Engine
from tailorbird.services.append import Appender
from tailorbird.services.forward import forward_hand_overs
from tailorbird.services.identity_rules import LiveRules, rules_of_version
from tailorbird.services.ingest import Ingest
from tailorbird.services.publish import Publisher
from tailorbird.services.send import Delivery
from tailorbird.services.ticks import Ticks
from tailorbird.testing.simulation import shop
from tailorbird.testing.simulation.network import Inbox, Request
from tailorbird.testing.simulation.processes import DiskFull, Life
from tailorbird.testing.simulation.storage import ENGINES

if TYPE_CHECKING:
    from tailorbird.testing.simulation.world import World

PAUSE_SECONDS = 0.25
CURSOR_SECONDS = 1.0
FAULT_SECONDS = 1.0
RECORDS_PER_STEP = 200
TOKEN_KEY = b"k" * 32


async def write(world: World, life: Life) -> None:
    """Be the log's writer."""
    disk = world.disk
    control = disk.open_control(life)
    appender = Appender(
        disk.open_log(life),
        disk.open_identity(life),
        disk.open_suppression(life),
        world.clock,
        changes_of,
        LiveRules(control)(),
        lambda version: rules_of_version(control, version),
        disk.open_days(life),
    )
    states = [disk.open_state(life, index) for index in range(ENGINES)]
    ticks = Ticks(is_real=True, seconds=world.seconds)
    inbox = world.inbox = Inbox()
    group: list[Request] = []
    try:
        while True:
            now = world.clock.now()
            due, seconds = ticks.due(states, now)
            try:
                if due:
                    appender.write([], [Draft(one, TICK, 0, b"") for one in due])
                    ticks.note(due, now)
                    world.nudge_engines()
            except LogProblem:
                pass
            if not inbox.waiting:
                # Under load requests gather meanwhile; the real writer looks for ticks beside.
                await asyncio.sleep(min(seconds, 0.02 * (1 + world.rng.random())))
            count = world.rng.randint(1, max(len(inbox.waiting), 1))
            group, inbox.waiting = inbox.waiting[:count], inbox.waiting[count:]
            if group:
                _commit(world, life, appender, group)
                group = []
            elif appender.is_untidy:
                appender.tidy()
    finally:
        inbox.close()
        for one in group:
            one.cut_off()


def _commit(world: World, life: Life, appender: Appender, group: list[Request]) -> None:
    events = [event for one in group for event in one.events]
    drafts = [draft for one in group for draft in one.drafts]
    try:
        of_events, of_drafts = appender.write(events, drafts)
    except LogProblem:
        for one in group:
            one.answer([Answer(RETRY)] * (len(one.events) + len(one.drafts)))
        return
    world.nudge_engines()
    for one in group:
        life.point()  # some have their answer, some not
        answers = of_events[: len(one.events)] + of_drafts[: len(one.drafts)]
        del of_events[: len(one.events)], of_drafts[: len(one.drafts)]
        one.answer(answers)


async def reduce(world: World, life: Life, index: int) -> None:
    """Be an engine."""
    disk = world.disk
    state = disk.open_state(life, index)
    ledger = disk.open_ledger(life)
    state.number_outbox_after(ledger.cursor(index))
    engine = Engine(
        disk.open_log(life),
        state,
        partial(shop.load, disk.open_control(life)),
        index=index,
        engines=ENGINES,
        is_strict=True,
        seconds=world.seconds,
    )
    writer = world.open_writer(life)
    handed, wanted, looked_at = 0, 0, -CURSOR_SECONDS
    news = world.news[f"engine-{index}"]
    while True:
        count = engine.step(world.rng.randint(1, RECORDS_PER_STEP))
        if wanted != (wanted := engine.outbox_rows):
            world.nudge("deliver")
        if count:
            handed = await forward_hand_overs(state, writer, handed)
            engine.forget_outbox(HAND_OVER, handed)
        if world.seconds() - looked_at > CURSOR_SECONDS:
            looked_at = world.seconds()
            engine.forget_outbox(SEND, ledger.cursor(index))
            handed = await forward_hand_overs(state, writer, handed)
            engine.forget_outbox(HAND_OVER, handed)
        if count:
            slow = 0.0 if world.is_calm else world.plan.slow_seconds[life.role]
            await asyncio.sleep((0.002 + slow) * world.rng.random())
        else:
            await news.wait(PAUSE_SECONDS)


async def deliver(world: World, life: Life) -> None:
    """Be the one who hands mails over."""
    disk = world.disk
    control = disk.open_control(life)
    delivery = Delivery(
        states=[disk.open_state(life, index) for index in range(ENGINES)],
        ledger=disk.open_ledger(life),
        suppression=disk.open_suppression(life),
        control=control,
        writer=world.open_writer(life),
        sender=world.mail.connect(life),
        clock=world.clock,
        load_workspace=partial(shop.load, control),
        live_version=lambda: control.get("live_version"),
        token_key=TOKEN_KEY,
    )
    delivery.recover()
    await delivery.look_at_mail_server()
    news = world.news["deliver"]
    while True:
        try:
            done = await delivery.step()
        except DiskFull:
            done = 0
            await asyncio.sleep(FAULT_SECONDS)
        if not done:
            await news.wait(PAUSE_SECONDS)


async def publish(world: World, life: Life) -> None:
    """Keep live what the workspace folder says."""
    published: int | None = None
    control = world.disk.open_control(life)
    while True:
        wanted = world.wanted_version
        if wanted != published:
            try:
                publisher = Publisher(control, world.open_writer(life), check=shop.check)
                await publisher.publish(shop.files_of(wanted))
                published = wanted
            except (OSError, OperationalError):
                pass
        await asyncio.sleep(0.2)


class _NoLetters:
    """The workload sends nothing that is refused."""

    def keep(self, at: int, source: str, items: object) -> None:
        raise AssertionError(f"refused: {items}")


async def serve(world: World, life: Life) -> None:
    """Take requests."""
    ids = iter(range(1 << 60))
    place = world.lives_begun
    world.ingest = Ingest(
        world.open_writer(life),
        world.clock,
        _NoLetters(),
        lambda: f"fresh-{place}-{next(ids)}",
        LiveRules(world.disk.open_control(life)),
    )
    try:
        while True:
            await asyncio.sleep(3_600)
    finally:
        world.ingest = None
