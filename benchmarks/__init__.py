"""Benchmarks: the paths that users wait for. `python -m benchmarks [NAME]` prints tables."""
