"""A state that lost its last commits, behind a log and a ledger that kept theirs: a power loss.

The engine does again what it had done. What had left must not leave again, and what had not been
taken over yet must leave once, though the outbox gives its numbers a second time.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tailorbird import bootstrap
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.base.time import DAY, MICROSECONDS, parse_micros
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.ports.log_writer import ACCEPTED
from tailorbird.services.publish import Publisher
from tailorbird.services.replay import differences, replay
from tailorbird.testing.embedded import event_draft
from tailorbird.testing.processes import Host, MailCatcher, until

pytestmark = pytest.mark.integration

NOON = parse_micros("2026-01-05T12:00:00Z")
ENGINES = 2
PEOPLE = 20
FILES = {
    "tailorbird.toml": 'name = "Shop"\n[sender]\naddress = "shop@shop.example"\n',
    "templates/hello.html": "---\nsubject: Hello\n---\n<p>Hello {{ traits.first_name }}</p>\n",
    "journeys/receipt.yaml": (
        "enter: {event: order_completed}\n"
        "key: event.properties.order_id\n"
        "steps:\n"
        "  - {id: now, send: hello, kind: transactional}\n"
        "  - {id: pause, wait: 20h}\n"
        "  - {id: later, send: hello, kind: transactional}\n"
    ),
}


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[MailCatcher]:
    made = MailCatcher(tmp_path / "mails")
    yield made
    made.stop()


@pytest.fixture
def host(tmp_path: Path, catcher: MailCatcher) -> Iterator[Host]:
    made = Host(tmp_path, clock="simulated", engines=ENGINES, smtp_url=catcher.url)
    yield made
    made.stop()


def start(host: Host, *, with_deliver: bool = True) -> None:
    host.start("writer")
    for index in range(ENGINES):
        host.start("engine", index)
    until(lambda: all((host.data / "state" / f"{one}.db").exists() for one in range(ENGINES)))
    if with_deliver:
        host.start("deliver")
        until(lambda: (host.data / "ledger.db").exists())


def orders(host: Host, day: int) -> None:
    """One order of everybody, at noon of a day."""
    now = NOON + day * DAY
    host.call(lambda writer: writer.set_now(now))
    drafts = [
        event_draft(
            "order_completed",
            f"m{day}-{person}",
            now,
            f"u{person}",
            None,
            {"order_id": f"{day}-{person}"},
        )
        for person in range(PEOPLE)
    ]
    answers = host.call(lambda writer: writer.write(drafts))
    assert {one.status for one in answers} == {ACCEPTED}
    # Records are stamped a little apart: beyond them all, so that what they want is due.
    host.call(lambda writer: writer.set_now(now + MICROSECONDS))


def drain(host: Host, *, with_deliver: bool = True) -> None:
    """Wait until the engines have reduced all, and deliver has sent and reported all."""
    with ExitStack() as stack:
        states = bootstrap.open_states(host.data, ENGINES)
        log = bootstrap.open_log(host.data)
        for one in (*states, log):
            stack.enter_context(closing(one))
        now = bootstrap.open_clock(host.data, "simulated").now()

        def is_reduced() -> bool:
            return not any(
                store.due_partitions(now) or log.read(store.offset(), 1, range(index, 64, ENGINES))
                for index, store in enumerate(states)
            )

        until(is_reduced)
        if not with_deliver:
            return
        ledger = stack.enter_context(closing(bootstrap.open_ledger(host.data)))

        def is_sent() -> bool:
            is_taken = all(
                not store.outbox(ledger.cursor(index), 1) for index, store in enumerate(states)
            )
            return is_taken and not ledger.unfinished(now) and is_reduced()

        until(is_sent)


def publish(host: Host) -> None:
    with closing(bootstrap.open_control(host.data)) as control:
        host.call(lambda writer: writer.set_now(NOON - DAY))
        host.call(lambda writer: Publisher(control, writer).publish(FILES))
    people = [
        event_draft(
            "identified",
            f"i{one}",
            NOON - DAY,
            f"u{one}",
            None,
            {"email": f"u{one}@shop.example", "first_name": f"Ada {one}"},
        )
        for one in range(PEOPLE)
    ]
    host.call(lambda writer: writer.write(people))


def fall_back(host: Host, index: int, earlier: Path) -> None:
    """Put an earlier copy of an engine's state in the place of its own."""
    path = host.data / "state" / f"{index}.db"
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.copy(earlier / path.name, path)


@pytest.mark.parametrize("taken", [True, False], ids=["taken over", "still in the outbox"])
def test_nothing_is_lost_and_nothing_is_doubled(
    host: Host, catcher: MailCatcher, tmp_path: Path, *, taken: bool
) -> None:
    start(host)
    publish(host)
    orders(host, 0)
    drain(host)
    for index in range(ENGINES):
        bootstrap.copy_state(host.data, index, tmp_path / "earlier").close()
    orders(host, 1)
    drain(host)
    if not taken:
        # Deliver is down while the engines go on: their last mails are in their outboxes alone.
        host.stop_roles()
        start(host, with_deliver=False)
        orders(host, 2)
        drain(host, with_deliver=False)
    host.stop_roles()
    before = catcher.counts()
    for index in range(ENGINES):
        fall_back(host, index, tmp_path / "earlier")
    start(host)
    drain(host)
    days = 4 if taken else 5
    for day in (days - 2, days - 1):
        orders(host, day)
        drain(host)
    host.stop_roles()

    # The second mail of the last day is not due yet.
    expected = PEOPLE * (2 * days - 1)
    found = catcher.counts()
    assert (len(found), set(found.values())) == (expected, {1})
    assert before.keys() < found.keys()
    with closing(bootstrap.open_ledger(host.data)) as ledger:
        assert ledger.counts() == {"sent": expected}
    assert_as_if_nothing_had_happened(host)


def assert_as_if_nothing_had_happened(host: Host) -> None:
    """The states are those that the log gives to whoever reads it once."""
    with ExitStack() as stack:
        control = stack.enter_context(closing(bootstrap.open_control(host.data)))
        log = stack.enter_context(closing(bootstrap.open_log(host.data)))
        states = bootstrap.open_states(host.data, ENGINES)
        for one in states:
            stack.enter_context(closing(one))
        fresh = [MemoryStateStore() for _ in states]
        replay(log, fresh, workspace_loader(control))
        assert list(differences(states, fresh)) == []
    assert [one for one in host.lines() if one["level"] == "error"] == []
