"""Facts about the machine and the data folder that `tailorbird doctor` asks for."""

from tailorbird.adapters.machine.facts import MachineFacts

__all__ = ["MachineFacts"]
