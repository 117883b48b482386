"""What a role's process is told when it starts, as values and as command-line words."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

ROLES = ("writer", "engine", "deliver", "web", "sources", "lake")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSettings:
    """Settings shared by all roles of one data folder."""

    data: Path
    workspace: Path
    host: str = "127.0.0.1"
    port: int = 8000
    engines: int = 2
    index: int = 0  # which engine this is
    clock: str = "system"  # or "simulated"
    smtp_url: str = ""  # empty: what the workspace says
    log_level: str = "info"
    supervisor: int = 0  # process id without which the role ends; 0: it stands alone

    def to_argv(self) -> list[str]:
        """Return the words from which `from_argv` makes the same settings."""
        words: list[str] = []
        for one in fields(self):
            words += [f"--{one.name.replace('_', '-')}", str(getattr(self, one.name))]
        return words

    @classmethod
    def from_argv(cls, argv: Sequence[str]) -> RoleSettings:
        """Read the words that the supervisor gives to its children."""
        parser = argparse.ArgumentParser(prog="tailorbird role", allow_abbrev=False)
        parser.add_argument("--data", type=Path, required=True)
        parser.add_argument("--workspace", type=Path, required=True)
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--engines", type=int, default=2)
        parser.add_argument("--index", type=int, default=0)
        parser.add_argument("--clock", choices=["system", "simulated"], default="system")
        parser.add_argument("--smtp-url", default="")
        parser.add_argument("--log-level", default="info")
        parser.add_argument("--supervisor", type=int, default=0)
        return cls(**vars(parser.parse_args(argv)))
