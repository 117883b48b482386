"""Our own library for web pages, in Chromium: whatever happens to the page, all arrives once."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tailorbird.events.event import Event
from tailorbird.testing.faulty_proxy import FATES, faulty_proxy
from tailorbird.testing.processes import free_port
from tailorbird.testing.served import Shop, serve

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine's path"),
]
GZIPPED_BYTES_MAX = 5_000
# The stub that a page pastes: calls wait in a list until the file has come.
STUB = """<script>
window.tailorbird = window.tailorbird || [];
for (const m of ["load", "page", "track", "identify", "group", "reset", "consent"])
  tailorbird[m] = tailorbird[m] || ((...a) => tailorbird.push([m, ...a]));
%s
</script>
<script async src="%s/v1/tailorbird.js"></script>"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with serve(tmp_path_factory.mktemp("snippet")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    yield made
    made.close()


class Site:
    """Pages of a shop; `html` is the head of all of them."""

    def __init__(self) -> None:
        self.html = ""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = f"<!doctype html><title>A shop</title>{site.html}<p>Hello</p>".encode()
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://localhost:{self.server.server_address[1]}"

    def embed(self, origin: str, calls: str) -> None:
        self.html = STUB % (calls, origin)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def origin_of(port: int) -> str:
    return f"http://localhost:{port}"


def ready(page: Page) -> None:
    page.wait_for_function("window.tailorbird && tailorbird.VERSION")


def arrived(shop: Shop, page: Page, is_so: Callable[[list[Event]], bool]) -> list[Event]:
    until = time.monotonic() + 60
    while not is_so(events := shop.events()):
        if time.monotonic() > until:
            raise TimeoutError([(one.name, one.properties) for one in events[-20:]])
        page.wait_for_timeout(100)
    return events


def numbers(events: list[Event], name: str) -> Counter[Any]:
    return Counter(one.properties["n"] for one in events if one.name == name)


def test_it_is_small(shop: Shop) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shop.port)
    connection.request("GET", "/v1/tailorbird.js", headers={"accept-encoding": "gzip"})
    response = connection.getresponse()
    packed = response.read()
    assert response.status == 200
    assert len(packed) < GZIPPED_BYTES_MAX
    assert b"Tailorbird for web pages" in gzip.decompress(packed)
    tag = str(response.getheader("etag"))
    connection.request("GET", "/v1/tailorbird.js", headers={"if-none-match": tag})
    again = connection.getresponse()
    assert (again.status, again.read()) == (304, b"")
    connection.close()


def test_calls_before_it_loaded_arrive_in_order(
    shop: Shop, site: Site, context: BrowserContext
) -> None:
    calls = f"""tailorbird.load("{shop.write_key}"); tailorbird.page("Home");
      tailorbird.track("Early Bird", {{n: 1}}); tailorbird.identify("u-early", {{plan: "gold"}});
      tailorbird.track("Early Bird", {{n: 2}}); tailorbird.group("crew", {{size: 3}});"""
    site.embed(origin_of(shop.port), calls)
    page = context.new_page()
    page.goto(site.address + "/?utm_source=letter&utm_campaign=spring")
    events = arrived(shop, page, lambda found: any(one.name == "grouped" for one in found))
    mine = [one for one in events if one.context.get("library", {}).get("name") == "tailorbird.js"]
    assert [one.name for one in mine] == [
        "page_viewed",
        "early_bird",
        "identified",
        "early_bird",
        "grouped",
    ]
    assert [one.user_id for one in mine] == [None, None, "u-early", "u-early", "u-early"]
    assert len({one.anonymous_id for one in mine}) == 1
    assert mine[0].context["page"]["title"] == "A shop"
    assert mine[0].context["campaign"] == {"source": "letter", "name": "spring"}
    assert mine[0].properties["name"] == "Home"
    assert mine[2].properties["plan"] == "gold"
    cookies = {one["name"]: one for one in context.cookies()}
    assert set(cookies) == {"tb_anonymous_id", "tb_user_id"}
    assert {one["domain"] for one in cookies.values()} == {"localhost"}
    assert cookies["tb_anonymous_id"]["value"] == mine[0].anonymous_id
    page.evaluate("tailorbird.reset()")
    assert context.cookies() == []


def test_without_a_network_nothing_is_lost_through_reloads(
    shop: Shop, site: Site, context: BrowserContext
) -> None:
    nowhere = origin_of(free_port())
    site.embed(origin_of(shop.port), f'tailorbird.load("{shop.write_key}", {{host: "{nowhere}"}});')
    page = context.new_page()
    for turn in range(3):
        page.goto(site.address)
        ready(page)
        page.evaluate("n => tailorbird.track('Offline', {n})", turn)
        page.wait_for_timeout(250)
    assert numbers(shop.events(), "offline") == {}
    site.embed(origin_of(shop.port), f'tailorbird.load("{shop.write_key}");')
    page.reload()
    ready(page)
    events = arrived(shop, page, lambda found: len(numbers(found, "offline")) == 3)
    assert numbers(events, "offline") == {0: 1, 1: 1, 2: 1}
    page.wait_for_function("tailorbird.waiting === 0")
    assert page.evaluate("Object.keys(localStorage)") == []


