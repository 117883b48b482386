"""The process that folds history for a version which is to go live; it prints the file's name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tailorbird.base.problems import TailorbirdError
from tailorbird.bootstrap.filling import CANCELLED, prepare_here
from tailorbird.services.prepare import Cancelled
from tailorbird.worker.process import CANNOT_START, calm_garbage_collector


def main(argv: Sequence[str] | None = None) -> int:
    """Fold for `DATA VERSION`."""
    data, version = sys.argv[1:] if argv is None else argv
    calm_garbage_collector()
    try:
        sys.stdout.write(prepare_here(Path(data), version))
    except Cancelled:
        return CANCELLED
    except TailorbirdError as problem:
        sys.stderr.write(str(problem))
        return CANNOT_START
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
