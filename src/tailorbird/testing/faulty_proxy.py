"""A proxy with the faults of a network and of a busy server, to stand before a real one.

Each request meets its fate by a seeded draw: 429 or 503 without reaching the server, a connection
that is cut before the server hears of it or before the client hears of the server, a delay, or
nothing at all.
"""

from __future__ import annotations

import http.client
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FATES = ("pass", "too_many", "unavailable", "cut_before", "cut_after", "delay")
_WEIGHTS = (5, 1, 1, 1, 1, 1)
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


class FaultyProxy:
    """`port` is where it listens; `fates` counts what became of the requests so far."""

    def __init__(self, target: int, seed: int, *, faults_max: int = 12) -> None:
        """After `faults_max` faults all goes well, so that whoever repeats comes to an end."""
        self.fates: Counter[str] = Counter()
        self._rng = random.Random(seed)
        # Each fate once, so that even a few requests meet all of them; then as they come.
        self._first = self._rng.sample(FATES, len(FATES))
        self._target = target
        self._faults_max = faults_max
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def run(self) -> None:
        """Serve until `stop`."""
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def _draw(self) -> str:
        with self._lock:
            faults = sum(count for fate, count in self.fates.items() if fate != "pass")
            if self._first:
                fate = self._first.pop()
            elif faults >= self._faults_max:
                fate = "pass"
            else:
                fate = self._rng.choices(FATES, _WEIGHTS)[0]
            self.fates[fate] += 1
            return fate

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                self._pass_on()

            def do_POST(self) -> None:
                self._pass_on()

            def do_OPTIONS(self) -> None:
                self._pass_on()

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                # What a library needs to start at all, it asks for once only.
                fate = "pass" if self.command == "GET" else proxy._draw()
                if fate == "cut_before":
                    self._cut()
                elif fate in ("too_many", "unavailable"):
                    self._refuse(429 if fate == "too_many" else 503)
                else:
                    if fate == "delay":
                        time.sleep(0.3)
                    answer = proxy._ask(self.command, self.path, dict(self.headers.items()), body)
                    if fate == "cut_after":
                        self._cut()
                    else:
                        self._answer(*answer)

            def _refuse(self, status: int) -> None:
                cors = {
                    "access-control-allow-origin": self.headers.get("origin") or "*",
                    "access-control-expose-headers": "retry-after",
                }
                self._answer(status, {"retry-after": "1", **cors}, b"{}")

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in _HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _cut(self) -> None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        return Handler

    def _ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._target, timeout=30)
        try:
            kept = {k: v for k, v in headers.items() if k.lower() not in _HOP_BY_HOP}
            connection.request(method, path, body or None, kept)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()


@contextmanager
def faulty_proxy(target: int, seed: int) -> Iterator[FaultyProxy]:
    """Run a proxy before the server at a local port."""
    proxy = FaultyProxy(target, seed)
    thread = threading.Thread(target=proxy.run, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()
