"""The pages in a real browser, as a marketer meets them: live numbers, a mail and its reasons."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tailorbird.adapters.files import ensure_keys
from tailorbird.testing.processes import free_port, until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("there is no chromium on this machine", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.integration
SHOP = Path(__file__).parents[2] / "examples" / "shop"
AT_ONCE = """title: Right away
enter: {event: order_completed}
reentry: once
steps:
  - {id: mail, send: welcome, kind: transactional}
"""
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
# What a marketer opens on a laptop and on a telephone.
WIDTHS = (1280, 390)


@dataclass
class Shop:
    port: int
    write_key: str
    admin_key: str
    faults: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, *, key: str = "") -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        basic = b64encode(f"{self.write_key}:".encode()).decode()
        headers = {"authorization": f"Bearer {key}" if key else f"Basic {basic}"}
        headers["content-type"] = "application/json"
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, json.loads(data or b"null")

    def send(self, *messages: dict[str, Any]) -> None:
        status, answer = self.ask("POST", "/v1/batch", {"batch": list(messages)})
        assert status == 200, answer

    def get(self, path: str) -> Any:
        status, answer = self.ask("GET", path, key=self.admin_key)
        assert status == 200, answer
        return answer


def is_up(shop: Shop) -> bool:
    try:
        return bool(shop.ask("GET", "/health")[0] == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    base = tmp_path_factory.mktemp("pages")
    workspace = base / "shop"
    shutil.copytree(SHOP, workspace)
    (workspace / "journeys" / "right-away.yaml").write_text(AT_ONCE)
    keys = ensure_keys(workspace)
    port, smtp_port = free_port(), free_port()
    catcher = subprocess.Popen(
        [sys.executable, "-m", "tailorbird.demo.catcher", str(base / "mails"), str(smtp_port)]
    )
    words = [sys.executable, "-m", "tailorbird", "serve", "--workspace", str(workspace)]
    words += ["--data", str(base / "data"), "--port", str(port)]
    words += ["--smtp-url", f"smtp://127.0.0.1:{smtp_port}"]
    with (base / "server.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    running = Shop(port, keys.write_key, keys.admin_key)
    try:
        until(lambda: process.poll() is not None or is_up(running), 60)
        assert process.poll() is None, (base / "server.log").read_text()
        yield running
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=40)
        catcher.terminate()
        catcher.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(shop: Shop, browser: Any) -> Iterator[Any]:
    """A page that is logged in; an error in its console fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    opened.goto(f"{shop.address}/?key={shop.admin_key}")
    opened.wait_for_selector("h1")
    yield opened
    context.close()
    assert faults == []


def buyer(number: int, **traits: Any) -> list[dict[str, Any]]:
    user = f"buyer-{number}"
    identify = {"type": "identify", "userId": user, "messageId": f"i-{number}"}
    identify["traits"] = {"email": f"{user}@shop.example", "consent": {"marketing": True}, **traits}
    order = {"type": "track", "userId": user, "event": "Order Completed"}
    order["messageId"] = f"o-{number}"
    order["properties"] = {"order_id": f"{number}", "revenue": 1_200, "currency": "GBP"}
    return [identify, order]


def mail_of(shop: Shop, number: int) -> dict[str, Any]:
    def sent() -> Any:
        found = shop.get(f"/v1/messages?profile=user_id:buyer-{number}")
        return next((one for one in found if one["status"] == "sent"), None)

    found: dict[str, Any] = until(sent)
    return found


def test_a_stranger_is_asked_for_the_key(shop: Shop, browser: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(shop.address)
    field_of_key = page.locator("input").first
    field_of_key.fill("not the key")
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    assert page.locator("h1").count() <= 1
    assert "people" not in page.locator("body").inner_text().lower().split()
    page.locator("input").first.fill(shop.admin_key)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Latest mails")
    context.close()


def test_numbers_and_mails_appear_without_a_reload(shop: Shop, page: Any) -> None:
    page.wait_for_selector("text=Latest mails")
    page.evaluate("window.stayed = true")
    before = shop.get("/v1/status")["people"]
    shop.send(*buyer(1))
    page.wait_for_function(
        "count => [...document.querySelectorAll('.figure')].some("
        "one => one.innerText.includes('people') && one.innerText.startsWith(String(count)))",
        arg=before + 1,
    )
    mail_of(shop, 1)
    page.wait_for_selector("text=buyer-1@shop.example")
    assert page.evaluate("window.stayed") is True


def test_a_mail_is_shown_with_its_reasons(shop: Shop, page: Any) -> None:
    shop.send(*buyer(2, first_name="Ada"))
    mail = mail_of(shop, 2)
    page.goto(f"{shop.address}/#/mails/{mail['id']}")
    page.wait_for_selector(".sentence")
    told = page.locator("body").inner_text()
    assert "order completed" in told
    assert "buyer-2@shop.example" in told
    assert "right-away" in told or "Right away" in told
    frame = page.frame_locator("iframe").first
    frame.locator("body").wait_for()
    assert len(frame.locator("body").inner_text()) > 50


def test_what_strangers_write_never_runs(shop: Shop, page: Any) -> None:
    shop.send(*buyer(3, first_name=HOSTILE, name=HOSTILE, country=HOSTILE))
    mail = mail_of(shop, 3)
    for path in (f"#/mails/{mail['id']}", "#/people/user_id:buyer-3", "#/mails", "#/"):
        page.goto(f"{shop.address}/{path}")
        page.wait_for_selector("h1")
        page.wait_for_timeout(300)
        assert page.evaluate("window.hacked") is None, path
    direct = page.context.new_page()
    direct.goto(f"{shop.address}/v1/messages/{mail['id']}/html")
    direct.wait_for_timeout(300)
    assert direct.evaluate("window.hacked") is None
    direct.close()


def test_people_and_segments_are_pages_of_their_own(shop: Shop, page: Any) -> None:
    shop.send(*buyer(4))
    mail_of(shop, 4)
    page.goto(f"{shop.address}/#/people/user_id:buyer-4")
    page.wait_for_selector("text=big-spenders")
    assert "buyer-4" in page.locator("body").inner_text()
    page.goto(f"{shop.address}/#/segments/big-spenders")
    page.wait_for_selector("h1:has-text('Big spenders')")
    page.wait_for_selector("text=buyer-4")
    assert "revenue" in page.locator("body").inner_text()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_at_the_side(shop: Shop, page: Any, width: int) -> None:
    shop.send(*buyer(5))
    mail = mail_of(shop, 5)
    page.set_viewport_size({"width": width, "height": 800})
    places = ("", "mails", f"mails/{mail['id']}", "people", "people/user_id:buyer-5")
    for place in (*places, "segments/big-spenders"):
        page.goto(f"{shop.address}/#/{place}")
        page.wait_for_selector("h1")
        page.wait_for_timeout(400)
        over = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert over <= 0, f"{place or 'today'} is {over} px too wide at {width} px"