def test_what_is_told_while_the_page_is_left_arrives(
    shop: Shop, site: Site, context: BrowserContext
) -> None:
    site.embed(origin_of(shop.port), f'tailorbird.load("{shop.write_key}");')
    page = context.new_page()
    for turn in range(5):
        page.goto(site.address)
        ready(page)
        page.evaluate(
            "n => { tailorbird.track('Left', {n}); location.href = 'about:blank'; }", turn
        )
        page.wait_for_url("about:blank")
    events = arrived(shop, page, lambda found: len(numbers(found, "left")) == 5)
    page.goto(site.address)  # sends again what it cannot know to have arrived
    ready(page)
    page.wait_for_function("tailorbird.waiting === 0")
    events = shop.events()
    assert numbers(events, "left") == dict.fromkeys(range(5), 1)


def test_whatever_a_page_says_arrives_as_it_was_said(
    shop: Shop, site: Site, context: BrowserContext
) -> None:
    site.embed(origin_of(shop.port), f'tailorbird.load("{shop.write_key}");')
    page = context.new_page()
    warned: list[str] = []
    page.on("console", lambda message: warned.append(message.text))
    page.goto(site.address)
    ready(page)
    page.evaluate(
        """() => {
          localStorage.setItem("tb_queue.broken", "{");
          const lasting = {n: 100, text: "before"};
          tailorbird.track("Said", lasting);
          lasting.text = "after";
          // 25 KB each as they are sent, 8,400 characters: together three requests.
          for (let n = 0; n < 50; n++) tailorbird.track("Said", {n, text: "声".repeat(8_000)});
          tailorbird.track("Said", {n: 101, text: "声".repeat(12_000)});
          const round = {n: 102};
          round.self = round;
          tailorbird.track("Said", round);
        }"""
    )
    events = arrived(shop, page, lambda found: len(numbers(found, "said")) >= 51)
    page.wait_for_function("tailorbird.waiting === 0")
    assert numbers(events, "said") == dict.fromkeys([*range(50), 100], 1)
    assert [one.properties["text"] for one in events if one.properties.get("n") == 100] == [
        "before"
    ]
    left_out = [text for text in warned if text.startswith("Tailorbird left an event out: Said")]
    assert len(left_out) == len(warned) == 2


def test_before_consent_nothing_is_stored_or_sent(
    shop: Shop, site: Site, context: BrowserContext
) -> None:
    calls = f'tailorbird.load("{shop.write_key}", {{consent: "wait"}});'
    site.embed(origin_of(shop.port), calls + 'tailorbird.track("Asked", {n: 1});')
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site.address)
    ready(page)
    page.evaluate("tailorbird.identify('u-asked')")
    page.wait_for_timeout(600)
    assert context.cookies() == []
    assert page.evaluate("Object.keys(localStorage)") == []
    assert not [url for url in asked if url.endswith("/v1/b")]
    page.evaluate("tailorbird.consent(true)")
    events = arrived(shop, page, lambda found: numbers(found, "asked") == {1: 1})
    assert any(one.user_id == "u-asked" for one in events)
    assert {one["name"] for one in context.cookies()} == {"tb_anonymous_id", "tb_user_id"}
    page.evaluate("tailorbird.consent(false)")
    page.evaluate("tailorbird.track('Asked', {n: 2})")
    page.wait_for_timeout(400)
    assert context.cookies() == []
    assert page.evaluate("Object.keys(localStorage)") == []
    assert numbers(shop.events(), "asked") == {1: 1}


def test_through_a_network_with_faults_all_arrives_once(
    shop: Shop, site: Site, context: BrowserContext
) -> None:
    with faulty_proxy(shop.port, 5) as proxy:
        site.embed(origin_of(proxy.port), f'tailorbird.load("{shop.write_key}");')
        page = context.new_page()
        page.goto(site.address)
        ready(page)
        for number in range(40):
            page.evaluate("n => tailorbird.track('Faulty', {n})", number)
            page.wait_for_timeout(60)
        events = arrived(shop, page, lambda found: len(numbers(found, "faulty")) == 40)
        page.wait_for_function("tailorbird.waiting === 0", timeout=60_000)
        assert set(proxy.fates) == set(FATES), proxy.fates
        page.close()
    events = shop.events()
    assert numbers(events, "faulty") == dict.fromkeys(range(40), 1)


@pytest.mark.parametrize("form", ["standard", "of URLs", "unpadded"])
def test_a_pixel_tells_of_pages_without_scripts(shop: Shop, form: str) -> None:
    event = {
        "writeKey": shop.write_key,
        "anonymousId": "no-script",
        "messageId": f"pixel-{form}",
        "event": "Seen Without Scripts",
        "properties": {"form": form, "path": "/ÿþ?"},
    }
    data = base64.b64encode(json.dumps(event, ensure_ascii=False).encode()).decode()
    if form == "of URLs":
        data = data.replace("+", "-").replace("/", "_")
    if form == "unpadded":
        data = data.rstrip("=")
    connection = http.client.HTTPConnection("127.0.0.1", shop.port)
    connection.request("GET", f"/v1/pixel/track?data={quote(data)}")
    response = connection.getresponse()
    assert response.read().startswith(b"GIF89a")
    assert (response.status, response.getheader("content-type")) == (200, "image/gif")
    seen = [one for one in shop.events() if one.message_id == f"pixel-{form}"]
    assert [one.properties["path"] for one in seen] == ["/ÿþ?"]
    connection.request("GET", "/v1/pixel/track?data=%ff%00nonsense")
    bad = connection.getresponse()
    assert bad.read().startswith(b"GIF89a")
    assert bad.status in (400, 401)
    connection.close()


def test_the_page_that_shows_how_holds_the_stub_that_is_tested() -> None:
    guide = Path(__file__).parents[2] / "docs/how-to/web-pages.md"
    stub = STUB.split("%s")[0].strip()
    assert stub in guide.read_text(encoding="utf-8")
