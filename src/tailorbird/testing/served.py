"""A whole server as its users run it, for tests that look at what came into its log."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tailorbird.adapters.files import create_workspace, ensure_keys
from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.events.event import EVENT, Event, decode_event
from tailorbird.testing.processes import free_port, until

STARTED_SECONDS_MAX = 60.0
STOPPED_SECONDS_MAX = 40.0


@dataclass
class Shop:
    """A running server."""

    port: int
    write_key: str
    data: Path
    admin_key: str = ""

    def events(self) -> list[Event]:
        """Return all events in the log, in its order."""
        log, found, after = SqliteEventLog(self.data / "log"), list[Event](), 0
        while records := log.read(after, 10_000):
            after = records[-1].offset
            found += [decode_event(one) for one in records if one.kind == EVENT]
        log.close()
        return found


@contextmanager
def serve(folder: Path) -> Iterator[Shop]:
    """Run `tailorbird serve` with the workspace that `init` makes, without its schema."""
    workspace, data, port = folder / "shop", folder / "data", free_port()
    create_workspace(workspace)
    (workspace / "schema.yaml").unlink()
    keys = ensure_keys(workspace)
    words = [sys.executable, "-m", "tailorbird", "serve", "--workspace", str(workspace)]
    words += ["--data", str(data), "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    try:
        until(lambda: process.poll() is not None or _is_healthy(port), STARTED_SECONDS_MAX)
        assert process.poll() is None, (folder / "server.log").read_text()
        yield Shop(port, keys.write_key, data, keys.admin_key)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=STOPPED_SECONDS_MAX)


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
