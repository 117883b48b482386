"""Links in mails: the pixel, tracked links, and leaving a topic. GET never unsubscribes."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from urllib.parse import quote

from tailorbird.base.hashing import hash64
from tailorbird.delivery import tokens
from tailorbird.delivery.suppression import NAMES
from tailorbird.delivery.tokens import Token
from tailorbird.events.event import Event, encode, order_of
from tailorbird.ports.clock import Clock
from tailorbird.ports.log_writer import RETRY, EventDraft, LogWriter
from tailorbird.web.answers import BodyTooLarge, Receive, Scope, Send, answer, header, read_body
from tailorbird.web.collect import PIXEL

_FORM_BYTES_MAX = 4_096
# All that stands for itself in a URL; the percent sign, too: what is encoded stays so.
_URL_SAFE = "%:/?#[]@!$&'()*+,;=-._~"
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title><style>
body{{margin:0;font:17px/1.5 system-ui,sans-serif;color:#1d2a33;background:#f4f1ec}}
main{{max-width:30rem;margin:12vh auto;padding:2.5rem;background:#fff;border-radius:14px}}
h1{{font-size:1.45rem;margin:0 0 .6rem}}p{{margin:.4rem 0 1.4rem}}
button{{font:inherit;padding:.7rem 1.3rem;border:0;border-radius:8px;background:#0f6b5c;color:#fff;
cursor:pointer}}button.quiet{{background:#e7e3dc;color:#1d2a33}}</style></head>
<body><main><h1>{title}</h1><p>{text}</p>{form}</main></body></html>"""


class Tracking:
    """Handles /t/o/..., /t/c/... and /u/...."""

    def __init__(
        self, writer: LogWriter, clock: Clock, key: bytes, fresh_id: Callable[[], str]
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._key = key
        self._fresh_id = fresh_id

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer a request to one of the paths; False where the path is none of them."""
        path, method = scope["path"], scope["method"]
        if path.startswith("/t/o/") and method in ("GET", "HEAD"):
            await self._open(path[5:].removesuffix(".gif"), scope, send)
        elif path.startswith("/t/c/") and method in ("GET", "HEAD"):
            await self._click(path[5:], scope, send)
        elif path.startswith("/u/") and method in ("GET", "HEAD"):
            await self._ask(path[3:], send)
        elif path.startswith("/u/") and method == "POST":
            await self._leave(path[3:], scope, receive, send)
        else:
            return False
        return True

    async def _open(self, text: str, scope: Scope, send: Send) -> None:
        token = self._read(text, tokens.OPEN)
        if token is not None and scope["method"] == "GET":
            await self._tell("email_opened", token, scope, {})
        # A reader shows a broken picture for anything else.
        no_store = ((b"cache-control", b"no-store"),)
        await answer(send, 200 if token else 404, PIXEL, "image/gif", no_store)

    async def _click(self, text: str, scope: Scope, send: Send) -> None:
        token = self._read(text, tokens.CLICK)
        if token is None or not token.url.startswith(("http://", "https://")):
            await self._bad(send)
            return
        if scope["method"] == "GET":
            await self._tell("email_link_clicked", token, scope, {"url": token.url})
        headers = ((b"location", _location(token.url)), (b"cache-control", b"no-store"))
        await answer(send, 302, b"", "text/plain", headers)

    async def _ask(self, text: str, send: Send) -> None:
        token = self._read(text, tokens.UNSUBSCRIBE)
        if token is None:
            await self._bad(send)
            return
        form = '<form method="post"><button>Unsubscribe</button></form>'
        words = (
            f"{escape(token.address)} gets our {escape(token.topic)} mails."
            " One press, and no more of them come."
        )
        await _page(send, 200, "Leave this list?", words, form)

    async def _leave(self, text: str, scope: Scope, receive: Receive, send: Send) -> None:
        token = self._read(text, tokens.UNSUBSCRIBE)
        if token is None:
            await self._bad(send)
            return
        try:
            form = await read_body(scope, receive, _FORM_BYTES_MAX)
        except BodyTooLarge:
            await _page(send, 413, "Too much", "The form is larger than it can be.", "")
            return
        is_undo = b"undo=1" in form
        name = "subscribed" if is_undo else "unsubscribed"
        properties = {"email": token.address, "topic": token.topic}
        if not await self._tell(name, token, scope, properties):
            words = "Your wish could not be stored just now. Please press the button again."
            again = '<form method="post"><button>Unsubscribe</button></form>'
            await _page(send, 503, "One moment", words, again)
        elif is_undo:
            await _page(send, 200, "Welcome back", "You will get our mails again.", "")
        else:
            words = f"{escape(token.address)} gets no more {escape(token.topic)} mails from us."
            undo = (
                '<form method="post"><input type="hidden" name="undo" value="1">'
                '<button class="quiet">That was a mistake</button></form>'
            )
            await _page(send, 200, "Done", words, undo)

    async def _tell(
        self, name: str, token: Token, scope: Scope, properties: dict[str, str]
    ) -> bool:
        message_id = self._fresh_id()
        now = self._clock.now()
        agent = header(scope, b"user-agent") or ""
        event = Event(
            type="track",
            name=name,
            message_id=message_id,
            timestamp=now,
            order=order_of(message_id),
            # Mail readers fetch through proxies: what they say of a device is not the person's
            # context and stays with the event.
            properties={"message_id": token.effect_id, "user_agent": agent[:300], **properties},
            source="tailorbird",
        )
        draft = EventDraft(
            [("profile_id", str(token.profile_id))],
            hash64("tracking", message_id),
            encode(event),
            [],
            name in NAMES,
        )
        (answered,) = await self._writer.write([draft])
        return answered.status != RETRY

    def _read(self, text: str, kind: str) -> Token | None:
        token = tokens.read(text, self._key)
        return token if token is not None and token.kind == kind else None

    async def _bad(self, send: Send) -> None:
        words = "The link is not complete or not ours. Please open it from the mail again."
        await _page(send, 404, "This link does not work", words, "")


def _location(url: str) -> bytes:
    """The URL as a header may hold it: what is not ASCII, and line ends, percent-encoded."""
    return quote(url.encode("utf-8", "replace"), safe=_URL_SAFE).encode("ascii")


async def _page(send: Send, status: int, title: str, text: str, form: str) -> None:
    body = _PAGE.format(title=title, text=text, form=form).encode()
    policy = b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
    headers = ((b"content-security-policy", policy), (b"cache-control", b"no-store"))
    await answer(send, status, body, "text/html; charset=utf-8", headers)
