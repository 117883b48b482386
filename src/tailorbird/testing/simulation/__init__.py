"""A whole Tailorbird in one process, from a seed: faults at every turn, and an auditor.

    python -m tailorbird.testing.simulation SEED

Everything is simulated but the product: clock, disk, network, mail server and people are made up
and drawn from the seed; `Ingest`, `Appender`, `Engine`, `Delivery` and `Publisher` are the real
ones, over the memory adapters. Read `world`, then `auditor`. docs/explanation/crashes.md says what
it holds.
"""

from tailorbird.testing.simulation.running import Verdict, simulate

__all__ = ["Verdict", "simulate"]
