"""`tailorbird serve` under load: roles killed, disks full and slow, clocks back, old states.

What is judged is always the same: no acknowledged event lost or doubled, one mail for each order
outside recorded unknowns, and states that a replay of the log gives again byte by byte.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from tailorbird import bootstrap
from tailorbird.adapters.files import ensure_keys
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.adapters.smtp.sender import CONNECTIONS_MAX
from tailorbird.base.time import MICROSECONDS
from tailorbird.bootstrap.definitions import workspace_loader
from tailorbird.events.event import EVENT, decode_event
from tailorbird.services.replay import differences, replay
from tailorbird.testing.processes import MailCatcher, free_port, until

pytestmark = pytest.mark.integration

KILLS = round(10 * float(os.environ.get("TAILORBIRD_EFFORT", "1")))
SEED = int(os.environ.get("TAILORBIRD_SEED", "1"))
ENGINES = 2
ROLES = ("writer", "engine-0", "engine-1", "deliver", "web")
FILES = {
    "tailorbird.toml": 'name = "Shop"\n[sender]\naddress = "shop@shop.example"\n',
    "templates/hello.html": "---\nsubject: Hello\n---\n<p>Hello {{ traits.first_name }}</p>\n",
    "segments/buyers.yaml": "when: count(order_completed) >= 1\n",
    "segments/keen.yaml": "when: count(product_viewed within 1h) >= 2\n",
    "journeys/receipt.yaml": (
        "enter: {event: order_completed}\nkey: event.properties.order_id\n"
        "steps:\n  - {id: now, send: hello, kind: transactional}\n"
    ),
}


class Load:
    """Clients that send batches, each again and again until it is acknowledged."""

    def __init__(self, port: int, write_key: str, *, clients: int = 3) -> None:
        self._port = port
        self._head = {"authorization": "Basic " + b64encode(f"{write_key}:".encode()).decode()}
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: set[str] = set()
        self.orders: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self._threads = [
            threading.Thread(target=self._run, args=(client,), daemon=True)
            for client in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Begin nothing new; wait until all that was begun is acknowledged."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout=60)
            assert not thread.is_alive(), f"a batch is not taken; answers: {self.statuses}"

    def _run(self, client: int) -> None:
        number = 0
        while not self._stopped.is_set():
            number += 1
            batch = _batch(f"{client}-{number}")
            body = json.dumps({"batch": batch}).encode()
            while not self._send(body):
                time.sleep(0.05)
            with self._lock:
                self.acknowledged.update(one["messageId"] for one in batch)
                self.orders.add(f"o{client}-{number}")
            time.sleep(0.04)

    def _send(self, body: bytes) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=15)
        try:
            connection.request("POST", "/v1/batch", body, self._head)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        self.statuses[response.status] += 1
        assert response.status in (200, 503), response.status
        return response.status == 200


def _batch(name: str) -> list[dict[str, object]]:
    """Return somebody's visit: an anonymous view, a login, an order."""
    user, visitor = {"userId": f"u{name}"}, {"anonymousId": f"a{name}"}
    traits = {"email": f"u{name}@shop.example", "first_name": "Ada"}
    order = {"order_id": f"o{name}"}
    return [
        {"type": "track", "event": "Product Viewed", "messageId": f"v{name}", **visitor},
        {"type": "track", "event": "Product Viewed", "messageId": f"w{name}", **user},
        {"type": "identify", "traits": traits, "messageId": f"i{name}", **user, **visitor},
        {
            "type": "track",
            "event": "Order Completed",
            "properties": order,
            "messageId": f"o{name}",
            **user,
        },
    ]


