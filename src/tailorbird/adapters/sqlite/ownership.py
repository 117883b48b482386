"""One writer for each file: a lock that the system lets go when its process ends, however it ends.

Two writers of one log would both stamp and number records; SQLite alone does not prevent that.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tailorbird.adapters.sqlite.connection import StorageProblem


class Ownership:
    """Held as long as this object lives."""

    def __init__(self, folder: Path, name: str) -> None:
        """Become the one `name` of a data folder.

        Raises:
            StorageProblem: another process is it.
        """
        path = folder / "locks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            other = os.read(self._descriptor, 20).decode("ascii", "replace") or "unknown"
            os.close(self._descriptor)
            raise StorageProblem(
                f"another process ({other}) is the {name} of {folder};"
                " stop it first, or wait until it ends; or use another data folder"
            ) from problem
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, str(os.getpid()).encode())

    def close(self) -> None:
        """Let another process take over."""
        self.release()

    def release(self) -> None:
        """Let another process take over."""
        os.close(self._descriptor)
