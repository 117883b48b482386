"""A whole server with sources: the role comes and goes, a WebSocket and a webhook over the wire."""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tailorbird import bootstrap
from tailorbird.adapters.files import create_workspace, ensure_keys
from tailorbird.events.event import decode_event
from tailorbird.testing.processes import free_port, until

pytestmark = pytest.mark.integration

HOOK = "kind: webhook\nsecret: ${HOOK_SECRET}\n"


class Serving:
    def __init__(self, folder: Path) -> None:
        self.workspace, self.data, self.port = folder / "shop", folder / "data", free_port()
        create_workspace(self.workspace)
        (self.workspace / "sources").mkdir(exist_ok=True)
        (self.workspace / "sources" / "shop.yaml").write_text(HOOK)
        self.write_key = ensure_keys(self.workspace).write_key
        words = ["--workspace", str(self.workspace), "--data", str(self.data)]
        self.log = (folder / "serve.log").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tailorbird", "serve", *words, "--port", str(self.port)],
            env={**os.environ, "HOOK_SECRET": "s3cret"},
            stdout=subprocess.DEVNULL,
            stderr=self.log,
        )
        until(lambda: self.health().get("status") in ("ok", "degraded"), 60)

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with closing(connection):
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            return json.loads(connection.getresponse().read())

    def health(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self.request("GET", "/health")
        except OSError:
            return {}
        return found

    def children(self) -> list[str]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        words = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in path.read_text().split()]
        return [one.split(b"\0")[2].decode() for one in words if one]

    def events(self) -> list[str]:
        with closing(bootstrap.open_log(self.data)) as log:
            records = [one for one in log.read(0, 10**5) if one.kind == "event"]
        return [decode_event(one).message_id for one in records]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)
        self.log.close()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    made = Serving(tmp_path)
    yield made
    made.stop()


class WebSocket:
    """Enough of RFC 6455 to speak with our own server."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        key = base64.b64encode(b"k" * 16).decode()
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        self._socket.sendall(head.encode())
        self._stream = self._socket.makefile("rb")
        assert b" 101 " in self._stream.readline()
        while self._stream.readline().strip():
            pass

    def ask(self, message: Any) -> Any:
        data = json.dumps(message).encode()
        size = (
            bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        )
        self._socket.sendall(b"\x81" + size + bytes(4) + data)
        opcode, answer = self.frame()
        assert opcode == 1
        return json.loads(answer)

    def frame(self) -> tuple[int, bytes]:
        first, length = self._stream.read(2)
        if length == 126:
            (length,) = struct.unpack(">H", self._stream.read(2))
        return first & 15, self._stream.read(length)

    def close(self) -> None:
        self._stream.close()
        self._socket.close()


def test_webhooks_and_websockets_over_the_wire(serving: Serving) -> None:
    assert not any("sources" in one for one in serving.children()), "no queue, no process"
    call = {"type": "track", "userId": "u", "event": "e", "messageId": "by hook"}
    body = json.dumps(call).encode()
    signature = hmac.digest(b"s3cret", body, sha256).hex()
    hooked = serving.request("POST", "/v1/hooks/shop", body, x_signature=signature)
    assert hooked["accepted"] == 1
    assert serving.request("POST", "/v1/hooks/shop", body)["error"]["rule"] == "unauthorised"
    talk = WebSocket(serving.port, f"/v1/stream?write_key={serving.write_key}")
    assert talk.ask({**call, "messageId": "by socket"})["message_id"] == "by socket"
    assert serving.events() == ["by hook", "by socket"]
    serving.process.send_signal(signal.SIGTERM)
    opcode, reason = talk.frame()
    assert (opcode, struct.unpack(">H", reason[:2])) == (8, (1001,))
    talk.close()


def test_the_role_runs_while_there_are_queues_and_tells_what_it_waits_for(
    serving: Serving,
) -> None:
    path = serving.workspace / "sources" / "orders.yaml"
    nobody = free_port()

    def told(is_so: Callable[[dict[str, Any]], bool]) -> None:
        until(lambda: is_so(serving.health().get("sources", {}).get("orders", {})), 30)

    path.write_text(f"kind: nats\nurl: nats://127.0.0.1:{nobody}\nstream: events\n")
    told(lambda one: one.get("state") == "waiting" and "nats" in one.get("reason", ""))
    assert serving.health()["status"] == "degraded"
    assert [one for one in serving.children() if "sources" in one] == ["tailorbird.worker.sources"]
    path.write_text("kind: redis\nurl: redis://:${NOT_SET_ANYWHERE}@h\nstream: events\n")
    told(lambda one: "NOT_SET_ANYWHERE is not set" in one.get("reason", ""))
    path.unlink()
    until(lambda: not any("sources" in one for one in serving.children()), 30)
    until(lambda: serving.health()["sources"] == {}, 30)
