"""An Apache Kafka broker from its published jars, alone in KRaft mode."""

from __future__ import annotations

import base64
import os
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from tailorbird.testing.brokers.broker import PLACE, Broker, BrokerMissing, program
from tailorbird.testing.processes import free_port

_POM = Path(__file__).parent / "kafka_jars" / "pom.xml"
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_FETCH_SECONDS_MAX = 240
_PARTITIONS = 3
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
num.partitions={partitions}
"""


def fetch_jars() -> Path:
    """Return the folder with Kafka's jars; Maven copies them there once.

    Raises:
        BrokerMissing: Java or Maven is not installed, or Maven cannot reach its repository.
    """
    program("java")
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "tailorbird" / "kafka-3.9.1"
    if (folder / "done").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    words = [program("mvn"), "-q", "-B", "-f", str(_POM), _PLUGIN]
    try:
        done = subprocess.run(
            [*words, f"-DoutputDirectory={folder}", "-DincludeScope=runtime"],
            capture_output=True,
            timeout=_FETCH_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BrokerMissing("Maven does not get Kafka's jars in time") from None
    if done.returncode:
        raise BrokerMissing(f"Maven does not get Kafka's jars: {done.stdout[-500:]!r}")
    (folder / "done").touch()
    return folder


class KafkaBroker(Broker):
    """One node that is broker and controller."""

    def start(self) -> None:
        """Start it."""
        folder = self.folder
        jars = f"{fetch_jars()}/*"
        self._port = free_port()
        settings = folder / "server.properties"
        text = _SETTINGS.format(
            port=self._port, controller=free_port(), folder=folder, partitions=_PARTITIONS
        )
        settings.write_text(text)
        java = [program("java"), "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", jars]
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        # One word with its option: an id may begin with a dash.
        words = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}"]
        subprocess.run(
            [*java, *words, f"--config={settings}"],
            stdout=self._errors,
            stderr=self._errors,
            check=True,
            timeout=60,
        )
        self._run([*java, "kafka.Kafka", str(settings)])
        self._await_port(self._port)

    @property
    def source(self) -> str:
        """The source that reads it."""
        return f"kind: kafka\nurl: kafka://127.0.0.1:{self._port}\ntopic: {PLACE}\n"

    async def publish(self, bodies: Sequence[bytes]) -> None:
        """Publish to all partitions in turn; the topic makes itself."""
        from aiokafka import AIOKafkaProducer

        producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{self._port}")
        await producer.start()
        sent = [await producer.send(PLACE, body) for body in bodies]
        for one in sent:
            await one
        await producer.stop()

    async def delete(self) -> None:
        """Delete the topic."""
        from aiokafka.admin import AIOKafkaAdminClient

        admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{self._port}")
        await admin.start()
        try:
            await admin.delete_topics([PLACE])
        finally:
            await admin.close()

    async def unsettled(self) -> int:
        """Return the records after the group's offsets."""
        from aiokafka import AIOKafkaConsumer, TopicPartition
        from aiokafka.admin import AIOKafkaAdminClient

        servers = f"127.0.0.1:{self._port}"
        consumer = AIOKafkaConsumer(bootstrap_servers=servers)
        admin = AIOKafkaAdminClient(bootstrap_servers=servers)
        await consumer.start()
        await admin.start()
        try:
            places = [TopicPartition(PLACE, number) for number in range(_PARTITIONS)]
            ends = await consumer.end_offsets(places)
            settled = await admin.list_consumer_group_offsets("tailorbird")
            return sum(
                end - max(settled[one].offset if one in settled else 0, 0)
                for one, end in ends.items()
            )
        finally:
            await consumer.stop()
            await admin.close()
