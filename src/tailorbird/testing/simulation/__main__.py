"""The command line: one seed with its trace, or many."""

from __future__ import annotations

import argparse
import sys
import time

from tailorbird.testing.simulation.running import simulate


def main() -> int:
    """Run the seeds asked for; return 1 where one fails."""
    parser = argparse.ArgumentParser(
        prog="python -m tailorbird.testing.simulation", description=__doc__
    )
    parser.add_argument("seed", type=int, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds from it")
    parser.add_argument("--trace", action="store_true", help="print what happened as well")
    words = parser.parse_args()
    failed, begun = 0, time.process_time()
    for seed in range(words.seed, words.seed + words.count):
        verdict = simulate(seed)
        if words.trace:
            sys.stdout.write("\n".join(verdict.trace) + "\n")
        if verdict.problems or words.count == 1:
            sys.stdout.write(f"{verdict}\n")
        failed += bool(verdict.problems)
    seconds = time.process_time() - begun
    sys.stdout.write(f"{failed} of {words.count} failed, {seconds:.1f} s of CPU\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
