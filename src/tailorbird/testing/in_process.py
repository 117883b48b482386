"""The whole web application in one process, for tests and benchmarks: memory stores, no sockets.

Only the ledger and the dead letters are files, in a folder that the caller gives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from tailorbird.adapters.memory.control_store import MemoryControlStore
from tailorbird.adapters.memory.event_log import MemoryEventLog
from tailorbird.adapters.memory.identity_store import MemoryIdentityStore
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.adapters.memory.suppression_store import MemorySuppressionStore
from tailorbird.adapters.sqlite.dead_letters import SqliteDeadLetters
from tailorbird.adapters.sqlite.ledger import SqliteLedger
from tailorbird.bootstrap import open_places
from tailorbird.delivery.suppression import changes_of
from tailorbird.events.event import ACTIVATE, PARTITIONS, Activate, Event, decode_event, encode
from tailorbird.ports.clock import ClockProblem
from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import RETRY, Answer, EventDraft
from tailorbird.services.advance import Engine
from tailorbird.services.append import Appender
from tailorbird.services.dead_letters import Replayer
from tailorbird.services.feed import Feed
from tailorbird.services.hooks.receive import Hooks
from tailorbird.services.identity_rules import LiveRules, rules_of_version
from tailorbird.services.ingest import Ingest
from tailorbird.services.learned import Learned
from tailorbird.services.query import Query
from tailorbird.services.sources import LiveSources
from tailorbird.services.standardise import LiveStandardiser
from tailorbird.testing.building import DAY, START, journey, send, wait, workspace_of
from tailorbird.web.api import ApiParts, make_api
from tailorbird.web.app import WebApp, WebParts
from tailorbird.web.collect import Collect
from tailorbird.web.dead_letters import LettersParts
from tailorbird.web.hooks import HookRoute
from tailorbird.web.measures import Measures
from tailorbird.web.pages import Pages
from tailorbird.web.sessions import Sessions
from tailorbird.web.stream import Stream
from tailorbird.web.tracking import Tracking

WRITE = {"authorization": "Bearer wk"}
ADMIN = {"authorization": "Bearer ak"}
TOKEN_KEY = b"k" * 32
WORKSPACE = workspace_of(
    {
        "buyers": "count(order_completed) >= 1",
        "swiss": "traits.country = 'CH'",
    },
    journeys=(journey("welcome", (wait("pause", DAY), send("mail")), event="order_completed"),),
)


@dataclass
class Reply:
    """What the application answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["error"]
        return found


