"""The workload: people at their devices, who send, wait for an answer, and send again.

Each person has one user id, one address and a few devices with anonymous ids, of which some log in
sooner or later. Nobody shares an identifier, so who is who at the end does not depend on the order
in which things arrive: the auditor's model stays plain.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tailorbird.base.time import MICROSECONDS, format_micros
from tailorbird.testing.building import DAY, HOUR
from tailorbird.testing.simulation.processes import Crashed

if TYPE_CHECKING:
    from tailorbird.testing.simulation.world import World

TIMEOUT_SECONDS = 3.0
_LATE = (0, 0, 0, 0, 0, 3 * 60 * MICROSECONDS, 2 * HOUR, 3 * DAY)


@dataclass(slots=True)
class Sent:
    """An event as its sender remembers it."""

    message: dict[str, Any]
    timestamp: int
    person: int
    is_acknowledged: bool = False

    @property
    def message_id(self) -> str:
        """The id that makes a repetition the same."""
        return str(self.message["messageId"])


@dataclass(slots=True)
class Consenting:
    """What a person last said about marketing, by the simulation's seconds.

    `is_out_since` is when unsubscribing was acknowledged; None while mail may come.
    """

    spans: list[tuple[float, float]] = field(default_factory=list)
    is_out_since: float | None = None

    def leaves(self, at: float) -> None:
        """The unsubscription was acknowledged."""
        if self.is_out_since is None:
            self.is_out_since = at

    def returns(self, at: float) -> None:
        """A subscription is about to be sent."""
        if self.is_out_since is not None:
            self.spans.append((self.is_out_since, at))
            self.is_out_since = None

    def is_out(self, at: float) -> bool:
        """Say whether mail begun at an instant should never have been."""
        spans = [*self.spans, (self.is_out_since, float("inf"))]
        return any(start is not None and start < at < end for start, end in spans)


class Person:
    """Somebody with a user id, an address and some devices."""

    def __init__(self, world: World, number: int, rng: random.Random) -> None:
        self.world = world
        self.number = number
        self.rng = rng
        self.user = f"u{number}"
        self.address = f"p{number}@shop.example"
        self.devices = [f"a{number}-{one}" for one in range(rng.randint(2, 4))]
        self.consenting = Consenting()
        self.sent: list[Sent] = []
        self._count = 0
        self._under_way: set[asyncio.Task[None]] = set()

    async def live(self, until: float) -> None:
        """Do things until an instant, then wait until everything is acknowledged."""
        world, rng = self.world, self.rng
        while world.seconds() < until:
            await asyncio.sleep(rng.expovariate(1 / world.pace_seconds))
            if rng.random() < 0.12:
                await self._decide_on_mail()
            elif self.sent and rng.random() < 0.1:
                # The same events again: from an offline queue, or a careless program.
                self._send([rng.choice(self.sent)])
            else:
                self._send([self._event() for _ in range(rng.choice((1, 1, 1, 2, 4)))])
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    def _send(self, events: list[Sent]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._send_until_acknowledged(events))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _decide_on_mail(self) -> None:
        if self.consenting.is_out_since is not None and self.rng.random() < 0.5:
            self.consenting.returns(self.world.seconds())
            name = "Subscribed"
        else:
            name = "Unsubscribed"
        message = self._message("track", event=name, properties={"email": self.address})
        await self._send([self._remember({**message, "userId": self.user}, 0)])
        if name == "Unsubscribed":
            self.consenting.leaves(self.world.seconds())

    def _event(self) -> Sent:
        rng, draw = self.rng, self.rng.random()
        device = rng.choice(self.devices)
        who: dict[str, str] = rng.choice(
            [{"anonymousId": device}, {"anonymousId": device}, {"userId": self.user}]
        )
        late = rng.choice(_LATE)
        if draw < 0.2:
            traits = {
                "email": self.address,
                "country": rng.choice(["CH", "DE"]),
                "consent": {"marketing": True},
            }
            who = rng.choice([who, {"userId": self.user, "anonymousId": device}])
            message = self._message("identify", traits=traits)
        elif draw < 0.26:
            message = self._message("alias", previousId=device)
            who = {"userId": self.user}
        elif draw < 0.3:
            message = self._message("track", event="Signed Up")
        elif draw < 0.5:
            message = self._message(
                "track",
                event="Order Completed",
                properties={
                    "order_id": f"o{self.number}-{self._count}",
                    "revenue": rng.choice([10, 25, 60, 99.5]),
                },
            )
        elif draw < 0.65:
            message = self._message("track", event="Cart Added")
        else:
            message = self._message("track", event="Product Viewed")
        return self._remember({**message, **who}, late)

    def _message(self, call: str, **fields: Any) -> dict[str, Any]:
        self._count += 1
        return {"type": call, "messageId": f"m{self.number}-{self._count}", **fields}

    def _remember(self, message: dict[str, Any], late: int) -> Sent:
        # No two events of a person share a timestamp, so that ties decide nothing here.
        timestamp = self.world.clock.now() - late - self._count
        message["timestamp"] = format_micros(timestamp)
        sent = Sent(message, timestamp, self.number)
        self.sent.append(sent)
        self.world.sent[sent.message_id] = sent
        return sent

    async def _send_until_acknowledged(self, events: list[Sent]) -> None:
        world, weather = self.world, self.world.weather
        if len(events) == 1 and self.rng.random() < 0.7:
            call = str(events[0].message["type"])
            body = json.dumps(events[0].message).encode()
        else:
            call, body = "batch", json.dumps({"batch": [one.message for one in events]}).encode()
        while True:
            posts = {asyncio.create_task(self._post(call, body))}
            if world.network.random() < weather.duplicate:
                posts.add(asyncio.create_task(self._post(call, body)))
            done, _ = await asyncio.wait(
                posts, timeout=TIMEOUT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if any(not one.cancelled() and one.result() for one in done):
                for one in events:
                    one.is_acknowledged = True
                return
            await asyncio.sleep(self.rng.random())

    async def _post(self, call: str, body: bytes) -> bool:
        """Send one request; say whether it was answered well. It may still act later."""
        world = self.world
        world.requests_under_way += 1
        try:
            await world.travel()
            ingest = world.ingest
            if ingest is None:
                return False
            answered = await ingest.call(call, body, may_write=lambda _: True)
            if world.ingest is not ingest:
                return False  # the process is gone, and its answer with it
            await world.travel()
        except (ConnectionError, Crashed):
            return False
        finally:
            world.requests_under_way -= 1
        if answered.status not in (200, 503):
            world.fault(f"{answered.status} for {body.decode()}: {answered.body}")
        return answered.status == 200
