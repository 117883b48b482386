"""A server for benchmarks: real processes on a free port, and the CPU seconds that they burn."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tailorbird.adapters.files import create_workspace, ensure_keys

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Serving:
    """A running server."""

    port: int
    write_key: str
    admin_key: str
    process: subprocess.Popen[bytes]

    def headers(self, *, is_admin: bool = False) -> dict[str, str]:
        """Return the headers of a request."""
        if is_admin:
            return {"Authorization": f"Bearer {self.admin_key}"}
        key = b64encode(f"{self.write_key}:".encode()).decode()
        return {"Authorization": f"Basic {key}", "Content-Type": "application/json"}

    def connect(self) -> http.client.HTTPConnection:
        """Return a kept-alive connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.connect()
        assert connection.sock is not None
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def processes(self) -> dict[int, str]:
        """Return the process ids of the supervisor and of its roles, with their names."""
        found = {self.process.pid: "supervisor"}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            role = next((w for w in words if w.startswith(b"tailorbird.worker.")), None)
            if role is not None and parent == self.process.pid:
                found[int(entry.name)] = role.decode().rsplit(".", 1)[1]
        return found

    @staticmethod
    def cpu_seconds_of(number: int) -> float:
        """Return the CPU seconds of one process so far."""
        fields = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU seconds of each role so far."""
        found: dict[str, float] = {}
        for number, role in self.processes().items():
            if number != self.process.pid:
                found[role] = found.get(role, 0.0) + self.cpu_seconds_of(number)
        return found


@contextmanager
def serving(definitions: Path | None = None) -> Iterator[Serving]:
    """Run a server with the workspace that `tailorbird init` makes.

    The folders in `definitions` take the place of its own.
    """
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        workspace = Path(folder) / "shop"
        create_workspace(workspace)
        for part in definitions.iterdir() if definitions else ():
            if part.is_dir():
                shutil.rmtree(workspace / part.name, ignore_errors=True)
                shutil.copytree(part, workspace / part.name)
        (workspace / "segments" / "busy.yaml").write_text("when: count(benchmarked) >= 1\n")
        keys = ensure_keys(workspace)
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        probe.close()
        words = [sys.executable, "-m", "tailorbird", "serve", "--workspace", str(workspace)]
        words += ["--data", str(Path(folder) / "data"), "--port", str(port), "--log-level", "error"]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(words, stdout=quiet, stderr=quiet, start_new_session=True)
        try:
            server = Serving(port, keys.write_key, keys.admin_key, process)
            _await_ready(server)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


@contextmanager
def serving_bare() -> Iterator[Serving]:
    """Run the bare handler of `benchmarks.bare`; its one process counts as web."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    quiet = subprocess.DEVNULL
    words = [sys.executable, "-m", "benchmarks.bare", str(port)]
    process = subprocess.Popen(words, stdout=quiet, stderr=quiet)
    try:
        server = Serving(port, "", "", process)
        _await_ready(server)
        yield server
    finally:
        process.kill()
        process.wait(timeout=60)


def _await_ready(server: Serving) -> None:
    for _ in range(600):
        try:
            connection = server.connect()
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit("the benchmark's server does not start")
