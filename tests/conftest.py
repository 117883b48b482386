"""What all tests share: the seed of everything random, printed so that a run can be repeated."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

import hypothesis.core
import pytest


def _seed_of_commit() -> int:
    """Return what the committed code gives: it holds for everybody who tests it, or for nobody.

    Each change of the code brings new random cases; where there is no commit, each run does.
    """
    try:
        told = subprocess.run(
            ["git", "rev-parse", "HEAD:src", "HEAD:tests"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
        code, tests = told.stdout.split()
        return int(code[:8], 16) ^ int(tests[:8], 16)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return secrets.randbits(32)


# Processes that share the tests share the seed.
SEED = int(os.environ.get("TAILORBIRD_SEED") or _seed_of_commit())
os.environ["TAILORBIRD_SEED"] = str(SEED)
EFFORT = float(os.environ.get("TAILORBIRD_EFFORT", "1"))


def pytest_configure() -> None:
    hypothesis.core.global_force_seed = SEED


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give tests that do more in the nightly form more time."""
    if EFFORT > 1:
        longer = pytest.mark.timeout(float(config.getini("timeout")) * EFFORT)
        for item in items:
            if item.get_closest_marker("timeout") is None:
                item.add_marker(longer)


def pytest_report_header(config: pytest.Config) -> str:
    return f"random cases: TAILORBIRD_SEED={SEED} TAILORBIRD_EFFORT={EFFORT:g}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # With -q no header is shown.
    terminalreporter.write_line(f"random cases: TAILORBIRD_SEED={SEED}")
