"""A plan applied to a running server, where saving a file alone changes nothing."""

from __future__ import annotations

import http.client
import json
import os
import shutil
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


def preview(server: Shop, expression: object, status: int = 200) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=70)
    headers = {"Authorization": f"Bearer {server.admin_key}"}
    body = json.dumps({"expression": expression})
    connection.request("POST", "/v1/segments/preview", body, headers)
    answer = connection.getresponse()
    found = json.loads(answer.read())
    assert answer.status == status, found
    connection.close()
    return found


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


def test_a_preview_is_asked_of_a_running_server(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        for person in range(PEOPLE):
            order(server, person, person + 1)
        found = preview(server, "count(order_completed) >= 11 and any(order_completed within 1d)")
        assert (found["size"], found["people"]) == (10, PEOPLE)
        assert [size for _, size in found["funnel"]] == [10, 10]
        assert found["reachable"] == 0
        told = preview(server, "count(order_completed", 400)["error"]
        assert told["field"] == "expression"
        assert "the text ends here" in told["message"]
        assert preview(server, "--data", 400)["error"]["field"] == "expression"
        assert preview(server, 7, 400)["error"]["field"] == "body"


def test_a_shadow_beside_a_running_server(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        shop, data = tmp_path / "shop", server.data
        for person in range(PEOPLE):
            order(server, person, 1)
        draft = tmp_path / "draft"
        shutil.copytree(shop, draft)
        (draft / "segments" / "regulars.yaml").write_text("when: count(order_completed) >= 2\n")
        until(lambda: len(server.events()) == PEOPLE, 20)
        words = ["shadow", "--data", str(data), "--for", "8s", "--json", "--workspace"]
        copies = tmp_path / "copies"
        copies.mkdir()
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "tailorbird", *words, str(folder)],
                stdout=subprocess.PIPE,
                env={**os.environ, "TMPDIR": str(copies)},
            )
            for folder in (shop, draft)
        ]
        # What comes after both have taken their copies, of two engines each, is lived by them.
        until(lambda: len(list(copies.glob("*/draft/*.db"))) == 2 * len(running), 60)
        for person in range(PEOPLE // 2):
            order(server, person, 3)
        same, other = (json.loads(one.communicate(timeout=60)[0]) for one in running)
        assert same["records"] > 0
        parts = [*same["segments"].values(), *same["journeys"].values()]
        assert all(not one["only_draft"] and not one["only_live"] for one in parts)
        sizes_then = {name: one["live"]["size"] for name, one in same["segments"].items()}
        assert sizes_then == sizes(data)
        assert other["segments"]["regulars"]["draft"]["size"] == PEOPLE // 2
        assert other["segments"]["regulars"]["only_live"] == 0
