"""Segment's and RudderStack's own libraries, unchanged, through a network with faults.

Whatever the proxy does, each event is in the log once: none lost, none doubled.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import rudderstack.analytics.client as rudder
import segment.analytics.client as segment
from playwright.sync_api import sync_playwright

from tailorbird.events.event import Event
from tailorbird.testing.faulty_proxy import FATES, faulty_proxy
from tailorbird.testing.served import Shop, serve

pytestmark = pytest.mark.integration

CLIENTS = Path(__file__).parents[1] / "clients"
COUNT = 60
SEED = int(os.environ.get("TAILORBIRD_SEED", "20261123"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with serve(tmp_path_factory.mktemp("clients")) as running:
        yield running


def assert_each_once(shop: Shop, prefix: str) -> list[Event]:
    """Each tracked event came once."""
    events = [one for one in shop.events() if (one.user_id or "").startswith(prefix)]
    tracked = [one for one in events if one.name == "client_tested"]
    numbers = Counter(one.properties["index"] for one in tracked)
    assert numbers == Counter(range(COUNT))
    assert max(Counter(one.message_id for one in events).values()) == 1
    return events


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("library", ["segment", "rudder"])
def test_python(shop: Shop, library: str, gzip: bool) -> None:
    prefix, faults = f"{library}-{gzip}", list[Any]()
    make: Any = segment.Client if library == "segment" else rudder.Client
    with faulty_proxy(shop.port, SEED + len(prefix)) as proxy:
        client = make(
            shop.write_key,
            host=f"http://127.0.0.1:{proxy.port}",
            gzip=gzip,
            upload_size=5,
            upload_interval=0.05,
            max_retries=100,
            on_error=lambda problem, items: faults.append((problem, items)),
        )
        client.identify(f"{prefix}-user", {"email": f"{prefix}@shop.example", "plan": "gold"})
        for index in range(COUNT):
            client.track(f"{prefix}-user", "Client Tested", {"index": index, "prefix": prefix})
        client.page(f"{prefix}-user", "Docs", "Home", {"url": "https://shop.example/"})
        client.flush()
        client.join()
        fates = proxy.fates
    assert faults == []
    assert set(fates) == set(FATES), fates
    events = assert_each_once(shop, prefix)
    (identified,) = [one for one in events if one.name == "identified"]
    assert identified.properties["plan"] == "gold"
    (viewed,) = [one for one in events if one.name == "page_viewed"]
    assert viewed.properties["name"] == "Home"
    assert viewed.properties["category"] == "Docs"


@pytest.fixture(scope="module")
def node() -> Path:
    """Return a folder with Segment's JavaScript libraries, installed once for each lock file."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed; Segment's JavaScript libraries need them")
    lock = (CLIENTS / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "tailorbird-tests" / f"node-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(CLIENTS / name, folder / name)
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"npm could not install Segment's libraries: {done.stderr[-300:]}")
        (folder / "installed").touch()
    for path in CLIENTS.glob("*.mjs"):
        shutil.copy(path, folder / path.name)
    return folder


def test_node(shop: Shop, node: Path) -> None:
    with faulty_proxy(shop.port, SEED) as proxy:
        words = ["node", "server.mjs", f"http://127.0.0.1:{proxy.port}", shop.write_key]
        done = subprocess.run(
            [*words, "node", str(COUNT)],
            cwd=node,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert set(proxy.fates) == set(FATES), proxy.fates
    events = assert_each_once(shop, "node")
    assert Counter(one.name for one in events) == {
        "client_tested": COUNT,
        "identified": 1,
        "page_viewed": 1,
        "grouped": 1,
    }


@pytest.fixture(scope="module")
def page(node: Path) -> Iterator[str]:
    """Serve a page with Segment's browser library; yield its address."""
    words = [str(node / "node_modules/.bin/esbuild"), "page.mjs", "--bundle", "--outfile=page.js"]
    subprocess.run(words, cwd=node, check=True, capture_output=True, timeout=60)
    (node / "page.html").write_text(
        "<!doctype html><title>A shop</title><script src=page.js></script>"
    )

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(node))

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True  # browsers open connections that they never use
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_address[1]}/page.html"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no chromium on this machine's path")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


def test_browser(shop: Shop, page: str, chromium: Any) -> None:
    with faulty_proxy(shop.port, SEED + 1) as proxy:
        context = chromium.new_context()
        tab = context.new_page()
        tab.goto(page)
        origin = f"http://localhost:{proxy.port}"
        tab.evaluate("([origin, key]) => load(origin, key)", [origin, shop.write_key])
        tab.evaluate(
            """async (count) => {
              await analytics.identify("browser-user", { email: "browser@shop.example" });
              for (let index = 0; index < count; index += 1)
                analytics.track("Client Tested", { index, prefix: "browser" });
              analytics.page("Docs", "Home");
            }""",
            COUNT,
        )
        until_seconds = time.monotonic() + 120
        while time.monotonic() < until_seconds:
            if sum(one.user_id == "browser-user" for one in shop.events()) >= COUNT + 2:
                break
            tab.wait_for_timeout(300)
        assert set(proxy.fates) == set(FATES), proxy.fates
        context.close()
    events = assert_each_once(shop, "browser")
    assert {one.anonymous_id for one in events} != {None}
    (viewed,) = [one for one in events if one.name == "page_viewed"]
    assert viewed.context["page"]["title"] == "A shop"


def test_a_refusal_is_told_in_the_words_that_the_libraries_read(shop: Shop) -> None:
    client = segment.Client(shop.write_key, host=f"http://127.0.0.1:{shop.port}", sync_mode=True)
    with pytest.raises(Exception, match=r"\[Segment\] missing: .*has no letter or digit.*\(400\)"):
        client.track("refused-user", "???")
    assert [one for one in shop.events() if one.user_id == "refused-user"] == []
