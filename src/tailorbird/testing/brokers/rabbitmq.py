"""A RabbitMQ server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tailorbird.testing.brokers.broker import PLACE, Broker, BrokerMissing, program
from tailorbird.testing.processes import free_port

# The script on the PATH insists on a user of its own; this one is what it calls.
_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


class RabbitBroker(Broker):
    """`rabbitmq-server` as a node of its own, with Erlang's port mapper of its own."""

    def start(self) -> None:
        """Start it."""
        folder = self.folder
        if not _SERVER.exists():
            raise BrokerMissing("rabbitmq-server is not installed")
        self._port, mapper = free_port(), free_port()
        self._run([program("epmd"), "-port", str(mapper), "-address", "127.0.0.1"])
        self._await_port(mapper)
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._port}\nloopback_users = none\n"
            "log.console = true\nlog.console.level = warning\n"
            "vm_memory_high_watermark.relative = 0.2\n"
        )
        env = {
            "ERL_EPMD_PORT": str(mapper),
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"tailorbird-{self._port}@localhost",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none.conf"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
        }
        self._run([str(_SERVER)], env)
        self._await_port(self._port)

    @property
    def source(self) -> str:
        """The source that reads it."""
        return (
            f"kind: rabbitmq\nurl: amqp://guest:${{RABBIT_PASSWORD}}@127.0.0.1:{self._port}/\n"
            f"queue: {PLACE}\n"
        )

    async def publish(self, bodies: Sequence[bytes]) -> None:
        """Publish with confirmation into the queue, which is made where it is missing."""
        import aio_pika

        async with await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{self._port}/") as one:
            channel = await one.channel()
            await channel.declare_queue(PLACE, durable=True)
            for body in bodies:
                message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await channel.default_exchange.publish(message, PLACE)

    async def delete(self) -> None:
        """Delete the queue."""
        import aio_pika

        async with await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{self._port}/") as one:
            channel = await one.channel()
            await channel.queue_delete(PLACE)

    async def unsettled(self) -> int:
        """Return the messages that are ready; those held by a consumer that ended are, too."""
        import aio_pika

        async with await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{self._port}/") as one:
            channel = await one.channel()
            queue = await channel.declare_queue(PLACE, passive=True)
            return int(queue.declaration_result.message_count or 0)
