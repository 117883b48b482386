"""Reads a Redis stream as a consumer of a group."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from tailorbird.ports.source import Delivery, SourceProblem
from tailorbird.workspace.definitions import SourceDefinition

BATCH_SIZE = 500
BLOCK_MILLISECONDS = 1_000
TIMEOUT_SECONDS = 10.0

_NEW, _OWN = ">", "0"


async def open_source(definition: SourceDefinition, url: str) -> RedisSource:
    """Connect, and make stream and group where they are missing.

    Raises:
        SourceProblem: Redis cannot be reached or refuses, or its package is not installed.
    """
    try:
        from redis import asyncio as redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as ConnectionProblem
        from redis.exceptions import RedisError, ResponseError
    except ImportError as problem:
        raise SourceProblem(
            "redis sources need a package: pip install 'tailorbird[redis]'", is_retry_safe=False
        ) from problem
    try:
        # The library must not repeat: entries of an answer that was lost would stay pending.
        client = redis.Redis.from_url(
            url,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
        )
    except ValueError as problem:
        # The library's text may repeat the URL, and with it a password.
        raise SourceProblem(
            "the url is none of Redis; write redis://:PASSWORD@HOST:6379/0", is_retry_safe=False
        ) from problem
    try:
        await client.xgroup_create(definition.place, definition.group, id="0", mkstream=True)
    except ResponseError as problem:
        if "BUSYGROUP" not in str(problem):
            await client.aclose()
            raise _translated(problem) from problem
    except (ConnectionProblem, RedisError, OSError) as problem:
        await client.aclose()
        raise _translated(problem) from problem
    return RedisSource(client, definition, (RedisError, OSError))


def _translated(problem: Exception) -> SourceProblem:
    return SourceProblem(f"redis: {problem}", is_retry_safe=True)


class RedisSource:
    """`ports.source.Source` over XREADGROUP.

    What this consumer was given and has not settled comes first; what others left behind for
    longer than `redeliver_after` is taken over.
    """

    def __init__(
        self, client: Any, definition: SourceDefinition, problems: tuple[type[Exception], ...]
    ) -> None:
        # Any: the library's annotations of its answers are unions of its two protocols.
        self._client = client
        self._definition = definition
        self._problems = problems
        # The machine's name: after a restart what this consumer was given is its own again.
        self._consumer = f"tailorbird-{os.uname().nodename}"
        self._from = _OWN
        self._claimed_at = float("-inf")

    async def receive(self) -> Sequence[Delivery]:
        """Return the next entries."""
        try:
            await self._take_over()
            found = await self._read()
            if not found and self._from == _OWN:
                self._from = _NEW
                found = await self._read()
            gone = [entry for entry, fields in found if not fields]
            if gone:
                # Trimmed before anybody read them: only their ids are left.
                await self._client.xack(self._definition.place, self._definition.group, *gone)
        except self._problems as problem:
            raise _translated(problem) from problem
        return [self._delivery(entry, fields) for entry, fields in found if fields]

    async def settle(self, batch: Sequence[Delivery]) -> None:
        """Acknowledge entries."""
        try:
            await self._client.xack(
                self._definition.place, self._definition.group, *(one.token for one in batch)
            )
        except self._problems as problem:
            raise _translated(problem) from problem

    async def refuse(self, batch: Sequence[Delivery]) -> None:
        """Leave entries pending: they are the next to be read."""
        self._from = _OWN

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def _take_over(self) -> None:
        seconds = self._definition.redeliver_seconds
        if time.monotonic() - self._claimed_at < seconds:
            return
        self._claimed_at = time.monotonic()
        start: Any = "0-0"
        while True:
            start, claimed, *_ = await self._client.xautoclaim(
                self._definition.place,
                self._definition.group,
                self._consumer,
                seconds * 1_000,
                start,
                count=BATCH_SIZE,
            )
            if claimed:
                self._from = _OWN
            if start in (b"0-0", "0-0"):
                return

    async def _read(self) -> list[tuple[bytes, dict[bytes, bytes]]]:
        answer = await self._client.xreadgroup(
            self._definition.group,
            self._consumer,
            {self._definition.place: self._from},
            count=BATCH_SIZE,
            block=BLOCK_MILLISECONDS if self._from == _NEW else None,
        )
        if not answer:
            return []
        ((_, entries),) = answer.items() if isinstance(answer, dict) else answer
        # The newer protocol puts each stream's entries into one more list.
        if isinstance(answer, dict) and entries and isinstance(entries[0], list):
            entries = entries[0]
        return list(entries)

    def _delivery(self, entry: bytes, fields: dict[bytes, bytes]) -> Delivery:
        body = fields.get(self._definition.field.encode())
        if body is None:
            # No such field: the fields themselves are the message.
            texts = {_text(name): _text(value) for name, value in fields.items()}
            body = msgspec.json.encode(texts)
        milliseconds = int(entry.partition(b"-")[0])
        return Delivery(body=body, position=entry.decode(), at=milliseconds * 1_000, token=entry)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