class StandingClock:
    """A simulated clock."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> int:
        return self.at


@dataclass
class InProcessServer:
    """The web application and an engine, without sockets.

    `is_down` lets the log's writer refuse everything.
    """

    folder: Path
    is_down: bool = False
    clock: StandingClock = field(default_factory=StandingClock)
    log: MemoryEventLog = field(default_factory=MemoryEventLog)
    control: MemoryControlStore = field(default_factory=MemoryControlStore)

    def __post_init__(self) -> None:
        identity = MemoryIdentityStore()
        self.appender = self._appender(identity)
        self.state = MemoryStateStore()
        self.engine = Engine(self.log, self.state, lambda _: WORKSPACE, is_strict=True)
        self.ledger = SqliteLedger(self.folder / "ledger.db", is_writer=True)
        self.dead_letters = SqliteDeadLetters(self.folder / "dead_letters.db")
        self.control.add_key("wk", "write")
        self.control.add_key("ak", "admin")
        self.seconds = 1_000_000.0
        numbers = count(1)

        def fresh_id() -> str:
            return f"fresh-{next(numbers)}"

        query = self._query(identity)
        sessions = Sessions(
            lambda key: self.control.key_role(key) == "admin", TOKEN_KEY, lambda: self.seconds
        )
        rules, learned = LiveRules(self.control), Learned(self.control)
        standardise = LiveStandardiser(
            self.control, rules, partial(open_places, self.control), learned
        )
        measures = Measures(query, standardise.steps, letters=self.dead_letters.totals)
        ingest = Ingest(self, self.clock, self.dead_letters, fresh_id, rules, standardise)
        feed = Feed(self, self.clock, self.dead_letters, rules, standardise)
        replayer = Replayer(
            self.dead_letters, self, self.clock, rules, standardise, LiveSources(self.control)
        )
        letters = LettersParts(self.dead_letters, replayer)
        self.secrets: dict[str, str] = {}

        def is_write_key(key: str) -> bool:
            return self.control.key_role(key) is not None

        self.stream = Stream(ingest, is_write_key, measures, fresh_id)
        self.app = WebApp(
            WebParts(
                collect=Collect(ingest, is_write_key, measures),
                hooks=HookRoute(self._hooks(feed), measures),
                stream=self.stream,
                tracking=Tracking(self, self.clock, TOKEN_KEY, fresh_id),
                pages=Pages(sessions),
                api=make_api(ApiParts(query, self.control, self, sessions, learned, letters), "0"),
                query=query,
                measures=measures,
                sessions=sessions,
                sources_status=dict,
                lake_status=lambda: None,
                is_writer_ready=self._is_ready,
                fresh_id=fresh_id,
                learned=learned,
            )
        )

    def _query(self, identity: MemoryIdentityStore) -> Query:
        return Query(
            log=self.log,
            states=[self.state],
            identity=identity,
            ledger=self.ledger,
            control=self.control,
            clock=self.clock,
            load_workspace=lambda _: WORKSPACE,
            count_dead_letters=self.dead_letters.counts,
        )

    def _appender(self, identity: MemoryIdentityStore) -> Appender:
        return Appender(
            self.log,
            identity,
            MemorySuppressionStore(),
            self.clock,
            changes_of,
            rules_of=lambda version: rules_of_version(self.control, version),
        )

    def _hooks(self, feed: Feed) -> Hooks:
        return Hooks(feed, LiveSources(self.control), self.secrets.get, lambda: self.seconds)

    # The port of the log's writer.

    async def write(self, events: Sequence[EventDraft]) -> list[Answer]:
        if self.is_down:
            return [Answer(RETRY)] * len(events)
        return self.appender.write(events)[0]

    async def append(self, drafts: Sequence[Draft]) -> list[Answer]:
        return self.appender.write([], drafts)[1]

    async def now(self) -> int:
        return self.clock.at

    async def set_now(self, now: int) -> int:
        if now < self.clock.at:
            raise ClockProblem("the clock goes forward only")
        self.clock.at = now
        return now

    async def _is_ready(self) -> bool:
        return not self.is_down

    # What tests do.

    def close(self) -> None:
        """Close the files."""
        self.ledger.close()
        self.dead_letters.close()

    def publish(self) -> None:
        """Make the workspace live."""
        body = encode(Activate(WORKSPACE.version, "test"))
        self.appender.write([], [Draft(p, ACTIVATE, 0, body) for p in range(PARTITIONS)])
        self.control.set("live_version", WORKSPACE.version)
        self.settle()

    def settle(self) -> None:
        """Let the engine catch up with the log."""
        while self.engine.step():
            pass

    def events(self) -> list[Event]:
        """Return all events in the log."""
        return [decode_event(one) for one in self.log.read(0, 10_000) if one.kind == "event"]

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] | list[Any] = b"",
        headers: dict[str, str] | None = None,
        query: bytes = b"",
        chunks: int = 1,
    ) -> Reply:
        """Send one request and return the answer."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return asyncio.run(self._ask(method, path, data, headers or {}, query, chunks))

    async def _ask(
        self,
        method: str,
        path: str,
        data: bytes,
        headers: dict[str, str],
        query: bytes,
        chunks: int,
    ) -> Reply:
        head = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("utf-8", "surrogatepass"),
            "query_string": query,
            "root_path": "",
            "headers": head,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": {},
            "extensions": {},
        }
        size = max(1, -(-len(data) // chunks))
        parts = [data[i : i + size] for i in range(0, len(data), size)] or [b""]
        sent: list[Any] = []

        async def receive() -> Any:
            if not parts:
                return {"type": "http.disconnect"}
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def catch(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, catch)
        start = sent[0]
        return Reply(
            start["status"],
            {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in start["headers"]},
            b"".join(one.get("body", b"") for one in sent[1:]),
        )
