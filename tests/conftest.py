"""What all tests share: the seed of everything random, printed so that a run can be repeated."""

from __future__ import annotations

import os
import secrets

import hypothesis.core
import pytest

# Processes that share the tests share the seed.
SEED = int(os.environ.setdefault("TAILORBIRD_SEED", str(secrets.randbits(32))))
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
