"""Reads a RabbitMQ queue, with acknowledgements in order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

from tailorbird.base.hashing import hash_text
from tailorbird.base.time import to_micros
from tailorbird.ports.source import Delivery, SourceProblem
from tailorbird.workspace.definitions import SourceDefinition

BATCH_SIZE = 500
WAIT_SECONDS = 1.0
TIMEOUT_SECONDS = 10.0
# The server tells nobody who waits that a queue was deleted: so it is asked.
PROBE_SECONDS = 5.0


async def open_source(definition: SourceDefinition, url: str) -> RabbitSource:
    """Connect, and make the queue, durable, where there is none.

    Raises:
        SourceProblem: RabbitMQ cannot be reached or refuses, or its package is not installed.
    """
    try:
        import aio_pika
        from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity
    except ImportError as problem:
        raise SourceProblem(
            "rabbitmq sources need a package: pip install 'tailorbird[rabbitmq]'",
            is_retry_safe=False,
        ) from problem
    problems = (AMQPError, OSError, asyncio.TimeoutError, RuntimeError)
    try:
        connection = await aio_pika.connect(url, timeout=TIMEOUT_SECONDS)
    except ValueError as problem:
        raise SourceProblem(
            "the url is none of RabbitMQ; write amqp://USER:PASSWORD@HOST:5672/VHOST",
            is_retry_safe=False,
        ) from problem
    except problems as problem:
        raise _translated(problem) from problem
    try:
        channel = await connection.channel()
        try:
            queue = await channel.declare_queue(definition.place, passive=True)
        except ChannelNotFoundEntity:
            # RabbitMQ closes a channel on which something was not found.
            channel = await connection.channel()
            queue = await channel.declare_queue(definition.place, durable=True)
        await channel.set_qos(prefetch_count=2 * BATCH_SIZE)
        source = RabbitSource(connection, channel, definition.place, problems)
        await queue.consume(source.take)
    except problems as problem:
        await connection.close()
        raise _translated(problem) from problem
    except BaseException:
        await connection.close()
        raise
    return source


def _translated(problem: BaseException) -> SourceProblem:
    said = str(problem) or type(problem).__name__
    return SourceProblem(f"rabbitmq: {said}", is_retry_safe=True)


class RabbitSource:
    """`ports.source.Source` over basic.consume.

    A queue has no positions: a message is known by its message-id property and its content, so two
    of them that are alike in both, and in their timestamp property, count once.
    """

    def __init__(
        self, connection: Any, channel: Any, place: str, problems: tuple[type[Exception], ...]
    ) -> None:
        # Any: the library's own types would have to be imported, and it is optional.
        self._connection = connection
        self._channel = channel
        self._place = place
        self._heard_at = time.monotonic()
        self._problems = problems
        self._waiting: asyncio.Queue[Any] = asyncio.Queue()
        channel.close_callbacks.add(self._on_close)

    async def take(self, message: Any) -> None:
        """Take one message from the library."""
        self._waiting.put_nowait(message)

    async def receive(self) -> Sequence[Delivery]:
        """Return what has come."""
        try:
            first = await asyncio.wait_for(self._waiting.get(), WAIT_SECONDS)
        except TimeoutError:
            self._refuse_if_gone(None)
            await self._probe()
            return []
        self._heard_at = time.monotonic()
        found = [first]
        while len(found) < BATCH_SIZE and not self._waiting.empty():
            found.append(self._waiting.get_nowait())
        for one in found:
            self._refuse_if_gone(one)
        return [_delivery(one) for one in found]

    async def settle(self, batch: Sequence[Delivery]) -> None:
        """Acknowledge the batch and with it all before, which are settled already."""
        await self._answer(batch, lambda last: last.ack(multiple=True))

    async def refuse(self, batch: Sequence[Delivery]) -> None:
        """Put the batch back into the queue."""
        await self._answer(batch, lambda last: last.nack(multiple=True, requeue=True))

    async def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(*self._problems):
            await self._connection.close()

    async def _answer(self, batch: Sequence[Delivery], how: Any) -> None:
        try:
            await how(batch[-1].token)
        except self._problems as problem:
            raise _translated(problem) from problem

    async def _probe(self) -> None:
        if time.monotonic() - self._heard_at < PROBE_SECONDS:
            return
        try:
            found = await asyncio.wait_for(
                self._channel.declare_queue(self._place, passive=True), TIMEOUT_SECONDS
            )
        except self._problems as problem:
            raise _translated(problem) from problem
        if not found.declaration_result.consumer_count:
            raise SourceProblem("rabbitmq: the queue was made anew", is_retry_safe=True)
        self._heard_at = time.monotonic()

    def _refuse_if_gone(self, one: Any) -> None:
        if isinstance(one, BaseException):
            raise _translated(one)
        if one is None and self._channel.is_closed:
            raise SourceProblem("rabbitmq: the connection is closed", is_retry_safe=True)

    def _on_close(self, sender: Any, problem: BaseException | None) -> None:
        self._waiting.put_nowait(problem or ConnectionError("the connection is closed"))


def _delivery(message: Any) -> Delivery:
    at = to_micros(message.timestamp) if message.timestamp is not None else None
    position = hash_text(message.message_id or "", at or 0, bytes(message.body))
    return Delivery(body=bytes(message.body), position=position, at=at, token=message)
