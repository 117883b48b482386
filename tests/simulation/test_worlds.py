"""Two thousand simulated worlds; each seed that fails prints the command that repeats it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from tailorbird.testing.simulation import simulate

RUNS = round(2_000 * float(os.environ.get("TAILORBIRD_EFFORT", "1")))
SEED = int(os.environ.get("TAILORBIRD_SEED", "1")) % 1_000_000
SLICES = 40


@pytest.mark.parametrize("part", range(SLICES))
def test_every_world_keeps_what_is_promised(part: int) -> None:
    failed = []
    for seed in range(SEED + part, SEED + RUNS, SLICES):
        verdict = simulate(seed)
        if verdict.problems:
            failed.append(str(verdict))
    assert not failed, "\n".join(failed)


def test_the_worlds_are_worth_looking_at() -> None:
    verdicts = [simulate(seed) for seed in range(40)]
    totals: dict[str, int] = {}
    for verdict in verdicts:
        for name, count in verdict.counts.items():
            totals[name] = totals.get(name, 0) + count
    for name in ("sent", "unknown", "suppressed", "expired", "failed"):
        assert totals[name] > 0, totals
    for role in ("writer", "engine-0", "engine-1", "deliver", "web", "publisher"):
        assert totals[f"{role} crashes"] > len(verdicts), totals
    told = "\n".join(line for verdict in verdicts for line in verdict.trace)
    for trouble in ("kill ", "power lost", "disk full", "clock jumps -", "workspace edited"):
        assert trouble in told, trouble


def test_a_seed_gives_the_same_world_in_every_process() -> None:
    code = (
        "from tailorbird.testing.simulation import simulate\n"
        "for seed in range(3, 9): print(simulate(seed).counts, *simulate(seed).trace, sep='\\n')"
    )
    digests = set()
    for hash_seed in ("0", "1", "2"):
        output = subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        ).stdout
        digests.add(hashlib.sha256(output).hexdigest())
    assert len(digests) == 1


def test_the_command_repeats_a_seed() -> None:
    words = [sys.executable, "-m", "tailorbird.testing.simulation", "3", "--trace"]
    output = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    verdict = simulate(3)
    assert output.startswith(verdict.trace[0])
    assert "seed 3: all is well" in output
