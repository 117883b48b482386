"""A NATS server with JetStream."""

from __future__ import annotations

from collections.abc import Sequence

from tailorbird.testing.brokers.broker import PLACE, Broker, program
from tailorbird.testing.processes import free_port


class NatsBroker(Broker):
    """`nats-server --jetstream`."""

    def start(self) -> None:
        """Start it."""
        folder = self.folder
        self._port = free_port()
        words = [program("nats-server"), "--jetstream", "--store_dir", str(folder / "jetstream")]
        self._run([*words, "--addr", "127.0.0.1", "--port", str(self._port)])
        self._await_port(self._port)

    @property
    def source(self) -> str:
        """The source that reads it."""
        return (
            f"kind: nats\nurl: nats://127.0.0.1:{self._port}\nstream: {PLACE}\n"
            "redeliver_after: 2s\n"
        )

    async def publish(self, bodies: Sequence[bytes]) -> None:
        """Publish into the stream, which is made where it is missing."""
        import nats

        client = await nats.connect(f"nats://127.0.0.1:{self._port}")
        jetstream = client.jetstream()
        await jetstream.add_stream(name=PLACE, subjects=["shop.>"])
        for body in bodies:
            await jetstream.publish("shop.orders", body)
        await client.close()

    async def delete(self) -> None:
        """Delete the stream."""
        import nats

        client = await nats.connect(f"nats://127.0.0.1:{self._port}")
        await client.jetstream().delete_stream(PLACE)
        await client.close()

    async def unsettled(self) -> int:
        """Return what waits for delivery and for an acknowledgement."""
        import nats

        client = await nats.connect(f"nats://127.0.0.1:{self._port}")
        info = await client.jetstream().consumer_info(PLACE, "tailorbird")
        await client.close()
        return int(info.num_pending or 0) + int(info.num_ack_pending or 0)
