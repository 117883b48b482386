"""The demo's HTTP client: one kept-alive connection, keys in the headers."""

from __future__ import annotations

import http.client
import json
import time
from base64 import b64encode
from typing import Any

from tailorbird.base.problems import TailorbirdError

_SECONDS_MAX = 60.0


class ServerProblem(TailorbirdError):
    """The demo's own server does not do as it should."""


class Client:
    """Talks to the server that the demo started."""

    def __init__(self, port: int, write_key: str, admin_key: str) -> None:
        self._port = port
        self._write = "Basic " + b64encode(f"{write_key}:".encode()).decode()
        self._admin = f"Bearer {admin_key}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def await_ready(self) -> None:
        """Wait until /health says that everything is ready."""
        until = time.monotonic() + _SECONDS_MAX
        while True:
            try:
                status, _ = self._request("GET", "/health", None, "")
                if status == 200:
                    return
            except (OSError, http.client.HTTPException):
                self._connection.close()
            if time.monotonic() > until:
                raise ServerProblem("the server did not become ready; its log tells why")
            time.sleep(0.05)

    def send(self, messages: list[dict[str, Any]]) -> None:
        """Send a batch; a refusal of anything is a fault of the demo."""
        body = json.dumps({"batch": messages}, separators=(",", ":")).encode()
        for _ in range(50):
            status, answer = self._request("POST", "/v1/batch", body, self._write)
            if status == 200:
                return
            if status != 503:
                raise ServerProblem(f"the server refused a batch ({status}): {answer}"[:500])
            time.sleep(0.1)
        raise ServerProblem("the server could not store a batch")

    def move_clock(self, now: str) -> None:
        """Move the simulated clock."""
        body = json.dumps({"now": now}).encode()
        status, answer = self._request("POST", "/v1/clock", body, self._admin)
        if status != 200:
            raise ServerProblem(f"the clock could not be moved ({status}): {answer}"[:500])

    def await_drained(self) -> dict[str, Any]:
        """Wait until nothing is left to do at the present instant; return the status."""
        until = time.monotonic() + _SECONDS_MAX
        while not self.get("/v1/drained?seconds=10")["drained"]:
            if time.monotonic() > until:
                raise ServerProblem(
                    f"the server does not come to rest: {self.get('/v1/status')}"[:800]
                )
        found: dict[str, Any] = self.get("/v1/status")
        return found

    def get(self, path: str) -> Any:
        """Return a JSON answer of the control API."""
        code, answer = self._request("GET", path, None, self._admin)
        if code != 200:
            raise ServerProblem(f"GET {path} gave {code}: {answer}"[:500])
        return answer

    def _request(self, method: str, path: str, body: bytes | None, key: str) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = key
        self._connection.request(method, path, body=body, headers=headers)
        response = self._connection.getresponse()
        data = response.read()
        return response.status, json.loads(data) if data else None
