"""RabbitMQ queues as sources of events."""
