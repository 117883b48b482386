"""Reads a NATS JetStream stream through a durable pull consumer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from tailorbird.base.time import to_micros
from tailorbird.ports.source import Delivery, SourceProblem
from tailorbird.workspace.definitions import SourceDefinition

BATCH_SIZE = 500
WAIT_SECONDS = 1.0
TIMEOUT_SECONDS = 5
# A consumer that was deleted gives nothing, and says nothing: so it is asked for.
PROBE_SECONDS = 5.0


async def open_source(definition: SourceDefinition, url: str) -> NatsSource:
    """Connect, and make the durable consumer where it is missing.

    Raises:
        SourceProblem: NATS cannot be reached, knows no such stream, or its package is missing.
    """
    try:
        import nats
        from nats.errors import Error
        from nats.errors import TimeoutError as NatsTimeout
        from nats.js.api import AckPolicy, ConsumerConfig
        from nats.js.errors import NotFoundError
    except ImportError as problem:
        raise SourceProblem(
            "nats sources need a package: pip install 'tailorbird[nats]'", is_retry_safe=False
        ) from problem
    problems = (Error, OSError, asyncio.TimeoutError, ValueError)

    async def unheard(problem: Exception) -> None:
        """Faults come back from the calls; the library would also print them."""

    try:
        client = await nats.connect(
            url,
            allow_reconnect=False,
            # The library would otherwise try the first connection for two minutes.
            max_reconnect_attempts=1,
            reconnect_time_wait=0.1,
            connect_timeout=TIMEOUT_SECONDS,
            error_cb=unheard,
        )
    except problems as problem:
        raise _translated(problem) from problem
    stream, group = definition.place, definition.group
    try:
        jetstream = client.jetstream(timeout=TIMEOUT_SECONDS)
        try:
            await jetstream.stream_info(stream)
        except NotFoundError as problem:
            raise SourceProblem(
                f"nats: there is no stream `{stream}`; make it with the subjects that it keeps",
                is_retry_safe=True,
            ) from problem
        try:
            await jetstream.consumer_info(stream, group)
        except NotFoundError:
            config = ConsumerConfig(
                durable_name=group,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=definition.redeliver_seconds,
                max_deliver=-1,
                max_ack_pending=20 * BATCH_SIZE,
                filter_subject=definition.subject or None,
            )
            await jetstream.add_consumer(stream, config)
        subscription = await jetstream.pull_subscribe_bind(durable=group, stream=stream)
    except problems as problem:
        await client.close()
        raise _translated(problem) from problem
    except BaseException:
        await client.close()
        raise
    return NatsSource(client, subscription, problems, NatsTimeout)


def _translated(problem: Exception) -> SourceProblem:
    return SourceProblem(f"nats: {problem or type(problem).__name__}", is_retry_safe=True)


class NatsSource:
    """`ports.source.Source` over a pull subscription."""

    def __init__(
        self,
        client: Any,
        subscription: Any,
        problems: tuple[type[Exception], ...],
        timeout: type[Exception],
    ) -> None:
        # Any: the library's own types would have to be imported, and it is optional.
        self._client = client
        self._subscription = subscription
        self._problems = problems
        self._timeout = timeout
        self._heard_at = time.monotonic()

    async def receive(self) -> Sequence[Delivery]:
        """Fetch the next messages."""
        try:
            found = await self._subscription.fetch(BATCH_SIZE, timeout=WAIT_SECONDS)
        except self._timeout as problem:
            if not self._client.is_connected:
                raise SourceProblem("nats: the connection is closed", is_retry_safe=True) from (
                    problem
                )
            await self._probe()
            return []
        except self._problems as problem:
            raise _translated(problem) from problem
        self._heard_at = time.monotonic()
        return [_delivery(one) for one in found]

    async def _probe(self) -> None:
        if time.monotonic() - self._heard_at < PROBE_SECONDS:
            return
        try:
            await self._subscription.consumer_info()
        except self._problems as problem:
            raise _translated(problem) from problem
        self._heard_at = time.monotonic()

    async def settle(self, batch: Sequence[Delivery]) -> None:
        """Acknowledge messages, and wait until the server has read it."""
        await self._answer(batch, lambda message: message.ack())

    async def refuse(self, batch: Sequence[Delivery]) -> None:
        """Ask for messages to be delivered again."""
        await self._answer(batch, lambda message: message.nak())

    async def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(*self._problems):
            await self._client.close()

    async def _answer(self, batch: Sequence[Delivery], how: Callable[[Any], Any]) -> None:
        try:
            for one in batch:
                await how(one.token)
            await self._client.flush(TIMEOUT_SECONDS)
        except self._problems as problem:
            raise _translated(problem) from problem


def _delivery(message: Any) -> Delivery:
    metadata = message.metadata
    at = to_micros(metadata.timestamp)
    # With the time: a stream that was deleted and made anew counts from 1 again.
    position = f"{metadata.stream}/{metadata.sequence.stream}/{at}"
    return Delivery(body=message.data, position=position, at=at, token=message)
