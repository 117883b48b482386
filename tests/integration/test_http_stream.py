"""The web process with streams open: they follow along, and a stop does not wait for them."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tailorbird.adapters.files import create_workspace, ensure_keys
from tailorbird.testing.processes import free_port, until

pytestmark = pytest.mark.integration


def test_a_stop_ends_open_streams_at_once(tmp_path: Path) -> None:
    create_workspace(tmp_path / "shop")
    admin_key = ensure_keys(tmp_path / "shop").admin_key
    port = free_port()
    command = [sys.executable, "-m", "tailorbird", "serve", "--workspace", str(tmp_path / "shop")]
    command += ["--data", str(tmp_path / "data"), "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: is_ready(port))
        stream = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        stream.request("GET", "/v1/live", headers={"Authorization": f"Bearer {admin_key}"})
        answer = stream.getresponse()
        lines = [answer.readline() for _ in range(3)]
        assert json.loads(lines[0].removeprefix(b"data: "))["people"] == 0
        assert lines[2].startswith(b"data: ")
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert time.monotonic() - begun < 8
        answer.close()
        stream.close()
    finally:
        if process.poll() is None:
            process.kill()


def is_ready(port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
    except OSError:
        return False
