"""Reads a Kafka topic as a member of a consumer group."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, unquote

from tailorbird.ports.source import Delivery, SourceProblem
from tailorbird.workspace.definitions import SourceDefinition

BATCH_SIZE = 500
WAIT_MILLISECONDS = 1_000
TIMEOUT_SECONDS = 10.0
# The library goes on asking for a broker that is gone, and says nothing: so it is asked.
PROBE_SECONDS = 5.0


async def open_source(definition: SourceDefinition, url: str) -> KafkaSource:
    """Join the group.

    Raises:
        SourceProblem: no broker can be reached, there is no such topic, or the package is missing.
    """
    try:
        from aiokafka import AIOKafkaConsumer, TopicPartition
        from aiokafka.errors import KafkaError
    except ImportError as problem:
        raise SourceProblem(
            "kafka sources need a package: pip install 'tailorbird[kafka]'", is_retry_safe=False
        ) from problem
    # What it complains of comes back from the calls as well.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    problems = (KafkaError, OSError, asyncio.TimeoutError)
    consumer = AIOKafkaConsumer(
        definition.place,
        group_id=definition.group,
        # A member that was killed and comes back is the same one: nobody waits for its session.
        group_instance_id=f"tailorbird-{os.uname().nodename}-{definition.name}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_poll_records=BATCH_SIZE,
        **settings_of(url),
    )
    try:
        await asyncio.wait_for(consumer.start(), 2 * TIMEOUT_SECONDS)
        if definition.place not in await consumer.topics():
            raise SourceProblem(
                f"kafka: there is no topic `{definition.place}`; create it, or mend its name",
                is_retry_safe=True,
            )
    except problems as problem:
        await consumer.stop()
        raise _translated(problem) from problem
    except BaseException:
        await consumer.stop()
        raise
    return KafkaSource(consumer, TopicPartition, problems)


def settings_of(url: str) -> dict[str, Any]:
    """Read `kafka://user:password@host:9092,host:9092?mechanism=SCRAM-SHA-512`.

    `kafka+ssl://` encrypts; without a mechanism a user logs in by PLAIN.

    Raises:
        SourceProblem: it is no such URL.
    """
    scheme, _, rest = url.partition("://")
    rest, _, query = rest.partition("?")
    credentials, _, hosts = rest.rstrip("/").rpartition("@")
    if scheme not in ("kafka", "kafka+ssl") or not hosts:
        raise SourceProblem(
            "the url is none of Kafka; write kafka://HOST:9092,HOST:9092 or kafka+ssl://...",
            is_retry_safe=False,
        )
    servers = [one if ":" in one else f"{one}:9092" for one in hosts.split(",") if one]
    settings: dict[str, Any] = {"bootstrap_servers": servers}
    is_encrypted = scheme == "kafka+ssl"
    if is_encrypted:
        settings["ssl_context"] = ssl.create_default_context()
    security = "SSL" if is_encrypted else "PLAINTEXT"
    if credentials:
        user, _, password = credentials.partition(":")
        security = "SASL_SSL" if is_encrypted else "SASL_PLAINTEXT"
        settings |= {
            "sasl_mechanism": parse_qs(query).get("mechanism", ["PLAIN"])[0],
            "sasl_plain_username": unquote(user),
            "sasl_plain_password": unquote(password),
        }
    return {**settings, "security_protocol": security}


def _translated(problem: Exception) -> SourceProblem:
    return SourceProblem(f"kafka: {problem or type(problem).__name__}", is_retry_safe=True)


class KafkaSource:
    """`ports.source.Source` over a consumer group, offsets committed by hand."""

    def __init__(
        self, consumer: Any, partition_of: Any, problems: tuple[type[Exception], ...]
    ) -> None:
        # Any: the library's own types would have to be imported, and it is optional.
        self._consumer = consumer
        self._partition_of = partition_of
        self._problems = problems
        self._heard_at = time.monotonic()

    async def receive(self) -> Sequence[Delivery]:
        """Return the next records of all partitions that are ours."""
        try:
            found = await self._consumer.getmany(timeout_ms=WAIT_MILLISECONDS)
            if found:
                self._heard_at = time.monotonic()
            elif time.monotonic() - self._heard_at > PROBE_SECONDS:
                ours = list(self._consumer.assignment())
                await asyncio.wait_for(self._consumer.end_offsets(ours), TIMEOUT_SECONDS)
                self._heard_at = time.monotonic()
        except self._problems as problem:
            raise _translated(problem) from problem
        return [_delivery(one) for records in found.values() for one in records]

    async def settle(self, batch: Sequence[Delivery]) -> None:
        """Commit the offsets after the last record of each partition."""
        offsets = {self._partition(one): one.token.offset + 1 for one in batch}
        try:
            await asyncio.wait_for(self._consumer.commit(offsets), TIMEOUT_SECONDS)
        except self._problems as problem:
            raise _translated(problem) from problem

    async def refuse(self, batch: Sequence[Delivery]) -> None:
        """Go back to the first record of each partition."""
        first = {self._partition(one): one.token.offset for one in reversed(batch)}
        try:
            for partition, offset in first.items():
                self._consumer.seek(partition, offset)
        except self._problems as problem:
            raise _translated(problem) from problem

    async def close(self) -> None:
        """Leave."""
        with contextlib.suppress(*self._problems):
            await self._consumer.stop()

    def _partition(self, delivery: Delivery) -> Any:
        return self._partition_of(delivery.token.topic, delivery.token.partition)


def _delivery(record: Any) -> Delivery:
    is_stamped = record.timestamp is not None and record.timestamp > 0
    at = record.timestamp * 1_000 if is_stamped else None
    # With the time: a topic that was deleted and made anew counts from 0 again.
    position = f"{record.topic}/{record.partition}/{record.offset}/{record.timestamp}"
    # A record without a value is a deletion's mark in compacted topics: no JSON, so it is told of.
    return Delivery(body=record.value or b"", position=position, at=at, token=record)
