"""A plan applied to a running server, where saving a file alone changes nothing."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tailorbird.testing.processes import until
from tailorbird.testing.served import Shop, serve

pytestmark = pytest.mark.integration

PEOPLE = 20


def asked(*words: object, code: int = 0) -> Any:
    command = [sys.executable, "-m", "tailorbird", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def order(server: Shop, person: int, times: int) -> None:
    key = b64encode(f"{server.write_key}:".encode()).decode()
    batch = [
        {"type": "track", "event": "Order Completed", "userId": f"u{person}", "messageId": f"{n}"}
        for n in range(times)
    ]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/batch", json.dumps({"batch": batch}), headers)
    assert connection.getresponse().status == 200
    connection.close()


def sizes(data: Path) -> dict[str, int]:
    return {one["name"]: one["size"] for one in asked("segment", "list", "--data", data)}


def test_saving_waits_for_apply_and_applying_keeps_its_promise(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        shop, data = tmp_path / "shop", server.data
        settings = shop / "tailorbird.toml"
        settings.write_text("publish_on_save = false\n" + settings.read_text())
        regulars = shop / "segments" / "regulars.yaml"
        regulars.write_text("when: count(order_completed) >= 2\n")
        for person in range(PEOPLE):
            order(server, person, person + 1)
        until(lambda: len(server.events()) == PEOPLE * (PEOPLE + 1) // 2, 20)
        time.sleep(2)  # long enough for a save to have gone live
        assert "regulars" not in sizes(data)

        plan = asked("plan", "--workspace", shop, "--data", data)
        assert plan["segments"]["regulars"]["entering"] == PEOPLE - 1
        done = asked("apply", plan["plan"], "--data", data)
        assert done["segments"]["regulars"] == {"promised": PEOPLE - 1, "now": PEOPLE - 1}

        regulars.write_text("when: count(order_completed) >= 11\n")
        assert asked("apply", "--workspace", shop, "--data", data)["applied"] is True
        assert sizes(data)["regulars"] == 10
        back = asked("rollback", "--workspace", shop, "--data", data)
        assert back["segments"]["regulars"]["now"] == PEOPLE - 1
