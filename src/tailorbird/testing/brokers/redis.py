"""A Redis server."""

from __future__ import annotations

from collections.abc import Sequence

from tailorbird.testing.brokers.broker import PLACE, Broker, program
from tailorbird.testing.processes import free_port


class RedisBroker(Broker):
    """`redis-server` with a password."""

    def start(self) -> None:
        """Start it."""
        self._port = free_port()
        words = [program("redis-server"), "--port", str(self._port), "--bind", "127.0.0.1"]
        self._run([*words, "--save", "", "--appendonly", "no", "--requirepass", "p@ss/word"])
        self._await_port(self._port)

    @property
    def source(self) -> str:
        """The source that reads it; its password comes from the environment."""
        return (
            f"kind: redis\nurl: redis://:${{BROKER_PASSWORD}}@127.0.0.1:{self._port}/0\n"
            f"stream: {PLACE}\nredeliver_after: 2s\n"
        )

    async def publish(self, bodies: Sequence[bytes]) -> None:
        """Add entries."""
        from redis import asyncio as redis

        async with redis.Redis(port=self._port, password="p@ss/word") as client:
            for body in bodies:
                await client.xadd(PLACE, {"data": body})

    async def delete(self) -> None:
        """Delete the stream."""
        from redis import asyncio as redis

        async with redis.Redis(port=self._port, password="p@ss/word") as client:
            await client.delete(PLACE)

    async def unsettled(self) -> int:
        """Return pending entries and those that nobody was given."""
        from redis import asyncio as redis

        async with redis.Redis(port=self._port, password="p@ss/word") as client:
            (group,) = await client.xinfo_groups(PLACE)
            return int(group["pending"]) + int(group["lag"] or 0)
