"""NATS JetStream streams as sources of events."""
