"""`python -m benchmarks [NAME ...]`: runs all benchmarks, or those named."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = (
    "decode",
    "standardise",
    "assemble",
    "reducer",
    "wake_ups",
    "compiling",
    "log_to_state",
    "ingest",
    "post_to_membership",
    "idle_memory",
    "preview",
    "writing_sql",
    "backfill",
    "lake",
    "backtest",
    "soak",
)


def main() -> None:
    """Run what the command line names."""
    wanted = sys.argv[1:] or NAMES
    for name in wanted:
        if name not in NAMES:
            sys.exit(f"there is no benchmark {name!r}; known: {', '.join(NAMES)}")
        import_module(f"benchmarks.{name}").run()


if __name__ == "__main__":
    main()
