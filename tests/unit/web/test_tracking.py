"""The links of a mail: what they tell the log, and what strangers and link scanners cannot do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from tailorbird.delivery import tokens
from tailorbird.delivery.links import LinkSigner
from tailorbird.delivery.tokens import Token
from tailorbird.events.event import Event
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import ACCEPTED, RETRY, Answer, EventDraft
from tailorbird.testing.building import START
from tailorbird.web.tracking import Tracking

KEY = b"k" * 32
BASE = "http://x.example"
SIGNER = LinkSigner(BASE, KEY, "e1", 7)


class Log:
    """A log writer and a clock."""

    def __init__(self) -> None:
        self.drafts: list[EventDraft] = []
        self.is_down = False

    async def write(self, events: Sequence[EventDraft]) -> list[Answer]:
        if self.is_down:
            return [Answer(RETRY)] * len(events)
        self.drafts += events
        return [Answer(ACCEPTED)] * len(events)

    async def append(self, drafts: Sequence[Draft]) -> list[Answer]:
        raise NotImplementedError

    async def set_now(self, now: int) -> int:
        raise NotImplementedError

    def now(self) -> Any:
        return START

    @property
    def events(self) -> list[Event]:
        return [msgspec.msgpack.decode(one.body, type=Event) for one in self.drafts]


def ask(
    log: Log, method: str, url: str, body: bytes = b""
) -> tuple[int, dict[bytes, bytes], bytes] | None:
    """Send one request; None where the path is not for tracking."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "method": method,
        "path": url.removeprefix(BASE),
        "headers": [(b"user-agent", b"reader")],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    tracking = Tracking(log, log, KEY, lambda: f"id{len(log.drafts)}")
    if not asyncio.run(tracking.handle(scope, receive, send)):
        return None
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def answered(log: Log, method: str, url: str, body: bytes = b"") -> Any:
    found = ask(log, method, url, body)
    assert found is not None
    return found


def test_the_pixel_tells_of_an_open() -> None:
    log = Log()
    status, headers, body = answered(log, "GET", SIGNER.open_url())
    assert (status, headers[b"content-type"]) == (200, b"image/gif")
    assert body.startswith(b"GIF89a")
    assert headers[b"cache-control"] == b"no-store"
    (event,) = log.events
    assert (event.name, event.properties["message_id"]) == ("email_opened", "e1")
    assert log.drafts[0].identifiers == [("profile_id", "7")]
    answered(log, "HEAD", SIGNER.open_url())
    assert len(log.events) == 1


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://shop.example/a?b=1&c=%20x#d", b"https://shop.example/a?b=1&c=%20x#d"),
        ("https://shop.example/caf\xe9 x", b"https://shop.example/caf%C3%A9%20x"),
        (
            "https://shop.example/\r\nSet-Cookie: a=b",
            b"https://shop.example/%0D%0ASet-Cookie:%20a=b",
        ),
    ],
)
def test_a_click_leads_to_its_page(url: str, location: bytes) -> None:
    log = Log()
    status, headers, _ = answered(log, "GET", SIGNER.click_url(url))
    assert (status, headers[b"location"]) == (302, location)
    assert log.events[0].name == "email_link_clicked"
    assert log.events[0].properties["url"] == url


def test_a_click_leads_on_though_the_log_is_away() -> None:
    log = Log()
    log.is_down = True
    assert answered(log, "GET", SIGNER.click_url("https://shop.example/"))[0] == 302


@pytest.mark.parametrize("path", ["/t/c/abc", "/t/c/", "/u/abc", "/u/\xe9", "/t/o/abc.gif"])
def test_a_link_that_is_not_ours_leads_nowhere(path: str) -> None:
    log = Log()
    assert answered(log, "GET", path)[0] == 404
    assert log.events == []


def test_tokens_serve_only_their_own_purpose() -> None:
    log = Log()
    opened = tokens.sign(Token("o", "e1", 7, url="https://evil.example/"), KEY)
    script = tokens.sign(Token("c", "e1", 7, url="javascript:alert(1)"), KEY)
    assert answered(log, "GET", f"/t/c/{opened}")[0] == 404
    assert answered(log, "GET", f"/t/c/{script}")[0] == 404
    assert answered(log, "POST", f"/u/{opened}")[0] == 404
    assert log.events == []


def test_looking_never_unsubscribes() -> None:
    log = Log()
    url = SIGNER.unsubscribe_url("ada@shop.example", "offers")
    for method in ("GET", "HEAD"):
        status, headers, body = answered(log, method, url)
        assert status == 200
        assert b"<button>Unsubscribe</button>" in body
        assert b"form-action 'self'" in headers[b"content-security-policy"]
    assert log.events == []


@pytest.mark.parametrize("body", [b"List-Unsubscribe=One-Click", b""])
def test_one_post_unsubscribes_and_can_be_undone(body: bytes) -> None:
    log = Log()
    url = SIGNER.unsubscribe_url("ada@shop.example", "offers")
    status, _, page = answered(log, "POST", url, body)
    assert status == 200
    assert b"ada@shop.example gets no more offers mails" in page
    (event,) = log.events
    assert (event.name, event.properties["email"]) == ("unsubscribed", "ada@shop.example")
    assert event.properties["topic"] == "offers"
    assert log.drafts[0].concerns_suppression
    assert answered(log, "POST", url, b"undo=1")[0] == 200
    assert log.events[1].name == "subscribed"


def test_a_wish_that_could_not_be_stored_is_not_confirmed() -> None:
    log = Log()
    log.is_down = True
    status, _, page = answered(log, "POST", SIGNER.unsubscribe_url("a@x.example", "offers"))
    assert status == 503
    assert b"press the button again" in page


def test_an_address_is_text_on_the_page() -> None:
    url = SIGNER.unsubscribe_url("<script>@x.example", "<b>")
    assert b"<script>" not in answered(Log(), "GET", url)[2]


def test_a_form_of_any_size_is_refused() -> None:
    log = Log()
    url = SIGNER.unsubscribe_url("a@x.example", "offers")
    assert answered(log, "POST", url, b"x" * 5_000)[0] == 413
    assert log.events == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/t/o/x.gif"), ("DELETE", "/u/x"), ("GET", "/v1/x")]
)
def test_other_paths_are_left_to_others(method: str, path: str) -> None:
    assert ask(Log(), method, path) is None
