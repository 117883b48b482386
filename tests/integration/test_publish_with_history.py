"""A version with a large history goes live under full load, while everything dies by turns."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from tailorbird import bootstrap
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.base.problems import OperationalError
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.bootstrap.filling import preparer
from tailorbird.events.event import EVENT, decode_event
from tailorbird.ports.control_store import LIVE_VERSION
from tailorbird.services.filling_status import CANCEL
from tailorbird.services.publish import Publication, Publisher
from tailorbird.services.replay import differences, replay
from tailorbird.testing.embedded import event_draft
from tailorbird.testing.processes import Host, until

pytestmark = pytest.mark.integration

PEOPLE = 1_500
HISTORY = 70_000  # more than an engine reads itself
BEFORE = {
    "tailorbird.toml": 'name = "Shop"\n',
    "segments/buyers.yaml": "when: count(bought) >= 20\n",
}
AFTER = {
    "tailorbird.toml": 'name = "Shop"\n',
    # One moves its threshold over what is kept already, so everybody is looked at; one is new.
    "segments/buyers.yaml": "when: count(bought) >= 12\n",
    "segments/curious.yaml": "when: count(viewed) >= 30 and sum(viewed.price) > 100\n",
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    with closing(bootstrap.open_control(made.data)) as control:
        control.set("engines", "2")
    made.start("writer")
    publish(made, BEFORE)
    for index in range(2):
        made.start("engine", index)
    yield made
    made.stop()


def publish(host: Host, files: dict[str, str]) -> Publication:
    with closing(bootstrap.open_control(host.data)) as control:
        return host.call(
            lambda writer: Publisher(control, writer, prepare=preparer(host.data)).publish(files)
        )


class Load:
    """Events as fast as the writer takes them; what it took is counted."""

    def __init__(self, host: Host) -> None:
        self._host, self._rng = host, random.Random(5)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.taken = 0

    def send(self, count: int) -> None:
        """Send some events, again until all are in the log."""
        rng = self._rng
        now = int(time.time() * 1_000_000)
        drafts = []
        for _ in range(count):
            name, message_id = rng.choice(("viewed", "viewed", "bought")), f"m{self.taken}"
            # Half of them come often, the others hardly.
            user = f"u{rng.randrange(PEOPLE if rng.random() < 0.1 else PEOPLE // 2)}"
            drafts.append(event_draft(name, message_id, now, user, None, {"price": 5}))
            self.taken += 1
        while True:
            with suppress(OSError, OperationalError):
                answers = self._host.call(lambda writer: writer.write(drafts))
                if not any(one.status == "retry" for one in answers):
                    return
            time.sleep(0.05)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.send(500)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()


def is_settled(host: Host) -> bool:
    with ExitStack() as things:
        log = things.enter_context(closing(bootstrap.open_log(host.data)))
        for index in range(2):
            state = things.enter_context(closing(bootstrap.open_state(host.data, index)))
            if state.sweeps() or log.read(state.offset(), 1, range(index, 64, 2)):
                return False
    return True


def sizes(host: Host) -> Counter[str]:
    found: Counter[str] = Counter()
    for index in range(2):
        with closing(bootstrap.open_state(host.data, index)) as state:
            found.update(state.segment_sizes())
    return found


def filler_of(host: Host) -> int | None:
    found = subprocess.run(
        ["pgrep", "-f", f"tailorbird.worker.filling {host.data}"], capture_output=True, check=False
    )
    return int(found.stdout.split()[0]) if found.stdout.strip() else None


def kill_filler(host: Host) -> None:
    """Kill the folding once it has kept something."""

    def has_begun() -> bool:
        return any((host.data / "fillings").glob("work-*.db"))

    until(has_begun, 60)
    time.sleep(0.05)
    pid = filler_of(host)
    if pid is not None:
        with suppress(ProcessLookupError):
            subprocess.run(["kill", "-9", str(pid)], check=False)


def test_nothing_is_missed_or_counted_twice(host: Host) -> None:
    load = Load(host)
    while load.taken < HISTORY:
        load.send(2_000)
    until(lambda: is_settled(host), 120)
    before = sizes(host)
    assert before["curious"] == 0
    with load:
        killer = threading.Thread(target=kill_filler, args=(host,))
        killer.start()
        with suppress(OperationalError):  # it was killed, if it had not come to its end
            publish(host, AFTER)
        killer.join()
        done = publish(host, AFTER)
        assert not done.is_broken
        for _ in range(3):
            engine = host.processes[-2]
            time.sleep(0.3)
            engine.send_signal(signal.SIGKILL)
            engine.wait()
            host.processes.remove(engine)
            index = int(str(engine.args[-1]))  # type: ignore[index]
            host.start("engine", index)
        writer = host.processes[0]
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        host.processes.remove(writer)
        host.start("writer")
        host.processes.insert(0, host.processes.pop())
    until(lambda: is_settled(host), 120)
    with ExitStack() as things:
        log = things.enter_context(closing(bootstrap.open_log(host.data)))
        control = things.enter_context(closing(bootstrap.open_control(host.data)))
        states = [
            things.enter_context(closing(bootstrap.open_state(host.data, n))) for n in range(2)
        ]
        # By hand, from the log alone.
        views: Counter[str | None] = Counter()
        orders: Counter[str | None] = Counter()
        after = 0
        while records := log.read(after, 10_000):
            for record in records:
                if record.kind == EVENT:
                    event = decode_event(record)
                    (views if event.name == "viewed" else orders)[event.user_id] += 1
            after = records[-1].offset
        assert views.total() + orders.total() == load.taken
        assert sizes(host) == {
            "buyers": sum(count >= 12 for count in orders.values()),
            "curious": sum(count >= 30 for count in views.values()),
        }
        assert 0 < sizes(host)["curious"] < PEOPLE
        # And the states, byte for byte, as if nothing had ever died.
        again = [MemoryStateStore(), MemoryStateStore()]
        replay(log, again, workspace_loader(control))
        assert list(differences(states, again)) == []


def test_what_is_being_folded_can_be_cancelled(host: Host) -> None:
    load = Load(host)
    while load.taken < HISTORY:
        load.send(5_000)
    with closing(bootstrap.open_control(host.data)) as control:
        live = control.get(LIVE_VERSION)

        async def run() -> None:
            writer = bootstrap.open_writer_client(host.data)
            publisher = Publisher(control, writer, prepare=preparer(host.data))
            work = asyncio.create_task(publisher.publish(AFTER))
            try:
                while filler_of(host) is None:
                    await asyncio.sleep(0.01)
                wanted = control.versions()[-1][0]
                assert wanted != live
                control.set(CANCEL, wanted)
                with pytest.raises(OperationalError, match="was cancelled; what was live stays"):
                    await work
            finally:
                await writer.close()

        asyncio.run(run())
        assert control.get(LIVE_VERSION) == live
        assert list((host.data / "fillings").glob("*.db")) == []
        # Whoever wants it after all gets it.
        assert publish(host, AFTER).is_new
        assert len(list((host.data / "fillings").glob("*.db"))) == 1
