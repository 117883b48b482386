"""Real brokers for tests: each started on free ports in a folder of its own, and ended after."""

from tailorbird.testing.brokers.broker import Broker, BrokerMissing
from tailorbird.testing.brokers.kafka import KafkaBroker
from tailorbird.testing.brokers.nats import NatsBroker
from tailorbird.testing.brokers.rabbitmq import RabbitBroker
from tailorbird.testing.brokers.redis import RedisBroker

BROKERS: dict[str, type[Broker]] = {
    "redis": RedisBroker,
    "rabbitmq": RabbitBroker,
    "nats": NatsBroker,
    "kafka": KafkaBroker,
}

__all__ = ["BROKERS", "Broker", "BrokerMissing"]