class Shop:
    """`tailorbird serve` in a folder, with a mail server."""

    def __init__(self, folder: Path, data: Path, *, before: tuple[str, ...] = ()) -> None:
        self.folder, self.data, self.port = folder, data, free_port()
        self.environment = dict(os.environ)
        self._before = before
        self.workspace = folder / "shop"
        for name, text in FILES.items():
            path = self.workspace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.keys = ensure_keys(self.workspace)
        self.catcher = MailCatcher(folder / "mails")
        self.log = (folder / "serve.log").open("ab")
        self.deliver_kills = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        words = [*self._before, sys.executable, "-m", "tailorbird", "serve"]
        words += ["--workspace", str(self.workspace), "--data", str(self.data)]
        words += ["--port", str(self.port), "--engines", str(ENGINES)]
        words += ["--smtp-url", self.catcher.url]
        self.process = subprocess.Popen(
            words, stdout=self.log, stderr=self.log, env=self.environment
        )
        self.await_health()

    def await_health(self, seconds: float = 60) -> None:
        """Wait until all roles are there."""
        until(self._is_healthy, seconds)

    def pids(self) -> dict[str, int]:
        """Return the processes of the roles, by what the supervisor said last."""
        found: dict[str, int] = {}
        for line in (self.folder / "serve.log").read_text().splitlines():
            if '"role_started"' in line:
                said = json.loads(line)
                role = said["role"]
                found[f"engine-{said['index']}" if role == "engine" else role] = said["pid"]
        return found

    def kill(self, role: str) -> None:
        """Kill a role and wait until another one has taken its place."""
        pid = self.pids()[role]
        self.deliver_kills += role == "deliver"
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.pids()[role] != pid, 40)

    def kill_all(self) -> None:
        """Kill all processes at once, as a power loss does."""
        assert self.process is not None
        self.deliver_kills += 1
        # Under strace the supervisor is its child, and would live on.
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        inner = [int(one) for one in children.read_text().split()] if self._before else []
        for pid in (self.process.pid, *inner):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        pids = self.pids().values()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not any(_is_alive(pid) for pid in pids))

    def stop(self) -> None:
        """End it in peace."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(timeout=60) == 0

    def close(self) -> None:
        """End everything."""
        if self.process is not None and self.process.poll() is None:
            self.kill_all()
        self.catcher.stop()
        self.log.close()

    def drain(self, seconds: float = 90) -> None:
        """Wait until nothing is left to be done."""
        until(self._is_drained, seconds)

    def judge(self, load: Load) -> None:
        """Look at what has become of all that was acknowledged."""
        found = self.catcher.counts()
        with ExitStack() as stack:
            log = stack.enter_context(closing(bootstrap.open_log(self.data)))
            ledger = stack.enter_context(closing(bootstrap.open_ledger(self.data)))
            control = stack.enter_context(closing(bootstrap.open_control(self.data)))
            states = bootstrap.open_states(self.data, ENGINES)
            for one in states:
                stack.enter_context(closing(one))
            events = [decode_event(one) for one in log.read(0, 1 << 30) if one.kind == EVENT]
            times = Counter(one.message_id for one in events)
            assert load.acknowledged - times.keys() == set(), "acknowledged and lost"
            assert [name for name, count in times.items() if count > 1] == []
            messages = ledger.messages(limit=1 << 30)
            unknown = {one.effect_id for one in messages if one.status == "unknown"}
            sent = {one.effect_id for one in messages if one.status == "sent"}
            assert len(messages) == len(load.orders) == len(sent) + len(unknown)
            assert sent - found.keys() == set(), "missed"
            assert found.keys() - sent <= unknown
            assert [name for name, count in found.items() if count > 1] == [], "twice"
            assert len(unknown) <= self.deliver_kills * CONNECTIONS_MAX
            fresh = [MemoryStateStore() for _ in states]
            replay(log, fresh, workspace_loader(control))
            assert list(differences(states, fresh)) == []
            assert sum(one.poison_count() for one in states) == 0

    def _is_healthy(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "serve.log").read_text()[-3_000:]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _is_drained(self) -> bool:
        head = {"authorization": f"Bearer {self.keys.admin_key}"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/v1/drained?seconds=10", headers=head)
            return connection.getresponse().read() == b'{"drained":true}'
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def make_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    made: list[Shop] = []

    def make(data: Path | None = None, before: tuple[str, ...] = ()) -> Shop:
        made.append(Shop(tmp_path, data or tmp_path / "data", before=before))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.timeout(3_000)
def test_kills_of_every_role_lose_nothing_and_double_nothing(
    make_shop: Callable[..., Shop],
) -> None:
    rng = random.Random(SEED)
    shop = make_shop()
    shop.start()
    load = Load(shop.port, shop.keys.write_key)
    for number in range(KILLS):
        time.sleep(rng.uniform(0.2, 1.2))
        if number % 10 == 9:
            # The whole server, which also lets the pauses before restarts begin anew.
            shop.kill_all()
            shop.start()
        else:
            shop.kill(ROLES[number % 5] if number < 5 else rng.choice(ROLES))
    load.finish()
    shop.drain()
    shop.stop()
    assert len(load.orders) > 20 * KILLS / 10
    shop.judge(load)


def test_a_full_disk_answers_503_and_acknowledges_nothing(
    make_shop: Callable[..., Shop], tmp_path: Path
) -> None:
    # Large enough to collect at all: under 100 MB nothing is taken.
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(disk)], capture_output=True
    )
    if mounting.returncode:
        pytest.skip(f"a small disk needs root: {mounting.stderr.decode().strip()}")
    try:
        shop = make_shop(disk / "data")
        shop.start()
        load = Load(shop.port, shop.keys.write_key)
        until(lambda: len(load.orders) > 20)
        with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
            while ballast.write(b"x" * 65_536):
                pass
        until(lambda: load.statuses[503] > 20, 60)
        taken = len(load.acknowledged)
        time.sleep(1)
        assert len(load.acknowledged) == taken
        with closing(bootstrap.open_log(shop.data)) as log:
            stored = {
                decode_event(one).message_id for one in log.read(0, 1 << 30) if one.kind == EVENT
            }
        assert load.acknowledged <= stored
        (disk / "ballast").unlink()
        until(lambda: len(load.acknowledged) > taken + 40, 90)
        load.finish()
        shop.await_health()
        shop.drain()
        shop.stop()
        shop.judge(load)
        shop.close()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_slow_disk_only_makes_it_slow(make_shop: Callable[..., Shop]) -> None:
    strace = shutil.which("strace")
    words = ("-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync")
    words += ("-e", "inject=fsync,fdatasync:delay_enter=40000")
    if strace is None or subprocess.run([strace, *words, "true"], capture_output=True).returncode:
        pytest.skip("a slow disk is made by strace, which is not here or may not trace")
    shop = make_shop(before=(strace, *words))
    shop.start()
    load = Load(shop.port, shop.keys.write_key)
    until(lambda: len(load.orders) > 30, 60)
    shop.kill("deliver")
    until(lambda: len(load.orders) > 60, 60)
    load.finish()
    shop.drain()
    assert shop.process is not None
    shop.kill_all()
    shop.judge(load)


def test_a_clock_that_goes_back(make_shop: Callable[..., Shop], tmp_path: Path) -> None:
    shift = tmp_path / "shift"
    shift.write_text("0")
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(
        "import time\n"
        "real = time.time_ns\n"
        f"path = {str(shift)!r}\n"
        "time.time_ns = lambda: real() + int(open(path).read() or 0) * 10**9\n"
    )
    shop = make_shop()
    known = shop.environment.get("PYTHONPATH", "")
    shop.environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "clock"), known])
    shop.start()
    load = Load(shop.port, shop.keys.write_key)

    def set_clock(seconds: int) -> None:
        shift.with_suffix(".new").write_text(str(seconds))
        shift.with_suffix(".new").replace(shift)

    for seconds in (-20, 40, -3_600):
        set_clock(seconds)
        mails, count = shop.catcher.counts().total(), len(load.orders)
        until(lambda count=count: len(load.orders) > count + 30)
        until(lambda mails=mails: shop.catcher.counts().total() > mails + 30)
        shop.kill("writer" if seconds < -100 else "engine-0")
    load.finish()
    # What was put off for a second waits by the clock that put it off.
    set_clock(60)
    shop.drain()
    shop.stop()
    shop.judge(load)
    with closing(bootstrap.open_log(shop.data)) as log:
        stamps = [one.now for one in log.read(0, 1 << 30)]
    assert stamps == sorted(set(stamps))
    # The log went on from the time that had been, and mail did not wait for the clock.
    assert stamps[-1] - stamps[0] < 300 * MICROSECONDS


def test_states_of_yesterday_behind_todays_log_and_ledger(
    make_shop: Callable[..., Shop], tmp_path: Path
) -> None:
    rng = random.Random(SEED)
    shop = make_shop()
    shop.start()
    load = Load(shop.port, shop.keys.write_key)
    for number in range(2):
        until(lambda number=number: len(load.orders) > 40 * (number + 1))
        earlier = tmp_path / f"earlier-{number}"
        for index in range(ENGINES):
            bootstrap.copy_state(shop.data, index, earlier).close()
        time.sleep(rng.uniform(0.5, 1.5))
        shop.kill_all()
        for index in range(ENGINES):
            path = shop.data / "state" / f"{index}.db"
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            shutil.copy(earlier / path.name, path)
        shop.start()
    load.finish()
    shop.drain()
    shop.stop()
    shop.judge(load)
