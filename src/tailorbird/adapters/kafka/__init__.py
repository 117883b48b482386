"""Kafka topics as sources of events."""
