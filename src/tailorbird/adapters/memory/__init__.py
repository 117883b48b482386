"""Adapters that keep everything in memory: the first to pass each conformance suite."""
